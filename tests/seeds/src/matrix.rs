//! One fault at one moment, in simulated time: how long it takes until messages are acknowledged again as before.

use crate::fetcher::{DEADLINE, Fetcher};
use crate::host::Host;
use crate::{profile, world};
use air780e::{Modem, Recovery};
use airgate_sim::modem::engine::{Engine, Setup};
use airgate_sim::modem::faults::Faulty;
use std::ops::Range;
use std::time::Duration;
use tokio::runtime::Builder;

/// What is going on when it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    Idle,
    Connecting,
    /// A short text: `MPUB`.
    Publishing,
    /// A payload in its data phase: `MPUBEX`.
    PublishingData,
    Receiving,
    /// A file comes through the module while messages are published.
    Downloading,
}

impl During {
    pub const ALL: [Self; 6] =
        [Self::Idle, Self::Connecting, Self::Publishing, Self::PublishingData, Self::Receiving, Self::Downloading];

    /// As the beginning of a rule. A download has several moments, of which `draw` takes one.
    fn when(self, draw: u64) -> &'static str {
        match self {
            Self::Idle => "at 60s",
            Self::Connecting => "on AT+MCONNECT",
            Self::Publishing => "on AT+MPUB= #3",
            Self::PublishingData => "in-data 10",
            Self::Receiving => "says +MSUB",
            Self::Downloading => match draw % 4 {
                0 => "on AT+HTTPACTION #3",
                1 => "says +HTTPACTION",
                2 => "on AT+HTTPREAD #3",
                // In the middle of a block, of which nearly all that the module says consists.
                _ => "byte 20000 to-host",
            },
        }
    }

    /// When the host has nothing to say.
    fn rest(self) -> Range<Duration> {
        match self {
            Self::Idle => Duration::from_secs(50)..Duration::from_secs(62),
            _ => Duration::ZERO..Duration::ZERO,
        }
    }
}

/// The latest that any fault strikes.
const STRUCK_BY: Duration = Duration::from_secs(90);
/// Messages are acknowledged, and pieces of a file come, more often than this when nothing is wrong.
const USUAL: Duration = Duration::from_secs(6);
/// The broker speaks three times within it.
const HEARD_WITHIN: Duration = Duration::from_secs(65);

/// Lets `fault` happen, and tells how long it took from then until messages were acknowledged as before, and a download went
/// on as before; no time at all where nobody noticed. `seed` draws the firmware.
///
/// # Errors
/// What was lost or damaged, and what did not heal within `within`.
pub fn suffer(during: During, fault: &str, within: Duration, seed: u64) -> Result<Duration, String> {
    // Each firmware meets each moment, if not with each fault unless there are sixteen seeds.
    let when = during.when(seed / 2 + seed / 8 + fault.len() as u64);
    let rule = format!("{when}: {fault}").parse()?;
    let end = STRUCK_BY + within + HEARD_WITHIN;
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let mut fetcher = Fetcher::default();
    let ((life, fetched), broker) = runtime.block_on(async {
        let setup = Setup { seed, rtt: Duration::from_millis(60), ..Setup::default() };
        let module = Faulty::new(Engine::new(profile(seed), setup), vec![rule], None, seed);
        let (world, ports) = world::start(module);
        let switch = world.calm();
        let recovery = Recovery { reset: Some(Box::new(move || switch.power_cycle())), ..Recovery::default() };
        let (modem, events) = Modem::start_with(ports, 115_200, None, recovery);
        let rest = during.rest();
        let host = Host::new(modem.clone(), events, world.calm(), seed).carry_on(&rest, end);
        let fetched = async {
            match during {
                During::Downloading => fetcher.fetch(&modem).await,
                _ => Ok(()),
            }
        };
        (tokio::join!(host, fetched), world.stop().await)
    });
    fetched?;
    broker.judge(&life)?;
    let struck = broker.struck().ok_or("it did not happen")?;
    if life.received_at < end.saturating_sub(HEARD_WITHIN) {
        return Err(format!("nothing was heard since {:?}", life.received_at));
    }
    let mut slowest = in_time("messages", &life.acknowledged_at, struck, &during.rest(), within)?;
    if during == During::Downloading {
        judge_files(&fetcher, fault)?;
        // A request that the fault has left without an answer runs into its own deadline.
        let pieces = in_time("pieces", &fetcher.pieces_at, struck, &during.rest(), within + DEADLINE)?;
        slowest = slowest.max(pieces);
    }
    Ok(slowest)
}

/// Only what damages bytes may spoil a file, and only the one that was under way.
fn judge_files(fetcher: &Fetcher, fault: &str) -> Result<(), String> {
    let damages = ["lose", "flip", "insert"].iter().any(|word| fault.starts_with(word));
    match fetcher.spoiled {
        spoiled if spoiled > u64::from(damages) => Err(format!("{spoiled} files are spoiled: {:?}", fetcher.errors)),
        _ => Ok(()),
    }
}

/// How long after the fault things went on as before, if that is within bounds.
fn in_time(
    what: &str,
    times: &[Duration],
    struck: Duration,
    rest: &Range<Duration>,
    within: Duration,
) -> Result<Duration, String> {
    match healed(times, struck, rest) {
        None => Err(format!("no {what} any more")),
        Some(healed) if healed > within => Err(format!("it took {healed:?} until {what} came again, not {within:?}")),
        Some(healed) => Ok(healed),
    }
}

/// The end of the last gap, from the fault on.
fn healed(times: &[Duration], struck: Duration, rest: &Range<Duration>) -> Option<Duration> {
    let times: Vec<_> = [Duration::ZERO].into_iter().chain(times.iter().copied()).collect();
    let gaps = times.iter().zip(times.iter().skip(1)).filter(|(_, end)| **end > struck);
    let unusual = |start: Duration, end: Duration| {
        let due = if rest.contains(&start) || rest.contains(&(start + USUAL)) { rest.end } else { start };
        end.saturating_sub(due) > USUAL
    };
    let last = gaps.filter(|(start, end)| unusual(**start, **end)).map(|(_, end)| *end - struck).next_back();
    // Behind the last gap, it has to go on.
    times.last().filter(|last| **last > struck)?;
    Some(last.unwrap_or(Duration::ZERO))
}

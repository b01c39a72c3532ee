//! One fault at one moment, in simulated time: how long it takes until messages are acknowledged again as before.

use crate::host::{Host, Life};
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
}

impl During {
    pub const ALL: [Self; 5] = [Self::Idle, Self::Connecting, Self::Publishing, Self::PublishingData, Self::Receiving];

    /// As the beginning of a rule.
    fn when(self) -> &'static str {
        match self {
            Self::Idle => "at 60s",
            Self::Connecting => "on AT+MCONNECT",
            Self::Publishing => "on AT+MPUB= #3",
            Self::PublishingData => "in-data 10",
            Self::Receiving => "says +MSUB",
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
/// Messages are acknowledged more often than this when nothing is wrong.
const USUAL: Duration = Duration::from_secs(6);
/// The broker speaks three times within it.
const HEARD_WITHIN: Duration = Duration::from_secs(65);

/// Lets `fault` happen, and tells how long it took from then until messages were acknowledged as before; no time at all
/// where nobody noticed. `seed` draws the firmware.
///
/// # Errors
/// What was lost or damaged, and what did not heal within `within`.
pub fn suffer(during: During, fault: &str, within: Duration, seed: u64) -> Result<Duration, String> {
    let rule = format!("{}: {fault}", during.when()).parse()?;
    let end = STRUCK_BY + within + HEARD_WITHIN;
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let (life, broker) = runtime.block_on(async {
        let setup = Setup { seed, rtt: Duration::from_millis(60), ..Setup::default() };
        let module = Faulty::new(Engine::new(profile(seed), setup), vec![rule], None, seed);
        let (world, ports) = world::start(module);
        let switch = world.calm();
        let recovery = Recovery { reset: Some(Box::new(move || switch.power_cycle())), ..Recovery::default() };
        let (modem, events) = Modem::start_with(ports, 115_200, None, recovery);
        let life = Host::new(modem, events, world.calm(), seed).carry_on(&during.rest(), end).await;
        (life, world.stop().await)
    });
    broker.judge(&life)?;
    let struck = broker.struck().ok_or("it did not happen")?;
    let healed = healed(&life, struck, &during.rest()).ok_or("not healed at all")?;
    if life.received_at < end.saturating_sub(HEARD_WITHIN) {
        return Err(format!("nothing was heard since {:?}", life.received_at));
    }
    match healed <= within {
        true => Ok(healed),
        false => Err(format!("it took {healed:?}, not {within:?}")),
    }
}

/// The end of the last gap in the acknowledgements, from the fault on.
fn healed(life: &Life, struck: Duration, rest: &Range<Duration>) -> Option<Duration> {
    let times: Vec<_> = [Duration::ZERO].into_iter().chain(life.acknowledged_at.iter().copied()).collect();
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

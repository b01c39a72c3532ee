//! A fault rule: what happens, when, and how often.

use std::path::PathBuf;
use std::time::Duration;

use super::BROWNOUT_EVERY;

/// One line of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What calls the fault.
    pub when: When,
    /// What goes wrong.
    pub fault: Fault,
    /// How often it may happen; `None`: always.
    pub times: Option<u32>,
}

/// What calls a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// This long after power-on of the simulator.
    At(Duration),
    /// Again and again.
    Every(Duration),
    /// The module has heard the nth command line that begins so (capitals or not); `*` in a script is every line.
    Command {
        /// How the line begins, in capitals.
        name: String,
        /// 1 is the next one.
        nth: u32,
    },
    /// This many bytes of a data phase have arrived.
    InData(usize),
    /// This many bytes have gone over the line in this direction since the start.
    Byte(Direction, u64),
    /// The module is about to print a line that begins so.
    Says(String),
}

/// A direction of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the host.
    ToModule,
    /// From the module.
    ToHost,
}

/// What a hanging module still reacts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cure {
    /// The RESET key, and power.
    Reset,
    /// Only the supply switched off and on.
    Power,
    /// It goes on by itself after this long, as if nothing had been.
    Time(Duration),
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The next bytes in this direction are lost.
    Lose(Direction, u32),
    /// In each of the next bytes one bit turns over.
    Flip(Direction, u32),
    /// In front of the next byte this many others appear.
    Insert(Direction, u32),
    /// Nothing moves in either direction; afterwards everything comes at once.
    Stall(Duration),
    /// The same for what the module prints alone: its answers are late.
    Late(Duration),
    /// The next final result (`OK`, `ERROR`, `+CME ERROR: …`) comes twice.
    Double,
    /// The next line that begins so does not come.
    Swallow(String),
    /// The next prompt does not come, though the module waits for the data.
    NoPrompt,
    /// The module prints this line.
    Say(String),
    /// The connection to the broker breaks; the host is told `CLOSED`.
    Close,
    /// Out of coverage for this long.
    NoService(Duration),
    /// Without SIM card for this long.
    NoSim(Duration),
    /// Every command but a bare `AT` ends with this CME error for this long.
    Refuse(u32, Duration),
    /// A reboot out of nothing.
    Reboot,
    /// So many reboots, each before the module has found its network: a supply that breaks down under load.
    BootLoop(u32),
    /// The module is deaf and dumb.
    Hang(Cure),
    /// The port is gone for this long, and comes back under its old or this new path.
    Vanish(Duration, Option<PathBuf>),
}

impl Fault {
    /// How long it lasts by itself; what hangs until somebody helps lasts no time by itself.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        match self {
            Self::Stall(time)
            | Self::Late(time)
            | Self::NoService(time)
            | Self::NoSim(time)
            | Self::Refuse(_, time)
            | Self::Hang(Cure::Time(time))
            | Self::Vanish(time, _) => *time,
            Self::BootLoop(count) => BROWNOUT_EVERY * count.saturating_sub(1),
            _ => Duration::ZERO,
        }
    }
}

//! What the engine has set itself to do later, in order of time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::NetEvent;

/// A step of the start-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Banner,
    /// The boot loader installs an update and has come so far, percent. It starts over when it is interrupted.
    Install(u8),
    Ready,
    SecondReady,
    Attach,
    Nitz,
}

/// A question that a location service is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Search {
    pub(super) name: &'static str,
    /// The position is asked for, not the time alone.
    pub(super) position: bool,
}

/// Something that is due at a time.
#[derive(Debug)]
pub(super) enum Timer {
    /// A step of the start-up.
    Boot(Step),
    /// The line that was received is now carried out.
    Execute,
    /// A slow command is through: go on with the rest of its line.
    Resume,
    /// A framed line that nobody asked for.
    Urc(String),
    /// URCs that were kept back have waited long enough.
    ReleaseUrcs,
    /// Time is up for the data phase with this number.
    DataGap(u64),
    /// A network event that has travelled its round trip.
    Net(NetEvent),
    /// The connection with this number was answered too fast for a radio; tell the host now.
    Opened(u64),
    /// No answer to the connection attempt with this number.
    ConnectTimeout(u64),
    /// No CONNACK on the connection with this number.
    ConnackTimeout(u64),
    /// Look whether the connection with this number needs a PINGREQ.
    KeepAlive(u64),
    /// The HTTP connection with this number was answered too fast for a radio; send the request now.
    HttpSend(u64),
    /// No answer to the HTTP request on the connection with this number.
    HttpTimeout(u64),
    /// The bearer has gone from under an HTTP request.
    HttpLost,
    /// No answer to the question for the time with this number.
    NtpTimeout(u64),
    /// The network has had time to take a short message.
    SmsSent,
    /// The information text of a command that took its time; its result follows.
    Answer(String),
    /// No answer to the TCP connection with this number.
    TcpTimeout(u64),
    /// The silence behind `+++` is over.
    TcpEscape,
    /// The module switches itself off.
    PowerOff,
    /// Bytes that nobody asked for, with a framing of their own.
    RawUrc(Vec<u8>),
    /// A location service has answered.
    Located(Search),
    /// Time to ask the vendor's cloud for an update, without being told to.
    AutoUpgrade,
    /// The cloud has had time to answer; the next ten percent of an update; no answer to the request for it.
    UpgradeAsked,
    UpgradeStep,
    UpgradeTimeout(u64),
    /// Registration after `AT+CFUN=1` or `AT+CGATT=1`.
    Attach,
    /// The reboot that a command asked for.
    Reboot(u8),
}

/// An agenda; entries of the same time keep the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Timers {
    entries: BTreeMap<(Duration, u64), Timer>,
    made: u64,
}

impl Timers {
    pub(super) fn set(&mut self, at: Duration, timer: Timer) {
        self.made += 1;
        self.entries.insert((at, self.made), timer);
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn next_at(&self) -> Option<Duration> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the first entry that is due at `now`, with its time.
    pub(super) fn pop(&mut self, now: Duration) -> Option<(Duration, Timer)> {
        let entry = self.entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), timer) = entry.remove_entry();
        Some((at, timer))
    }

    /// Forgets when the cloud was to be asked.
    pub(super) fn cancel_upgrade(&mut self) {
        self.entries.retain(|_, timer| !matches!(timer, Timer::AutoUpgrade));
    }

    /// Forgets every registration that is still to come.
    pub(super) fn cancel_attach(&mut self) {
        self.entries.retain(|_, timer| !matches!(timer, Timer::Attach | Timer::Boot(Step::Attach)));
    }
}

//! What is worth knowing of the module, its card and its network, beside what the session needs.

use crate::command::network::{ExtendedSignal, GetExtendedSignal, GetOperator};
use crate::command::pdp::GetAddress;
use crate::command::serial::{BootCause, GetBootCause};
use crate::command::sim::{GetIccid, GetImsi, Iccid, Imsi};
use crate::command::{exchange, read};
use crate::exchange::{Exchange, Failure};
use crate::limits::TooLong;
use crate::time::Civil;
use std::time::Instant;

/// What is known beside the session. Each is `None` until the module has told it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Strength and quality of the cell's reference signal.
    pub cell: Option<ExtendedSignal>,
    /// The operator: a name, or country and network as digits.
    pub operator: Option<String>,
    /// The number of the SIM card.
    pub iccid: Option<Iccid>,
    /// The number of the subscriber; its end is not shown.
    pub imsi: Option<Imsi>,
    /// The module's address in the packet network.
    pub address: Option<String>,
    /// Why the module booted last.
    pub boot_cause: Option<BootCause>,
    /// The time that the network told last.
    pub network_time: Option<NetworkTime>,
}

/// A time that the network told, and when it was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkTime {
    /// Seconds since 1970, UTC.
    pub unix_s: u64,
    /// When.
    pub heard_at: Instant,
}

/// One question whose answer is a fact. Nothing depends on it: a refusal is no failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// `AT+CESQ`.
    Cell,
    /// `AT+COPS?`.
    Operator,
    /// `AT+ICCID`.
    Iccid,
    /// `AT+CIMI`.
    Imsi,
    /// `AT+CGPADDR=1`.
    Address,
    /// `AT*EXINFO?`.
    BootCause,
}

/// What is looked at whenever the module has come into a network.
pub const AFTER_ATTACH: [Look; 6] =
    [Look::Cell, Look::Operator, Look::Iccid, Look::Imsi, Look::Address, Look::BootCause];

impl Look {
    /// The command on the line.
    ///
    /// # Errors
    /// Never: these lines are short.
    pub fn exchange(self) -> Result<Exchange, TooLong> {
        match self {
            Self::Cell => exchange(&GetExtendedSignal),
            Self::Operator => exchange(&GetOperator),
            Self::Iccid => exchange(&GetIccid),
            Self::Imsi => exchange(&GetImsi),
            Self::Address => exchange(&GetAddress),
            Self::BootCause => exchange(&GetBootCause),
        }
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] if it is none.
    pub fn read(self, information: &[u8]) -> Result<Fact, Failure> {
        Ok(match self {
            Self::Cell => Fact::Cell(read(&GetExtendedSignal, information)?),
            Self::Operator => Fact::Operator(read(&GetOperator, information)?.name.map(|name| name.0)),
            Self::Iccid => Fact::Iccid(read(&GetIccid, information)?),
            Self::Imsi => Fact::Imsi(read(&GetImsi, information)?),
            Self::Address => Fact::Address(read(&GetAddress, information)?.address.map(|address| address.0)),
            Self::BootCause => Fact::BootCause(read(&GetBootCause, information)?),
        })
    }
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// See [`Facts::cell`].
    Cell(ExtendedSignal),
    /// See [`Facts::operator`].
    Operator(Option<String>),
    /// See [`Facts::iccid`].
    Iccid(Iccid),
    /// See [`Facts::imsi`].
    Imsi(Imsi),
    /// See [`Facts::address`].
    Address(Option<String>),
    /// See [`Facts::boot_cause`].
    BootCause(BootCause),
}

impl Facts {
    /// Takes note.
    pub fn learn(&mut self, fact: Fact) {
        match fact {
            Fact::Cell(cell) => self.cell = Some(cell),
            Fact::Operator(operator) => self.operator = operator,
            Fact::Iccid(iccid) => self.iccid = Some(iccid),
            Fact::Imsi(imsi) => self.imsi = Some(imsi),
            Fact::Address(address) => self.address = address,
            Fact::BootCause(cause) => self.boot_cause = Some(cause),
        }
    }

    /// A `+NITZ` code. One that cannot be true is passed over.
    pub fn heard_time(&mut self, nitz: &[u8], now: Instant) {
        if let Some(unix_s) = Civil::nitz(nitz) {
            self.network_time = Some(NetworkTime { unix_s, heard_at: now });
        }
    }

    /// The card was pulled: the next may be another.
    pub fn forget_card(&mut self) {
        (self.iccid, self.imsi, self.operator, self.address) = (None, None, None, None);
    }

    /// The module booted, or is another one. Only the time stays true.
    pub fn forget_module(&mut self) {
        *self = Self { network_time: self.network_time, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulled_card_is_not_shown_any_more() {
        let mut facts = Facts::default();
        facts.learn(Look::Iccid.read(b"+ICCID: 898604981022C0254186").unwrap());
        facts.learn(Look::Imsi.read(b"460041234567890").unwrap());
        facts.learn(Look::Operator.read(b"+COPS: 0,2,\"46000\",7").unwrap());
        assert_eq!(facts.operator.as_deref(), Some("46000"));
        facts.forget_card();
        assert_eq!(facts, Facts::default());
    }

    #[test]
    fn a_time_that_cannot_be_true_does_not_replace_one_that_can() {
        let (mut facts, now) = (Facts::default(), Instant::now());
        facts.heard_time(b"2024/07/10,08:33:44+0,0", now);
        facts.heard_time(b"1970/01/01,00:00:00+0,0", now);
        assert_eq!(facts.network_time, Some(NetworkTime { unix_s: 1_720_600_424, heard_at: now }));
        facts.forget_module();
        assert!(facts.network_time.is_some());
    }
}

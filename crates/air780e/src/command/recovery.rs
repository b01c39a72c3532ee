//! What the recovery ladder sends.

use super::Done;
use atat::atat_derive::AtatCmd;

/// `AT+CFUN`: the radio off (0) or on (1). Source: AT command manual V1.6.3, p. 14 (45 s).
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CFUN", Done, timeout_ms = 45_000)]
pub struct SetRadio {
    /// 0 or 1.
    pub on: u8,
}

/// `AT+CGATT`: detach from (0) or attach to (1) the packet network. Source: AT command manual V1.6.3, p. 14 (108 s).
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CGATT", Done, timeout_ms = 108_000)]
pub struct SetAttachment {
    /// 0 or 1.
    pub on: u8,
}

super::plain!(SetRadio, SetAttachment);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::line_of;

    #[test]
    fn the_rungs_are_written_as_the_manual_prints_them() {
        assert_eq!(line_of(&SetRadio { on: 0 }), "AT+CFUN=0\r");
        assert_eq!(line_of(&SetAttachment { on: 1 }), "AT+CGATT=1\r");
    }
}

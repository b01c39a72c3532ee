//! How a command fails: `ERROR`, or a CME error in the form that `AT+CMEE` asks for.

/// The reason for which a command is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Plain `ERROR`, whatever `AT+CMEE` says.
    Error,
    /// `+CME ERROR` with this code. Source: the vendor's CME error table.
    Cme(u32),
    /// `+CMS ERROR` with this code. Source: 3GPP TS 27.005, section 3.2.5.
    Cms(u32),
}

impl Fault {
    pub(super) const NOT_ALLOWED: Self = Self::Cme(3);
    pub(super) const NOT_SUPPORTED: Self = Self::Cme(4);
    pub(super) const NO_SIM: Self = Self::Cme(10);
    pub(super) const NEEDS_PIN: Self = Self::Cme(11);
    pub(super) const NEEDS_PUK: Self = Self::Cme(12);
    pub(super) const SIM_FAILURE: Self = Self::Cme(13);
    pub(super) const SIM_BUSY: Self = Self::Cme(14);
    pub(super) const WRONG_PIN: Self = Self::Cme(16);
    pub(super) const NOT_FOUND: Self = Self::Cme(22);
    pub(super) const NO_SERVICE: Self = Self::Cme(30);
    pub(super) const NO_MEMORY: Self = Self::Cme(51);
    pub(super) const INVALID: Self = Self::Cme(53);
    pub(super) const NO_SPACE: Self = Self::Cme(60);
    pub(super) const NO_FILE: Self = Self::Cme(62);
    pub(super) const FILE_TOO_LARGE: Self = Self::Cme(63);
    pub(super) const EMPTY_VALUE: Self = Self::Cme(765);
    pub(super) const FAILED: Self = Self::Cme(767);
    pub(super) const TOO_FEW: Self = Self::Cme(791);
    pub(super) const TOO_MANY: Self = Self::Cme(792);
    pub(super) const RANGE: Self = Self::Cme(793);
    pub(super) const TYPE: Self = Self::Cme(794);
    pub(super) const PDP_DEACT: Self = Self::Cme(65535);

    /// The result line, without its framing.
    pub(super) fn line(self, cmee: u8) -> String {
        match (self, cmee) {
            (Self::Error, _) | (Self::Cme(_), 0) => "ERROR".into(),
            (Self::Cms(code), 0 | 1) => format!("+CMS ERROR: {code}"),
            (Self::Cms(code), _) => format!("+CMS ERROR: {}", text(code)),
            (Self::Cme(code), 1) => format!("+CME ERROR: {code}"),
            (Self::Cme(code), _) => format!("+CME ERROR: {}", text(code)),
        }
    }
}

fn text(code: u32) -> &'static str {
    match code {
        3 => "operation not allowed",
        4 => "operation not supported",
        10 => "SIM not inserted",
        11 => "SIM PIN required",
        12 => "SIM PUK required",
        13 => "SIM failure",
        14 => "SIM busy",
        16 => "incorrect password",
        22 => "not found",
        30 => "no network service",
        51 => "no memory",
        53 => "invalid parameter",
        60 => "flash error",
        62 => "file not exist",
        63 => "file too large",
        302 => "operation not allowed",
        304 => "invalid PDU mode parameter",
        305 => "invalid text mode parameter",
        310 => "SIM not inserted",
        321 => "invalid memory index",
        331 => "no network service",
        765 => "invalid input value",
        767 => "operation failed",
        791 => "too few parameters",
        792 => "too many parameters",
        793 => "parameter out of range",
        794 => "parameter type error",
        _ => "unknown error",
    }
}

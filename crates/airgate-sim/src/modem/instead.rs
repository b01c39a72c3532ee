//! What may be on the line instead of a module with the AT firmware: `--instead`. It answers whatever it hears in its way.

use std::io;
use std::path::Path;

use clap::ValueEnum;

use super::pty::Pty;

/// What is on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Instead {
    /// Nothing: the wires are swapped, or the module is off.
    Nothing,
    /// The host's own transmit wire.
    Echo,
    /// A computer's login prompt.
    Login,
    /// A module with LuatOS on it, whose scripts print and do not listen.
    Luatos,
    /// A module whose supply breaks down at each attempt to send.
    BrownOut,
    /// A receiver of satellites.
    Gps,
}

impl Instead {
    /// What it says when it has heard `bytes`.
    fn answer(self, bytes: &[u8]) -> Vec<u8> {
        let text: &[u8] = match self {
            Self::Nothing => b"",
            Self::Echo => bytes,
            Self::Login => b"\r\nDebian GNU/Linux 12 pump ttyAMA0\r\n\r\npump login: ",
            // Source: the log lines of LuatOS firmware for this chip.
            Self::Luatos => {
                b"[2024-07-10 16:33:44.123][000000000.523] I/user.main LuatOS@EC618 base 23.11 bsp V1112 32bit\r\n"
            }
            // Source: boot traces of modules on a weak supply.
            Self::BrownOut => b"^boot.rom'v\x01\x02'!\\n\r\nRDY\r\n",
            Self::Gps => b"$GPRMC,083344.00,A,5230.1,N,01323.2,E*6B\r\n",
        };
        text.to_vec()
    }
}

/// A line with something else at its end.
#[derive(Debug)]
pub(super) struct OtherEnd {
    pty: Pty,
    is: Instead,
}

impl OtherEnd {
    pub(super) fn open(link: &Path, is: Instead) -> io::Result<Self> {
        Ok(Self { pty: Pty::open(Some(link))?, is })
    }

    /// Where a host opens the line.
    pub(super) fn path(&self) -> &Path {
        self.pty.path()
    }

    /// Answers until the line fails.
    pub(super) async fn serve(&self) -> io::Result<()> {
        let mut heard = [0; 256];
        loop {
            let count = self.pty.read(&mut heard).await?;
            let mut answer = self.is.answer(heard.get(..count).unwrap_or_default());
            while !answer.is_empty() {
                let written = self.pty.write(&answer).await?;
                answer.drain(..written);
            }
        }
    }
}

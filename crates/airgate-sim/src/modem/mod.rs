//! The simulated module: a pty that behaves as an Air780E with AT firmware does.
//!
//! [`engine`] is the module without I/O, [`faults`] what may go wrong between it and its host; the shell around both owns
//! the pty, the connections and the clock.
//!
//! # The console
//! `--console SOCKET` opens a Unix socket that takes one JSON object a line and answers each by one line, either
//! `{"ok":true,…}` or `{"ok":false,"error":"…"}`:
//!
//! | call | |
//! | --- | --- |
//! | `{"do":"fault","rule":"now: reboot"}` | adds a rule, in the language of [`faults`] |
//! | `{"do":"calm"}` | no rule and no seed lets anything happen from now on; what lasts runs out |
//! | `{"do":"reset"}` | presses the RESET key |
//! | `{"do":"power","on":false}` | switches the supply |
//! | `{"do":"close"}` | breaks the connection to the broker |
//! | `{"do":"state"}` | `fired`: faults so far, `faults`: the last thousand of them as `[seconds, text]`, `waiting`: rules, `lines`: command lines heard, `deaf`: it hangs or has no power |
//!
//! `airgate-sim tell SOCKET LINE` is one call from a shell: `LINE` is such an object, or a bare rule, or the word `calm`,
//! `reset`, `close`, `state`, `on` or `off`.

mod cli;
mod console;
pub mod engine;
pub mod faults;
mod handle;
mod net;
mod profile;
mod pty;
mod record;
mod route;
mod shell;
mod throttle;
mod tls;

pub use cli::{Args, run};
pub use console::ask;
pub use handle::{LineBytes, Modem, Options};
pub use profile::*;
pub use route::Route;

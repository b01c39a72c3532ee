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
//! | `{"do":"sim","there":false}` | the SIM card is put in or pulled out |
//! | `{"do":"network","state":"home"}` | or `roaming`, `denied`, `none` |
//! | `{"do":"signal","rssi":12,"rsrq":20,"rsrp":40}` | as `AT+CSQ` and `AT+CESQ` will show it |
//! | `{"do":"sms","from":"+46708251358","text":"hello"}` | somebody sends a short message |
//! | `{"do":"time","unix":1728547200}` | the network believes it to be this time, and tells so |
//! | `{"do":"position","place":["31.18","120.66"]}` | latitude and longitude for the location services; `null`: unknown to them |
//! | `{"do":"address","address":"10.1.2.3"}` | the network hands out another address |
//! | `{"do":"update","offer":{"version":"…"}}` | what the vendor's cloud has: this, `"building"`, `"too_large"` or `null` |
//! | `{"do":"dtr","high":true}` | the DTR pin, which lets a module with `AT+CSCLK=1` sleep |
//! | `{"do":"state"}` | `sent`: the last hundred short messages of the host as `{to, text, header}`; `fired`: faults so far, `faults`: the last thousand of them as `[seconds, text]`, `waiting`: rules, `lines`: command lines heard, `deaf`: it hangs or has no power |
//!
//! `airgate-sim tell SOCKET LINE` is one call from a shell: `LINE` is such an object, or a bare rule, or the word `calm`,
//! `reset`, `close`, `state`, `on` or `off`.

mod cli;
mod console;
pub mod engine;
pub mod faults;
mod handle;
mod instead;
mod net;
mod profile;
mod profile_text;
mod pty;
mod record;
mod route;
mod shell;
mod throttle;
mod time_text;
mod tls;
mod wire;

pub use cli::{Args, run};
pub use console::ask;
pub use handle::{LineBytes, Modem, Options};
pub use profile::*;
pub use route::Route;

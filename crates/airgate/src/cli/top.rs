//! `airgate top`: the shell around the live view: the terminal, the keys, the daemon.

use super::fail::Fail;
use super::{Socket, block_on};
use crate::clock::host::unix_ms;
use crate::local::Accounts;
use crate::service;
use crate::top::{Program, Top, draw};
use airgate_client::{Client, Error, Events};
use ratatui_core::terminal::Terminal;
use ratatui_crossterm::CrosstermBackend;
use ratatui_crossterm::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui_crossterm::crossterm::{cursor, execute, terminal};
use serde_json::Value;
use std::io::{self, IsTerminal, Read, Stdout};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often the daemon is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How often for what changes by the hour, in asks.
const HISTORY_EVERY: u32 = 60;
/// How long it may take to answer before it counts as gone.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    block_on(watch(&args.socket.socket))
}

async fn watch(socket: &Path) -> Result<(), Fail> {
    let mut daemon = Daemon::connect(socket).await?;
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let hint = "run it on a terminal; `airgate status` prints the same once";
        return Err(Fail::usage("no_terminal", "this is no terminal", hint));
    }
    let failed = |error| Fail::failed("terminal", error);
    let shutdown = service::shutdown().map_err(failed)?;
    // An ssh session that breaks off.
    let mut hangups = service::hangups().map_err(failed)?;
    let mut screen = Screen::open().map_err(failed)?;
    let mut keys = keys();
    let mut top = Top::default();
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            _ = &mut shutdown => return Ok(()),
            _ = hangups.recv() => return Ok(()),
            key = keys.recv() => match key {
                Some(Key::Quit) | None => return Ok(()),
                Some(Key::Redraw) => screen.0.clear().map_err(failed)?,
            },
            _ = tick.tick() => daemon.ask(&mut top).await,
        }
        screen.0.draw(|frame| draw(&top, frame.area(), frame.buffer_mut())).map_err(failed)?;
    }
}

/// The daemon, or the place where it will be again.
struct Daemon<'s> {
    socket: &'s Path,
    client: Option<(Client, Events)>,
    asked: u32,
    log_after: Option<u64>,
}

impl<'s> Daemon<'s> {
    async fn connect(socket: &'s Path) -> Result<Self, Error> {
        Ok(Self { socket, client: Some(Client::connect(socket).await?), asked: 0, log_after: Some(0) })
    }

    /// Asks for everything that is due. One that does not answer is looked for anew next time.
    async fn ask(&mut self, top: &mut Top) {
        match timeout(PATIENCE, self.exchange(top)).await {
            Ok(Ok(())) => return,
            Ok(Err(Error::NoDaemon { .. } | Error::Closed)) => top.lost(unix_ms(), "no daemon"),
            Ok(Err(error)) => top.lost(unix_ms(), error.to_string()),
            Err(_) => top.lost(unix_ms(), "the daemon does not answer"),
        }
        // Its numbers begin anew with the next one.
        (self.client, self.asked, self.log_after) = (None, 0, Some(0));
    }

    async fn exchange(&mut self, top: &mut Top) -> Result<(), Error> {
        if self.client.is_none() {
            self.client = Some(Client::connect(self.socket).await?);
        }
        let Some((client, _)) = &self.client else { return Ok(()) };
        let status = client.status().await?;
        let programs = programs(&status);
        top.observe(unix_ms(), status, programs);
        if let Some(after) = self.log_after {
            match client.log(after).await {
                Ok(log) => self.log_after = Some(top.log(&log)),
                Err(Error::Refused { message, .. }) => {
                    top.without_log(message);
                    self.log_after = None;
                }
                Err(error) => return Err(error),
            }
        }
        if self.asked.is_multiple_of(HISTORY_EVERY) {
            match client.history().await {
                Ok(history) => top.history(&history),
                // An older daemon.
                Err(Error::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.asked += 1;
        Ok(())
    }
}

/// The programs that the daemon tells of, with the names that this host has for them.
fn programs(status: &Value) -> Vec<Program> {
    let accounts = Accounts::read();
    let clients = status.pointer("/programs/clients").and_then(Value::as_array);
    let program = |client: &Value| {
        let uid = client.get("uid").and_then(Value::as_u64).and_then(|uid| u32::try_from(uid).ok()).unwrap_or(u32::MAX);
        let pid = client.get("pid").and_then(Value::as_i64).and_then(|pid| i32::try_from(pid).ok());
        let process = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok());
        Program {
            user: accounts.user_name(uid),
            process: process.unwrap_or_default().trim_end().to_owned(),
            pid,
            door: client.get("door").and_then(Value::as_str).unwrap_or_default().to_owned(),
            for_s: client.get("for_s").and_then(Value::as_u64).unwrap_or(0),
        }
    };
    clients.into_iter().flatten().map(program).collect()
}

enum Key {
    Quit,
    Redraw,
}

/// Keys come by a thread: reading a terminal blocks. It ends with the process. Few keys mean anything, so the bytes are
/// enough; what arrow keys and the like send has none of them.
fn keys() -> mpsc::Receiver<Key> {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const CTRL_L: u8 = 12;
    let (sender, keys) = mpsc::channel(8);
    std::thread::spawn(move || {
        for byte in io::stdin().lock().bytes() {
            let key = match byte {
                Ok(b'q' | CTRL_C | CTRL_D) | Err(_) => Key::Quit,
                Ok(CTRL_L) => Key::Redraw,
                Ok(_) => continue,
            };
            if sender.blocking_send(key).is_err() {
                return;
            }
        }
    });
    keys
}

/// The terminal, given back as it was however this ends.
struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    fn open() -> io::Result<Self> {
        let told = std::panic::take_hook();
        // What a panic says belongs on the screen that stays.
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            told(panic);
        }));
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        terminal::enable_raw_mode()?;
        let screen = Self(terminal);
        execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    // A terminal that has gone needs nothing back.
    let _ = execute!(io::stdout(), LeaveAlternateScreen, cursor::Show);
    let _ = terminal::disable_raw_mode();
}

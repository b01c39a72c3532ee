//! `airgate-sim modem`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::signal::unix::{SignalKind, signal};

use super::engine::Setup;
use super::faults::{Mix, Rule, script};
use super::handle::{Modem, Options};
use super::instead::{Instead, OtherEnd};
use super::profile::Profile;
use super::route::Route;

/// A simulated Air780E on a pty.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to link the pty; an old symbolic link is replaced
    #[arg(long, value_name = "PATH")]
    link: PathBuf,
    /// Connect to MQTT here, whatever host the AT command names
    #[arg(long, value_name = "HOST:PORT")]
    broker: Option<String>,
    /// Let a name (or a name with a port) lead to this address; may be repeated
    #[arg(long = "route", value_name = "HOST[:PORT]=HOST:PORT")]
    routes: Vec<Route>,
    /// Line rate in bits per second; 0: as fast as it goes
    #[arg(long, value_name = "N", default_value_t = 115_200)]
    baud: u32,
    /// The wire to the host carries no more bits per second than this: faster bytes arrive as garbage
    #[arg(long, value_name = "N")]
    wire_max: Option<u32>,
    /// 780e-v1161, 780e-v1169, 780ep or nasty; single answers may differ: `780ep,cache_mode=true,attach=500`
    #[arg(long, value_name = "NAME[,KEY=VALUE]...", default_value = "780e-v1161")]
    profile: Profile,
    /// Milliseconds from a command to its answer
    #[arg(long, value_name = "N", default_value_t = 4)]
    turnaround_ms: u64,
    /// Milliseconds added to each answer of the network
    #[arg(long, value_name = "N", default_value_t = 0)]
    rtt_ms: u64,
    /// 15 digits
    #[arg(long, value_name = "N", value_parser = imei)]
    imei: Option<String>,
    /// Leave the SIM holder empty
    #[arg(long)]
    no_sim: bool,
    /// Lock the SIM card with this PIN
    #[arg(long, value_name = "PIN")]
    sim_pin: Option<String>,
    /// Put something else on the line in place of a module with the AT firmware
    #[arg(long, value_enum, value_name = "WHAT")]
    instead: Option<Instead>,
    /// Rules for what goes wrong, a line each; see the documentation of `modem::faults`
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Let mixed faults happen by chance, so many seconds apart on average
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    fault_every: Option<u64>,
    /// Open a console here: a Unix socket for faults, reset and power
    #[arg(long, value_name = "SOCKET")]
    console: Option<PathBuf>,
    /// Seeds what the profile and the faults leave to chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write all that goes over the line to this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

fn imei(text: &str) -> Result<String, String> {
    if text.len() == 15 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("an IMEI has 15 digits".into())
    }
}

impl Args {
    fn options(self) -> io::Result<Options> {
        let faults = self.faults.as_deref().map(rules).transpose()?.unwrap_or_default();
        let mix = self.fault_every.map(|every| Mix { every: Duration::from_secs(every), careful: false, hangs: false });
        let usual = Setup::default();
        let setup = Setup {
            imei: self.imei.unwrap_or(usual.imei),
            sim: !self.no_sim,
            pin: self.sim_pin,
            seed: self.seed,
            turnaround: Duration::from_millis(self.turnaround_ms),
            rtt: Duration::from_millis(self.rtt_ms),
            baud: self.baud,
            unix_time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(usual.unix_time, |time| time.as_secs()),
            ..usual
        };
        Ok(Options {
            link: Some(self.link),
            broker: self.broker,
            routes: self.routes,
            profile: self.profile,
            setup,
            log: self.log,
            faults,
            mix,
            console: self.console,
            wire_max: self.wire_max,
        })
    }
}

/// Reads a script of faults.
fn rules(path: &Path) -> io::Result<Vec<Rule>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display())))?;
    script(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display())))
}

/// Runs a module until SIGTERM or SIGINT.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    let result =
        tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|rt| rt.block_on(serve(args)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("airgate-sim modem: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    if let Some(is) = args.instead {
        let other = OtherEnd::open(&args.link, is)?;
        println!("{}", serde_json::json!({ "link": other.path() }));
        return tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            result = other.serve() => result,
        };
    }
    let mut modem = Modem::start(args.options()?)?;
    println!("{}", serde_json::json!({ "link": modem.path() }));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        result = modem.stopped() => return result,
    }
    modem.shutdown().await;
    Ok(())
}

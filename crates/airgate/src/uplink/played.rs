//! An uplink that a test plays: it sees who is to sign in, and tells by the session's events what becomes of that.

use super::Uplink;
use air780e::Modem;
use air780e::facts::NetworkTime;
use air780e::status::Status;
use iotcloud::SignIn;
use std::io;
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::time::Instant;

/// What is wanted of it, and what it tells of the module.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    wanted: watch::Sender<Option<(u64, SignIn)>>,
    status: watch::Sender<Status>,
}

impl Played {
    pub(super) fn want(&self, session: Option<(u64, &SignIn)>) {
        self.wanted.send_replace(session.map(|(attempt, sign_in)| (attempt, sign_in.clone())));
    }

    pub(super) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }
}

/// The uplink, and the sign-in that is wanted of it. Its network has told that it is `unix_s`.
pub(crate) fn uplink(unix_s: u64) -> (Uplink, watch::Receiver<Option<(u64, SignIn)>>) {
    let mut status = Status::default();
    status.facts.network_time = Some(NetworkTime { unix_s, heard_at: Instant::now().into_std() });
    let played = Played { wanted: watch::Sender::new(None), status: watch::Sender::new(status) };
    let wanted = played.wanted.subscribe();
    (Uplink { modem: without_driver(), played: Some(played) }, wanted)
}

/// A module whose driver ended with its runtime: whatever is asked of it fails at once.
fn without_driver() -> Modem {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let entered = runtime.enter();
    let no_port = || Err::<DuplexStream, _>(io::Error::from(io::ErrorKind::NotFound));
    let (modem, _) = Modem::start_on(no_port, 115_200, None);
    drop(entered);
    runtime.shutdown_background();
    modem
}

//! Whether every room of the daemon still works: each is asked now and then, and answers from within its own loop.
//!
//! An event loop that turns says little: one room may wait for ever for what never comes while all others go on. What
//! systemd's watchdog hears is therefore that all rooms have answered.
//!
//! * [pulse-1] A room that has not answered for [`PATIENCE`] is stuck: the watchdog hears nothing until it answers.
//! * [pulse-2] A room that has ended while the daemon runs, by a panic for instance, never comes back: the daemon ends.
//! * [pulse-3] A disk that hangs is no stuck room: a restart cannot heal it, and what was accepted could not be read either.

use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a room may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A room's side. Dropped, the room has ended.
#[derive(Debug)]
pub struct Pulse {
    asked: watch::Receiver<u64>,
    answered: watch::Sender<u64>,
}

impl Pulse {
    /// Ends when the room was asked; it has then been answered. To be waited for in the room's own loop, beside its work.
    pub async fn beat(&mut self) {
        if self.asked.changed().await.is_err() {
            // Nobody asks any more.
            std::future::pending::<()>().await;
        }
        let number = *self.asked.borrow_and_update();
        self.answered.send_replace(number);
    }

    /// Answers for `work`, which has no loop of its own to answer from, for as long as it goes on.
    pub async fn beside<T>(mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = self.beat() => {}
            }
        }
    }
}

/// A room that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It has not answered for so long. [pulse-1]
    Stuck(&'static str, Duration),
    /// It has ended. [pulse-2]
    Ended(&'static str),
}

#[derive(Debug)]
struct Room {
    name: &'static str,
    asked: watch::Sender<u64>,
    answered: watch::Receiver<u64>,
    /// Since when an answer is waited for.
    since: Option<Instant>,
}

/// The side that asks.
#[derive(Debug, Default)]
pub struct Vigil {
    rooms: Vec<Room>,
}

impl Vigil {
    /// A room to be asked from now on.
    pub fn room(&mut self, name: &'static str) -> Pulse {
        let (asked, asked_of) = watch::channel(0);
        let (answered, answer) = watch::channel(0);
        self.rooms.push(Room { name, asked, answered: answer, since: None });
        Pulse { asked: asked_of, answered }
    }

    /// Asks every room, and tells which has not answered what it was asked before.
    pub fn ask(&mut self, now: Instant) -> Vec<Fault> {
        self.rooms.iter_mut().filter_map(|room| room.ask(now)).collect()
    }
}

impl Room {
    fn ask(&mut self, now: Instant) -> Option<Fault> {
        if self.answered.has_changed().is_err() {
            return Some(Fault::Ended(self.name));
        }
        let (asked, answered) = (*self.asked.borrow(), *self.answered.borrow());
        match self.since {
            Some(since) if asked != answered => {
                let silent = now.saturating_duration_since(since);
                (silent >= PATIENCE).then_some(Fault::Stuck(self.name, silent))
            }
            _ => {
                self.since = Some(now);
                self.asked.send_replace(asked + 1);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::notify::Notify;
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use tokio::sync::oneshot;

    /// Lets all tasks that can go on do so.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_room_that_waits_for_what_never_comes_is_stuck_though_the_loop_turns() {
        let mut vigil = Vigil::default();
        let (mut well, mut wedged) = (vigil.room("router"), vigil.room("session"));
        tokio::spawn(async move {
            loop {
                well.beat().await;
            }
        });
        let (go_on, stuck) = oneshot::channel::<()>();
        tokio::spawn(async move {
            // Within its loop, but not at the place where it answers.
            let _ = stuck.await;
            loop {
                wedged.beat().await;
            }
        });
        let mut now = Instant::now();
        for _ in 0..3 {
            assert_eq!(vigil.ask(now), []);
            settle().await;
            now += PATIENCE / 3;
        }
        assert_eq!(vigil.ask(now), [Fault::Stuck("session", PATIENCE)]);
        go_on.send(()).unwrap();
        settle().await;
        assert_eq!(vigil.ask(now), [], "it answers again");
    }

    #[tokio::test]
    async fn a_room_that_panicked_has_ended() {
        let mut vigil = Vigil::default();
        let mut pulse = vigil.room("session");
        assert_eq!(vigil.ask(Instant::now()), []);
        let room = tokio::spawn(async move {
            pulse.beat().await;
            panic!("as a fault of ours would");
        });
        assert!(room.await.is_err());
        assert_eq!(vigil.ask(Instant::now()), [Fault::Ended("session")]);
    }

    #[tokio::test]
    async fn work_without_a_loop_of_its_own_is_answered_for_until_it_ends() {
        let mut vigil = Vigil::default();
        let pulse = vigil.room("door");
        let (end, ended) = oneshot::channel::<()>();
        let door = tokio::spawn(pulse.beside(ended));
        let mut now = Instant::now();
        for _ in 0..3 {
            assert_eq!(vigil.ask(now), []);
            settle().await;
            now += PATIENCE;
        }
        end.send(()).unwrap();
        door.await.unwrap().unwrap();
        assert_eq!(vigil.ask(now), [Fault::Ended("door")]);
    }

    #[tokio::test]
    async fn systemd_hears_nothing_while_a_room_is_stuck() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let env = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "60000000")];
        let mut notify = Notify::new(env.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter());
        let mut vigil = Vigil::default();
        let _never_asked = vigil.room("session");
        let start = Instant::now();
        let mut heard = Vec::new();
        for seconds in (0..300).step_by(10) {
            let now = start + Duration::from_secs(seconds);
            if vigil.ask(now).is_empty() {
                notify.progress(now);
            }
            if listener.recv(&mut [0; 64]).is_ok() {
                heard.push(seconds);
            }
        }
        assert_eq!(heard, [0], "once, before the room's time was up: then systemd kills and starts anew");
    }
}

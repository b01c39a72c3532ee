//! Who is connected, and what each user has of the doors: places, visits and messages in a time.

mod pace;

pub use pace::Pace;

use crate::config::Rate;
use crate::router::Share;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Programs connected at once, at both doors together. Each costs some 10 KiB when it is idle.
pub const PROGRAMS: usize = 2048;
/// Of one user other than root: nobody takes all places.
pub const PROGRAMS_PER_USER: usize = 1536;
/// How fast programs of one user come in: all that there may be at once, then 512 a second. Whoever connects for each message
/// without end would otherwise take the processor from everybody else.
const VISITS: Rate = Rate { count: PROGRAMS_PER_USER as u32, per: Duration::from_secs(3) };

/// All users that are connected or were counted.
#[derive(Debug, Default)]
pub struct Users {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    places: HashMap<u32, usize>,
    taken: usize,
    /// Of each user that ever came: what waits may outlive its programs.
    shares: HashMap<u32, Share>,
    visits: HashMap<u32, Pace>,
    pace: HashMap<u32, Pace>,
    /// Of each user that was told to be above its rate: until when.
    told: HashMap<u32, Instant>,
    clients: BTreeMap<u64, Client>,
}

/// A program at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Whose.
    pub uid: u32,
    /// Which process connected, as the kernel says.
    pub pid: Option<i32>,
    /// The door: `json` or `mqtt`.
    pub door: &'static str,
    /// Since when.
    pub since: Instant,
}

/// A place at a door, free again when it is dropped.
#[derive(Debug)]
pub struct Place {
    users: Arc<Users>,
    uid: u32,
    /// Its number among the clients, once it has introduced itself.
    number: Option<u64>,
}

impl Place {
    /// Tells who sits here, under a number that nobody else has.
    pub fn introduce(&mut self, number: u64, pid: Option<i32>, door: &'static str) {
        self.number = Some(number);
        let client = Client { uid: self.uid, pid, door, since: Instant::now() };
        self.users.known().clients.insert(number, client);
    }
}

impl Users {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a program of this user.
    ///
    /// # Errors
    /// In words, how many there are.
    pub fn enter(self: &Arc<Self>, uid: u32) -> Result<Place, String> {
        let mut known = self.known();
        if known.taken >= PROGRAMS {
            return Err(format!("{PROGRAMS} programs are connected already"));
        }
        let places = known.places.entry(uid).or_default();
        if uid != 0 && *places >= PROGRAMS_PER_USER {
            return Err(format!("{PROGRAMS_PER_USER} programs of user {uid} are connected already"));
        }
        *places += 1;
        known.taken += 1;
        Ok(Place { users: Arc::clone(self), uid, number: None })
    }

    /// Counts one visit; tells after how long it is its turn. Those who wait keep their places, so nobody waits for more than some
    /// seconds.
    pub fn visit(&self, uid: u32) -> Duration {
        self.known().visits.entry(uid).or_default().charge(Instant::now(), VISITS)
    }

    /// Who is there, those who came last first, at most so many.
    pub fn clients(&self, most: usize) -> Vec<Client> {
        self.known().clients.values().rev().take(most).copied().collect()
    }

    /// What is held for the programs of this user.
    pub fn share(&self, uid: u32) -> Share {
        self.known().shares.entry(uid).or_default().clone()
    }

    /// Counts one message.
    ///
    /// # Errors
    /// After how long it would be within the rate.
    pub fn count(&self, uid: u32, rate: Rate) -> Result<(), Duration> {
        self.known().pace.entry(uid).or_default().count(Instant::now(), rate)
    }

    /// Whether there is something to tell of this user, who is above its rate for another `pause`: once in each.
    pub fn is_news(&self, uid: u32, pause: Duration) -> bool {
        let now = Instant::now();
        let mut known = self.known();
        let until = known.told.entry(uid).or_insert(now);
        let is_news = *until <= now;
        if is_news {
            *until = now + pause;
        }
        is_news
    }

    /// Counts one message that cannot be refused; tells after how long the user is within the rate again.
    pub fn charge(&self, uid: u32, rate: Rate) -> Duration {
        self.known().pace.entry(uid).or_default().charge(Instant::now(), rate)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = self.users.known();
        known.taken -= 1;
        if let Some(number) = self.number {
            known.clients.remove(&number);
        }
        if let Some(places) = known.places.get_mut(&self.uid) {
            *places -= 1;
            if *places == 0 {
                known.places.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_programs_of_a_user_may_come_at_once_and_more_in_their_turn() {
        let users = Users::default();
        assert!((0..PROGRAMS_PER_USER).all(|_| users.visit(1000).is_zero()));
        let pauses: Vec<_> = (0..512).map(|_| users.visit(1000)).collect();
        assert!(pauses.is_sorted() && pauses[511] > Duration::from_millis(500), "{:?}", pauses[511]);
        assert!(pauses[511] <= Duration::from_secs(1));
        assert!(users.visit(1001).is_zero(), "others do not wait");
    }

    #[test]
    fn who_is_above_its_rate_is_told_once_in_each_pause() {
        let users = Users::default();
        let pause = Duration::from_secs(3_600);
        let told: Vec<_> = [1000, 1000, 1001, 1000].map(|uid| users.is_news(uid, pause)).into();
        assert_eq!(told, [true, false, true, false]);
        assert!(users.is_news(1002, Duration::ZERO) && users.is_news(1002, pause), "that pause is over");
    }

    #[test]
    fn a_user_cannot_take_all_places_and_gives_back_what_it_had() {
        let users = Arc::new(Users::default());
        let places: Vec<_> = (0..PROGRAMS_PER_USER).map(|_| users.enter(1000).unwrap()).collect();
        assert!(users.enter(1000).unwrap_err().contains("user 1000"));
        let roots: Vec<_> = (PROGRAMS_PER_USER..PROGRAMS).map(|_| users.enter(0).unwrap()).collect();
        assert!(users.enter(0).is_err(), "all are taken");
        drop((places, roots));
        let mut place = users.enter(1000).unwrap();
        place.introduce(7, Some(4711), "json");
        assert_eq!(users.clients(8).len(), 1);
        drop(place);
        assert_eq!(users.clients(8), []);
        assert!(users.enter(1000).is_ok());
        assert_eq!(users.known().taken, 0);
    }
}

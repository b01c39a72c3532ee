//! What each user has of the doors: places and messages in a time.

use crate::config::Rate;
use crate::router::Share;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Programs connected at once, at both doors together. Each costs some 10 KiB when it is idle.
pub const PROGRAMS: usize = 2048;
/// Of one user other than root: nobody takes all places.
pub const PROGRAMS_PER_USER: usize = 1536;

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
    pace: HashMap<u32, Pace>,
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
}

impl Users {
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

/// A leaky bucket that holds one rate's count: so many may come at once, then one with each share of the time.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// When what came so far is worked off.
    busy_until: Option<Instant>,
}

impl Pace {
    fn count(&mut self, now: Instant, rate: Rate) -> Result<(), Duration> {
        let before = *self;
        match self.charge(now, rate) {
            Duration::ZERO => Ok(()),
            pause => {
                *self = before;
                Err(pause)
            }
        }
    }

    fn charge(&mut self, now: Instant, rate: Rate) -> Duration {
        let share = rate.per / rate.count.max(1);
        let until = self.busy_until.map_or(now, |until| until.max(now)) + share;
        self.busy_until = Some(until);
        until.saturating_duration_since(now).saturating_sub(share * rate.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_its_burst_and_then_its_rate() {
        let rate = Rate { count: 10, per: Duration::from_secs(1) };
        let (mut pace, start) = (Pace::default(), Instant::now());
        for _ in 0..10 {
            assert_eq!(pace.count(start, rate), Ok(()));
        }
        assert_eq!(pace.count(start, rate), Err(Duration::from_millis(100)));
        assert_eq!(pace.count(start + Duration::from_millis(100), rate), Ok(()));
        assert!(pace.count(start + Duration::from_millis(150), rate).is_err());
        let later = start + Duration::from_secs(60);
        assert_eq!(
            (0..20).filter(|_| pace.count(later, rate).is_ok()).count(),
            10,
            "what was not used is not saved up"
        );
    }

    #[test]
    fn who_is_not_refused_waits_until_it_is_within_its_rate() {
        let rate = Rate { count: 2, per: Duration::from_secs(1) };
        let (mut pace, start) = (Pace::default(), Instant::now());
        let pauses: Vec<_> = (0..4).map(|_| pace.charge(start, rate).as_millis()).collect();
        assert_eq!(pauses, [0, 0, 500, 1000]);
        assert_eq!(pace.charge(start + Duration::from_secs(1), rate).as_millis(), 500);
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

//! One connection for each client identifier of a user: a newer one takes the seat of the older. [MQTT-3.1.4-2]

use crate::router::Name;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard, watch};

/// Seats that may be known before those that nobody holds are cleared away.
const CLEAR_AT: usize = 64;

/// The seats of all clients that are connected.
#[derive(Debug, Default)]
pub struct Seats {
    known: Mutex<HashMap<Name, Weak<Place>>>,
}

#[derive(Debug)]
struct Place {
    /// The number of the newest that wants it.
    newest: watch::Sender<u64>,
    turn: Arc<Turn<()>>,
}

/// A seat that is held; it is free when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    newest: watch::Receiver<u64>,
    // In this order: whoever waits for the turn finds everything as it was left.
    _turn: OwnedMutexGuard<()>,
    _place: Arc<Place>,
}

impl Seats {
    /// Takes the seat; whoever has it is asked to leave, and waited for. `None` when somebody newer came meanwhile.
    pub(super) async fn take(&self, name: Name) -> Option<Seat> {
        let place = self.place(name);
        let mut number = 0;
        place.newest.send_modify(|newest| {
            *newest += 1;
            number = *newest;
        });
        let turn = Arc::clone(&place.turn).lock_owned().await;
        let newest = place.newest.subscribe();
        let is_newest = *newest.borrow() == number;
        is_newest.then_some(Seat { number, newest, _turn: turn, _place: place })
    }

    fn place(&self, name: Name) -> Arc<Place> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = known.get(&name).and_then(Weak::upgrade) {
            return place;
        }
        if known.len() >= CLEAR_AT && known.len().is_power_of_two() {
            known.retain(|_, place| place.strong_count() > 0);
        }
        let place = Arc::new(Place { newest: watch::Sender::new(0), turn: Arc::default() });
        known.insert(name, Arc::downgrade(&place));
        place
    }
}

impl Seat {
    /// Returns when somebody newer wants the seat.
    pub(super) async fn wanted(&mut self) {
        let number = self.number;
        // The sender lives in the place that this seat holds.
        let _ = self.newest.wait_for(|newest| *newest != number).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name { uid: 1, door: "mqtt", name: text.into() }
    }

    #[tokio::test]
    async fn the_newest_gets_the_seat_once_the_older_has_left() {
        let seats = Arc::new(Seats::default());
        let mut first = seats.take(name("a")).await.unwrap();
        let _other = seats.take(name("b")).await.unwrap();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let seats = Arc::clone(&seats);
                tokio::spawn(async move { seats.take(name("a")).await.is_some() })
            })
            .collect();
        first.wanted().await;
        tokio::task::yield_now().await;
        drop(first);
        let mut got = Vec::new();
        for one in waiting {
            got.push(one.await.unwrap());
        }
        assert_eq!(got, [false, false, true]);
    }

    #[tokio::test]
    async fn seats_that_nobody_holds_are_cleared_away() {
        let seats = Seats::default();
        for number in 0..10_000 {
            drop(seats.take(name(&number.to_string())).await);
        }
        assert!(seats.known.lock().unwrap().len() <= CLEAR_AT);
    }
}

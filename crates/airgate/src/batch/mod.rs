//! Readings that leave together, where a route allows it: what a tariff counts is mostly headers and acknowledgements, and
//! those are paid once for all of them.
//!
//! Each message is accepted, kept, acknowledged and told by itself; only on the line several are one publication. Pure.
//!
//! * [batch-1] Messages are joined when they are sent. Until the acknowledgement of the publication that carries them they
//!   are all in the outbox, and all end with it, or none does.
//! * [batch-2] Only what one program says under one topic, with one priority and one QoS, is joined, in its order.
//! * [batch-3] A batch leaves when it is full (`max_messages`, `max_bytes`, what the way up carries), when its first message
//!   has been at hand for `max_wait`, or just before one of its messages expires. Nothing else waits for it.
//! * [batch-4] A message of a batch route leaves in the batch's form also when it is alone: who receives it sees one form.
//! * [batch-5] A batch that the module refuses is taken apart: only the message that is to blame is given up.

mod collect;
mod join;

pub use collect::{Batches, HELD_MESSAGES, Load};
pub use join::{alone_len, fits};

use crate::config::{Batch, Route};
use crate::outbox::BatchId;
use std::collections::HashMap;

impl BatchId {
    /// Of a route for these topics: a restart does not change it. A message whose route was changed or removed meanwhile leaves
    /// by itself, as it was accepted.
    pub fn new(from: &str, batch: &Batch) -> Self {
        Self(crc32fast::hash(format!("{from} {:?} {}", batch.form, batch.deflate).as_bytes()))
    }
}

/// The batches that the configuration allows.
#[derive(Debug, Clone, Default)]
pub struct Policies(HashMap<BatchId, Batch>);

impl Policies {
    /// Those of the routes.
    pub fn new(routes: &[Route]) -> Self {
        let batches = routes.iter().filter_map(|route| Some((&route.from, route.batch.as_ref()?)));
        Self(batches.map(|(from, batch)| (BatchId::new(from, batch), *batch)).collect())
    }

    /// What is allowed for a message that bears this number.
    pub fn get(&self, id: Option<BatchId>) -> Option<&Batch> {
        self.0.get(&id?)
    }

    /// Whether nothing is ever joined.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

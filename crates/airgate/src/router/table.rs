//! Who wants what. A pure core: requests and messages in, full boxes out.

use super::filters::Filters;
use super::queue::{DurableId, Item, Mailbox, Parcel, Queue, Taken};
use super::retained::Retained;
use super::trie::Trie;
use super::{Hears, Name, NotSubscribed, ProgramId, RouterStatus, TEXTS};
use airgate_proto::{Event, Message, Qos, topic};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Durable subscriptions and sessions of one user; when there are more, the one that has been away longest is forgotten.
pub const DURABLES_PER_USER: usize = 64;

#[derive(Debug)]
struct Program {
    mailbox: Arc<Mailbox>,
    filters: Filters,
    hears: Hears,
}

/// It stays when its program leaves.
#[derive(Debug)]
struct Durable {
    name: Name,
    /// Whether its last program might read text messages.
    texts: bool,
    filters: Filters,
    owner: Option<ProgramId>,
    kept: Queue,
    /// Rises with each leave: who has been away longest.
    left: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subscriber {
    Program(ProgramId),
    Durable(DurableId),
}

/// Whose subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// The program's own: it ends with the connection.
    Program(ProgramId),
    /// A durable one.
    Durable(DurableId),
}

/// Who gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Program(ProgramId),
    Away(DurableId),
}

#[derive(Debug, Default)]
pub(super) struct Table {
    programs: HashMap<ProgramId, Program>,
    durables: HashMap<DurableId, Durable>,
    names: HashMap<Name, DurableId>,
    trie: Trie<Subscriber>,
    /// How many subscriptions want each filter of the cloud.
    wanted: BTreeMap<String, usize>,
    /// Whether others are wanted than were told.
    wants_others: bool,
    retained: Retained,
    last_durable: u64,
    leaves: u64,
    pub(super) status: RouterStatus,
}

impl Table {
    pub(super) fn join(&mut self, id: ProgramId, mailbox: Arc<Mailbox>, hears: Hears) {
        let filters = Filters::of(mailbox.share());
        self.programs.insert(id, Program { mailbox, filters, hears });
        self.status.programs = self.programs.len();
    }

    /// `unacknowledged` was handed out and goes back where it came from, before what still waits.
    pub(super) fn leave(&mut self, id: ProgramId, unacknowledged: Vec<Item>) {
        let Some(program) = self.programs.remove(&id) else { return };
        for filter in program.filters.keys() {
            self.drop_filter(filter, Subscriber::Program(id));
        }
        self.leaves += 1;
        for durable in self.durables.values_mut().filter(|durable| durable.owner == Some(id)) {
            durable.owner = None;
            durable.left = self.leaves;
        }
        for item in unacknowledged {
            self.keep(Item { again: true, ..item });
        }
        let mut waiting = program.mailbox.empty();
        while let Some(taken) = waiting.pop() {
            if let Taken::Item(item) = taken {
                self.keep(item);
            }
        }
        self.status.programs = self.programs.len();
        self.count_durables();
    }

    fn keep(&mut self, item: Item) {
        let Some(durable) = item.via.and_then(|id| self.durables.get_mut(&id)) else { return };
        if let Some(program) = durable.owner.and_then(|owner| self.programs.get(&owner)) {
            // Somebody else has taken over meanwhile.
            hand(&mut self.status, &program.mailbox, item);
        } else if item.qos == Qos::AtLeastOnce {
            let kept = durable.kept.push(item);
            tracing::debug!(name = durable.name.name, kept, "kept for a session whose program is away");
            self.status.lagged += u64::from(!kept);
        }
    }

    /// Gives the durable account `name` to a program, with what was kept. Tells whether it was there before.
    pub(super) fn attach(&mut self, name: Name, owner: ProgramId) -> (DurableId, bool) {
        let known = self.names.get(&name).copied();
        let id = known.unwrap_or_else(|| self.new_durable(name));
        if let (Some(durable), Some(program)) = (self.durables.get_mut(&id), self.programs.get(&owner)) {
            durable.owner = Some(owner);
            durable.texts = program.hears.texts;
            durable.filters.hold_of(program.mailbox.share());
            let kept = std::mem::replace(&mut durable.kept, program.mailbox.sibling());
            program.mailbox.append_all(kept);
        }
        self.count_durables();
        (id, known.is_some())
    }

    fn new_durable(&mut self, name: Name) -> DurableId {
        let of_user = |durable: &&Durable| durable.name.uid == name.uid;
        if self.durables.values().filter(of_user).count() >= DURABLES_PER_USER {
            let away = self.durables.values().filter(of_user).filter(|durable| durable.owner.is_none());
            if let Some(oldest) = away.min_by_key(|durable| durable.left).map(|durable| durable.name.clone()) {
                tracing::warn!(
                    uid = oldest.uid,
                    name = oldest.name,
                    "too many durable subscriptions: one is forgotten"
                );
                self.forget(&oldest);
            }
        }
        self.last_durable += 1;
        let id = DurableId(self.last_durable);
        self.names.insert(name.clone(), id);
        let (filters, kept) = (Filters::default(), Queue::default());
        let durable = Durable { name, texts: false, filters, owner: None, kept, left: 0 };
        self.durables.insert(id, durable);
        id
    }

    /// The account `name` ends, with its subscriptions and what was kept.
    pub(super) fn forget(&mut self, name: &Name) {
        let Some(id) = self.names.remove(name) else { return };
        let Some(durable) = self.durables.remove(&id) else { return };
        for filter in durable.filters.keys() {
            self.drop_filter(filter, Subscriber::Durable(id));
        }
        self.count_durables();
    }

    fn count_durables(&mut self) {
        self.status.away = self.durables.values().filter(|durable| durable.owner.is_none()).count();
    }

    pub(super) fn subscribe(&mut self, account: Account, filter: &str, qos: Qos) -> Result<(), NotSubscribed> {
        let subscriber = subscriber(account);
        let Some(filters) = self.filters_of(account) else { return Ok(()) };
        if filters.insert(filter, qos)? {
            self.trie.insert(filter, subscriber);
            if !is_local(filter) {
                let wanted = self.wanted.entry(filter.to_owned()).or_default();
                *wanted += 1;
                self.wants_others |= *wanted == 1;
            }
        }
        let (owner, via) = match account {
            Account::Program(id) => (Some(id), None),
            Account::Durable(id) => (self.durables.get(&id).and_then(|durable| durable.owner), Some(id)),
        };
        let Some(program) = owner.and_then(|owner| self.programs.get(&owner)) else { return Ok(()) };
        for parcel in self.retained.matching(filter) {
            let qos = qos.min(qos_of(parcel));
            let item = Item { parcel: Arc::clone(parcel), qos, retained: true, again: false, via };
            hand(&mut self.status, &program.mailbox, item);
        }
        Ok(())
    }

    /// The account `name` does not want `filter` any more, and ends with its last one; tells whether it has ended.
    pub(super) fn release(&mut self, name: &Name, filter: &str) -> bool {
        let Some(id) = self.names.get(name).copied() else { return true };
        self.unsubscribe(Account::Durable(id), filter);
        let ended = self.durables.get(&id).is_none_or(|durable| durable.filters.is_empty());
        if ended {
            self.forget(name);
        }
        ended
    }

    pub(super) fn unsubscribe(&mut self, account: Account, filter: &str) {
        let Some(filters) = self.filters_of(account) else { return };
        if filters.remove(filter) {
            self.drop_filter(filter, subscriber(account));
        }
    }

    /// Durable accounts lose the filters that `may` does not grant their user.
    pub(super) fn withdraw(&mut self, may: impl Fn(u32, &str) -> bool) {
        let mut lost = Vec::new();
        for (id, durable) in &mut self.durables {
            let uid = durable.name.uid;
            let gone: Vec<_> = durable.filters.keys().filter(|filter| !may(uid, filter)).cloned().collect();
            for filter in gone {
                durable.filters.remove(&filter);
                lost.push((*id, filter));
            }
        }
        for (id, filter) in lost {
            self.drop_filter(&filter, Subscriber::Durable(id));
        }
    }

    fn filters_of(&mut self, account: Account) -> Option<&mut Filters> {
        match account {
            Account::Program(id) => self.programs.get_mut(&id).map(|program| &mut program.filters),
            Account::Durable(id) => self.durables.get_mut(&id).map(|durable| &mut durable.filters),
        }
    }

    fn drop_filter(&mut self, filter: &str, subscriber: Subscriber) {
        self.trie.remove(filter, &subscriber);
        if let Some(count) = self.wanted.get_mut(filter) {
            *count -= 1;
            if *count == 0 {
                self.wanted.remove(filter);
                self.wants_others = true;
            }
        }
    }

    /// A message between programs of this host, kept for later subscribers when it is to be retained.
    pub(super) fn publish(&mut self, message: Message, retain: bool) {
        if retain {
            self.retained.put(&message);
        }
        let topic = message.topic.clone();
        self.deliver(&Parcel::new(Event::Message(message)), &[&topic]);
    }

    /// Hands it to each program that wants one of its names, once, and keeps it for those that are away. Returns how many
    /// programs got it. [router-1]
    pub(super) fn deliver(&mut self, parcel: &Arc<Parcel>, names: &[&str]) -> usize {
        let targets = self.targets(parcel, names);
        let mut programs = 0;
        for (target, (qos, via)) in &targets {
            let item = Item { parcel: Arc::clone(parcel), qos: *qos, retained: false, again: false, via: *via };
            match target {
                Target::Program(id) => {
                    programs += 1;
                    if let Some(program) = self.programs.get(id) {
                        hand(&mut self.status, &program.mailbox, item);
                    }
                }
                // A call waits for nobody, and QoS 0 promises nothing.
                Target::Away(_) if matches!(parcel.event, Event::Call(_)) => {}
                Target::Away(_) => self.keep(item),
            }
        }
        self.status.unwanted += u64::from(targets.is_empty());
        programs
    }

    fn targets(&self, parcel: &Parcel, names: &[&str]) -> BTreeMap<Target, (Qos, Option<DurableId>)> {
        let mut targets: BTreeMap<Target, (Qos, Option<DurableId>)> = BTreeMap::new();
        for name in names {
            self.trie.each(name, &mut |subscriber| {
                if *name == TEXTS && !self.may_read_texts(*subscriber) {
                    return;
                }
                let (target, granted, via) = match *subscriber {
                    Subscriber::Program(id) => (Target::Program(id), self.granted(Account::Program(id), name), None),
                    Subscriber::Durable(id) => {
                        let owner = self.durables.get(&id).and_then(|durable| durable.owner);
                        let target = owner.map_or(Target::Away(id), Target::Program);
                        (target, self.granted(Account::Durable(id), name), Some(id))
                    }
                };
                let qos = granted.min(qos_of(parcel));
                let known = targets.entry(target).or_insert((qos, via));
                *known = (known.0.max(qos), known.1.or(via));
            });
        }
        targets
    }

    /// [router-6]
    fn may_read_texts(&self, subscriber: Subscriber) -> bool {
        match subscriber {
            Subscriber::Program(id) => self.programs.get(&id).is_some_and(|program| program.hears.texts),
            Subscriber::Durable(id) => self.durables.get(&id).is_some_and(|durable| durable.texts),
        }
    }

    /// The best QoS of the account's filters that match.
    fn granted(&self, account: Account, name: &str) -> Qos {
        let filters = match account {
            Account::Program(id) => self.programs.get(&id).map(|program| &program.filters),
            Account::Durable(id) => self.durables.get(&id).map(|durable| &durable.filters),
        };
        let matching = filters.into_iter().flat_map(Filters::iter).filter(|(filter, _)| topic::matches(filter, name));
        matching.map(|(_, qos)| *qos).max().unwrap_or(Qos::AtMostOnce)
    }

    /// An event that concerns every program, or every one that may read it.
    pub(super) fn tell_all(&mut self, event: Event) {
        let secret = matches!(event, Event::Sms(_));
        let parcel = Parcel::new(event);
        let concerned = |program: &&Program| program.hears.events && (program.hears.texts || !secret);
        for program in self.programs.values().filter(concerned) {
            let item =
                Item { parcel: Arc::clone(&parcel), qos: Qos::AtLeastOnce, retained: false, again: false, via: None };
            hand(&mut self.status, &program.mailbox, item);
        }
    }

    /// [router-3]
    pub(super) fn wanted(&self) -> BTreeSet<String> {
        self.wanted.keys().cloned().collect()
    }

    /// The same, if it is not what was told by this before.
    pub(super) fn wanted_anew(&mut self) -> Option<BTreeSet<String>> {
        std::mem::take(&mut self.wants_others).then(|| self.wanted())
    }
}

/// [router-2]
fn hand(status: &mut RouterStatus, mailbox: &Mailbox, item: Item) {
    match mailbox.push(item) {
        true => status.delivered += 1,
        false => status.lagged += 1,
    }
}

fn subscriber(account: Account) -> Subscriber {
    match account {
        Account::Program(id) => Subscriber::Program(id),
        Account::Durable(id) => Subscriber::Durable(id),
    }
}

fn qos_of(parcel: &Parcel) -> Qos {
    match &parcel.event {
        Event::Message(message) => message.qos,
        _ => Qos::AtLeastOnce,
    }
}

/// Whether a topic or a filter is of this host alone.
pub fn is_local(topic: &str) -> bool {
    topic == "local" || topic.starts_with("local/")
}

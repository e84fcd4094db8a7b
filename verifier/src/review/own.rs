//! Whose an event is: what a reviewer did, asked for, or got, and so does not review alone.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::approval::requests;
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::event::{Body, Event, SessionId};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::keyring::Keyring;

/// The people who reviewed, and what is theirs.
pub(super) struct Own<'a> {
    people: BTreeSet<&'a str>,
    keyring: &'a Keyring,
    /// Sessions that one of them is the requester of, or set off.
    sessions: BTreeMap<SessionId, Vec<&'a str>>,
}

impl<'a> Own<'a> {
    pub(super) fn new(people: impl Iterator<Item = &'a str>, keyring: &'a Keyring) -> Self {
        Self {
            people: people.collect(),
            keyring,
            sessions: BTreeMap::new(),
        }
    }

    /// An event passes by: sessions are known by their openings, which may lie before any period.
    pub(super) fn event(&mut self, event: &Event) {
        if let (Body::SessionOpened(opened), Some(place)) = (&event.body, event.session) {
            let people = self.people.iter().copied();
            let theirs: Vec<_> = people.filter(|person| requests(person, &opened.principal)).collect();
            if !theirs.is_empty() {
                self.sessions.insert(place.0, theirs);
            }
        }
    }

    /// Whether a person has a part in an event: signed it, read, asked for what it is about, or has a key by it.
    pub(super) fn is_of(&self, event: &Event, person: &str) -> bool {
        let same = |name: &str| name.eq_ignore_ascii_case(person);
        let key = |id: KeyId| {
            let record = self.keyring.record(id);
            record.is_some_and(|record| is_human(record.role) && same(&record.name))
        };
        let session = || {
            let about = event.about().and_then(|session| self.sessions.get(&session));
            about.is_some_and(|people| people.contains(&person))
        };
        let subject = match &event.body {
            Body::EvidenceRead(read) => same(&read.reader),
            Body::KeyEnrolled(enrolled) => is_human(enrolled.role) && same(&enrolled.name),
            Body::KeyRevoked(revoked) => key(revoked.key),
            Body::KeyRotated(rotated) => key(rotated.from),
            Body::Genesis(genesis) => genesis.administrators.iter().any(|named| same(&named.name)),
            _ => false,
        };
        subject || key(event.emitter.0) || session()
    }
}

const fn is_human(role: Role) -> bool {
    matches!(role, Role::Person | Role::Administrator)
}

//! The messages of a group one by one, and how they become its requests.
//!
//! Not here: what each of them means (see [`super::Reading`]).

use std::collections::VecDeque;
use std::sync::Arc;

use exhibit_policy::decide::UNPROVEN;

use super::{Answer, Draft, Expected, Group, Item, Progress, Reading, Runs, about_session};
use crate::analysis::{Copy, Mapped};
use crate::message::encode;
use crate::message::frontend::{Frontend, Kind};
use crate::names::{Ahead, Change, Prepared};

/// A message, the agent's or the proxy's own, as it is forwarded.
pub(super) struct Part {
    pub(super) bytes: Vec<u8>,
    pub(super) answer: Answer,
    pub(super) changes: VecDeque<Vec<Change>>,
    pub(super) copy: Option<Copy>,
    pub(super) mapped: Option<Mapped>,
    pub(super) expected: VecDeque<Expected>,
    pub(super) prepared: Option<Arc<Prepared>>,
    pub(super) draft: Option<Draft>,
}

impl Part {
    pub(super) fn new(bytes: Vec<u8>, answer: Answer) -> Self {
        Self {
            bytes,
            answer,
            changes: VecDeque::new(),
            copy: None,
            mapped: None,
            expected: VecDeque::new(),
            prepared: None,
            draft: None,
        }
    }
}

/// Prepares a query of the proxy's own, and asks for its columns.
pub(super) fn asked(name: &str, query: &str) -> [Part; 2] {
    let parse = [name.as_bytes(), &[0], query.as_bytes(), &[0, 0, 0]].concat();
    let describe = [&[Kind::Statement.byte()], name.as_bytes(), &[0]].concat();
    [
        Part::new(encode::message(b'P', &parse), Answer::OwnParse),
        Part::new(encode::message(b'D', &describe), Answer::OwnProbe),
    ]
}

/// A preparation whose statement a later message of the group executes is a part of that request.
pub(super) fn merge_preparations(parts: &mut [Part]) {
    for place in 0..parts.len() {
        let (before, after) = parts.split_at_mut(place + 1);
        let Some(part) = before.last_mut().filter(|part| part.answer == Answer::Parse) else {
            continue;
        };
        let runs = |other: &Part| match (&other.prepared, &part.prepared) {
            (Some(other_prepared), Some(prepared)) => {
                other.answer == Answer::Execute && Arc::ptr_eq(other_prepared, prepared)
            }
            _ => false,
        };
        let refused = part
            .draft
            .as_ref()
            .is_some_and(|draft| draft.request.facts.attributes.contains_key(UNPROVEN));
        if !refused && after.iter().any(runs) {
            part.draft = None;
        }
    }
}

impl Reading<'_> {
    /// A group that runs nothing: what it describes or binds is read as if it ran; otherwise it is about the session.
    pub(super) fn housekeeping(&mut self, parts: &mut [Part]) {
        let prepared = parts.iter().find_map(|part| part.prepared.clone());
        let mut progress = Progress {
            names: Ahead::of(self.names),
            changed: false,
            text_unsure: false,
            copies_in: false,
            parts: Vec::new(),
        };
        let draft = match prepared {
            Some(prepared) => {
                let mut draft = self.draft(&prepared.sql, &prepared.types, &mut progress, Runs::Not);
                draft.described(Some(&prepared));
                draft
            }
            None => about_session("SYNC", "protocol"),
        };
        if let Some(last) = parts.last_mut() {
            last.draft = Some(draft);
        }
    }
}

/// The parts as requests, each with the exact bytes of its messages.
pub(super) fn assemble(parts: Vec<Part>, synced: bool, rest: VecDeque<(Frontend, Vec<u8>)>) -> Group {
    let last = parts
        .iter()
        .filter(|part| part.draft.is_some())
        .count()
        .saturating_sub(1);
    let mut group = Group {
        drafts: Vec::new(),
        items: VecDeque::new(),
        synced,
        rest,
    };
    let mut exact: Vec<Vec<u8>> = vec![Vec::new(); last + 1];
    let mut owner = 0;
    for part in parts {
        if let Some(bytes) = exact.get_mut(owner.min(last)) {
            if bytes.is_empty() {
                *bytes = part.bytes;
            } else {
                bytes.extend(part.bytes);
            }
        }
        group.items.push_back(Item {
            answer: part.answer,
            changes: part.changes,
            copy: part.copy,
            mapped: part.mapped,
            expected: part.expected,
            prepared: part.prepared,
            owner: owner.min(last),
        });
        if let Some(draft) = part.draft {
            group.drafts.push(draft);
            owner += 1;
        }
    }
    for (draft, exact) in group.drafts.iter_mut().zip(exact) {
        draft.request.exact = exact;
    }
    group
}

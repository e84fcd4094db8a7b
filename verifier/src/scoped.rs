//! What a scoped bundle is held to, and what it can and cannot prove.
//!
//! Every leaf hash and every seal of the log is there, so these are proven as of a whole bundle: the tree, the batches, the chains of
//! seals, who sealed each event that is withheld, and that of administrators none is. What is disclosed is checked as always: signatures,
//! keys, decisions, approvals, masks, and each session's events from its opening on, without a gap.
//!
//! Here: that nothing is disclosed beyond the scope, that something is of it, and the words for what stays open.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::event::SessionId;
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::keyring::Keyring;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::scoped::{Members, Part, Scope, Sessions, part};
use serde::Serialize;

use crate::batch::{Batches, Placed};
use crate::files::Layout;
use crate::finding::{Code, Findings, Place};

/// Why no control is tested by a scoped bundle.
pub const NOT_TESTED: &str =
    "this bundle is scoped, and the control is tested on its whole population, which only a whole bundle holds";

/// What a scoped bundle discloses and proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scoped {
    /// What was asked for; `None` where the manifest cannot be read.
    pub scope: Option<Scope>,
    /// The same in words.
    pub words: String,
    /// Events that are disclosed.
    pub disclosed: u64,
    /// Seals; all of them are.
    pub seals: u64,
    /// Events that are withheld, by the role of who sealed them.
    pub withheld: BTreeMap<&'static str, u64>,
    /// Sessions of the scope.
    pub sessions: usize,
    /// Sessions that are disclosed because people were asked in them about commands of the others, or because their commands name
    /// the same requests.
    pub asked_in: usize,
    /// What it proves beyond the events that it holds; nothing where it has errors.
    pub proven: Vec<String>,
    /// What it does not.
    pub not_proven: Vec<String>,
}

/// Sessions without a close that are named one by one; of more there is their number.
const TAILS_MAX: usize = 20;

/// Follows what is disclosed.
pub(crate) struct Scoping {
    scope: Option<Scope>,
    members: Option<Members>,
    /// Where each session stands first.
    first: BTreeMap<SessionId, Index>,
    /// Where persons speak about sessions.
    about: BTreeMap<SessionId, Index>,
    /// Where persons say to have opened copies, by the copy's place.
    opened: Vec<(Index, Index)>,
    /// Sessions of the first parts of copies.
    copies: BTreeMap<Index, SessionId>,
    /// What is of no scope.
    outside: Vec<(Index, &'static str)>,
    disclosed: u64,
}

impl Scoping {
    /// Nothing yet.
    pub(crate) fn new(scope: Option<Scope>) -> Self {
        Self {
            members: scope.clone().map(Members::new),
            scope,
            first: BTreeMap::new(),
            about: BTreeMap::new(),
            opened: Vec::new(),
            copies: BTreeMap::new(),
            outside: Vec::new(),
            disclosed: 0,
        }
    }

    /// Takes an event that is disclosed.
    pub(crate) fn event(&mut self, placed: &Placed, keyring: &Keyring) {
        self.disclosed += 1;
        if let Some(members) = &mut self.members {
            members.event(placed.leaf, &placed.event);
        }
        let role = keyring.record(placed.event.emitter.0).map(|record| record.role);
        match part(&placed.event, role == Some(Role::Administrator)) {
            Part::Foundation => {}
            Part::Of(session) if placed.event.session.is_some() => {
                self.first.entry(session).or_insert(placed.index);
                if placed.event.kind() == exhibit_schemas::event::Kind::CommandSealed {
                    self.copies.insert(placed.index, session);
                }
            }
            Part::Of(session) => {
                self.about.entry(session).or_insert(placed.index);
            }
            Part::Copy(copy) => self.opened.push((placed.index, copy)),
            Part::Outside => self.outside.push((placed.index, placed.event.kind().as_str())),
        }
    }

    /// The log ends: what is there is held against the scope.
    pub(crate) fn finish(self, layout: &Layout, batches: &Batches, findings: &mut Findings) -> Scoped {
        let sessions = self.members.as_ref().map(Members::sessions).unwrap_or_default();
        self.compare(&sessions, findings);
        if let Layout::Scoped(Some(stated)) = layout
            && stated.disclosed != self.disclosed
        {
            let detail = format!(
                "it states {} events, {} are disclosed",
                stated.disclosed, self.disclosed
            );
            findings.add(Code::ManifestEntry, Place::Bundle, detail);
        }
        let words = self.scope.as_ref().map(ToString::to_string);
        let withheld = batches.withheld().by_role().clone();
        Scoped {
            words: words.unwrap_or_else(|| "unknown".to_owned()),
            disclosed: self.disclosed,
            seals: batches.seals(),
            sessions: sessions.of_scope.len(),
            asked_in: sessions.asked_in.len(),
            proven: proven(&withheld),
            not_proven: not_proven(self.scope.as_ref(), &withheld),
            withheld,
            scope: self.scope,
        }
    }

    fn compare(&self, sessions: &Sessions, findings: &mut Findings) {
        if self.scope.is_some() && sessions.of_scope.is_empty() {
            let detail = "no session of the scope is disclosed";
            findings.add(Code::ScopeMissing, Place::Bundle, detail);
        }
        let mut found = BTreeSet::new();
        for (session, index) in &self.first {
            if !sessions.contains(*session) {
                found.insert((*index, format!("session {session} is not of the scope")));
            }
        }
        for (session, index) in &self.about {
            if !sessions.contains(*session) {
                found.insert((
                    *index,
                    format!("it is about session {session}, which is not of the scope"),
                ));
            }
        }
        for (index, copy) in &self.opened {
            let of = self.copies.get(copy);
            if !of.is_some_and(|session| sessions.contains(*session)) {
                found.insert((*index, format!("it is about #{copy}, which is not of the scope")));
            }
        }
        for (index, kind) in &self.outside {
            found.insert((*index, format!("an event of the kind {kind} is of no scope")));
        }
        for (index, detail) in found {
            findings.add(Code::ScopeOutside, Place::Entry(index), detail);
        }
    }
}

impl Scoped {
    /// Adds sessions of which events may be withheld behind the last one here: they have no close, and their proxy went on.
    pub(crate) fn open_ended(&mut self, tails: &[(SessionId, Index)]) {
        let named = tails.iter().take(TAILS_MAX);
        let lines = named.map(|(session, last)| {
            format!("That session {session} did nothing after #{last}: it has no close here, and later events of its proxy are withheld.")
        });
        self.not_proven.extend(lines);
        let more = tails.len().saturating_sub(TAILS_MAX);
        if more > 0 {
            let line = format!(
                "That {more} more sessions did nothing after their last events here: each has the note scope-tail."
            );
            self.not_proven.push(line);
        }
    }
}

fn of(withheld: &BTreeMap<&'static str, u64>, role: Role) -> u64 {
    withheld.get(role.as_str()).copied().unwrap_or(0)
}

/// What is proven beyond the events that are there.
fn proven(withheld: &BTreeMap<&'static str, u64>) -> Vec<String> {
    let mut proven = vec![
        "Every entry of the log is under the signed root and under a seal, disclosed or not, and each emitter's seals follow each other without a gap: nothing of the log was altered, moved or left out of its hashes.".to_owned(),
        "No event of an administrator is withheld: no enrolment, revocation or rotation of a key is missing.".to_owned(),
        "Each session that is disclosed is whole from its opening on, and up to its close where it has one.".to_owned(),
    ];
    if of(withheld, Role::Person) == 0 {
        proven.push(
            "No event of a person is withheld: no decision, and no revocation of an approval, is missing.".to_owned(),
        );
    }
    proven
}

/// What stays open.
fn not_proven(scope: Option<&Scope>, withheld: &BTreeMap<&'static str, u64>) -> Vec<String> {
    let (proxies, people) = (of(withheld, Role::Proxy), of(withheld, Role::Person));
    let mut open = Vec::new();
    if scope.and_then(Scope::session).is_none() && proxies > 0 {
        open.push(format!(
            "Completeness across the log: that no other session is of the scope. {proxies} events of proxies are withheld, and only their hashes and authors are known."
        ));
    }
    if people > 0 {
        open.push(format!(
            "That nobody took back an approval, refused a request or signed a policy without it standing here: {people} events of people are withheld."
        ));
    }
    if proxies > 0 {
        open.push(
            "That no other session used an approval before: a session of the same request may be among what is withheld."
                .to_owned(),
        );
        open.push(
            "That no proxy said between two events here that another policy, or another key of masks, was in force."
                .to_owned(),
        );
        open.push(
            "Claims about other sessions: that a statement had passed before, how often a grant was used, how many values were tried."
                .to_owned(),
        );
    }
    open.push(
        "Reviews, readings of the evidence, refused log-ins and every count of a population: they are questions to the whole log."
            .to_owned(),
    );
    open
}

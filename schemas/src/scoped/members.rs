//! Which sessions are of a scope, and which events are disclosed with them.
//!
//! A session is of a scope, or it has to do with a request that a command of a disclosed one names: people were asked in it, or a
//! command of its own names that request, too. Such a session is disclosed whole, for its request, its requester and the term of its
//! policy are what the approval is checked by, and so is whatever used the approval before.

use std::collections::{BTreeMap, BTreeSet};

use super::scope::{Member, Opening, Scope};
use crate::digest::Digest;
use crate::event::{Body, Event, SessionId};
use crate::merkle::Index;

/// Why an event is disclosed, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Always: without it nothing can be checked, and it holds nothing of a session.
    Foundation,
    /// With this session: it is of it, or a person's word about a request of it.
    Of(SessionId),
    /// With the session of the entry of this index: a person says to have opened the sealed copy that begins there.
    Copy(Index),
    /// Never.
    Outside,
}

/// Why an event is disclosed, if it is. `administrator` says that an administrator's key sealed it: all that administrators say is
/// foundation, so that a revocation cannot be withheld.
pub fn part(event: &Event, administrator: bool) -> Part {
    if administrator {
        return Part::Foundation;
    }
    match &event.body {
        Body::PolicySnapshot(_) | Body::PolicySigned(_) | Body::PolicyInForce(_) | Body::MaskKeyAnnounced(_) => {
            Part::Foundation
        }
        Body::ApprovalDecided(decided) => Part::Of(decided.session),
        Body::ApprovalRevoked(revoked) => Part::Of(revoked.session),
        Body::EvidenceRead(read) => read.copy.as_ref().map_or(Part::Outside, |copy| Part::Copy(copy.index)),
        _ => event.session.map_or(Part::Outside, |place| Part::Of(place.0)),
    }
}

/// What is known of the sessions of a log, or of a part of one, for a scope.
#[derive(Debug)]
pub struct Members {
    scope: Scope,
    sessions: BTreeMap<SessionId, Member>,
    /// Sessions of requests, by leaf hash.
    requests: BTreeMap<Digest, SessionId>,
    /// Requests by their places in their sessions: by these the commands of the same session name them.
    numbers: BTreeMap<(SessionId, u64), Digest>,
    /// Requests that the commands of a session name, whichever session they are of.
    names: BTreeMap<SessionId, BTreeSet<Digest>>,
    /// The same the other way round.
    named_in: BTreeMap<Digest, BTreeSet<SessionId>>,
}

/// Sessions that a scope discloses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// Those of the scope.
    pub of_scope: BTreeSet<SessionId>,
    /// Those in which people were asked about commands of the others, or whose commands name the same requests.
    pub asked_in: BTreeSet<SessionId>,
}

impl Sessions {
    /// Whether a session is disclosed.
    pub fn contains(&self, session: SessionId) -> bool {
        self.of_scope.contains(&session) || self.asked_in.contains(&session)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.of_scope.len() + self.asked_in.len()
    }
}

impl Members {
    /// Nothing yet.
    pub const fn new(scope: Scope) -> Self {
        Self {
            scope,
            sessions: BTreeMap::new(),
            requests: BTreeMap::new(),
            numbers: BTreeMap::new(),
            names: BTreeMap::new(),
            named_in: BTreeMap::new(),
        }
    }

    /// Takes the next event of the log, with its leaf hash.
    pub fn event(&mut self, leaf: Digest, event: &Event) {
        let Some(place) = event.session else { return };
        let member = self.sessions.entry(place.0).or_insert(Member {
            opened: None,
            last: event.time,
            of_patient: false,
        });
        member.last = member.last.max(event.time);
        match &event.body {
            Body::SessionOpened(body) if member.opened.is_none() => {
                member.opened = Some(Opening {
                    subject: body.principal.subject.clone(),
                    target: body.target.clone(),
                    time: event.time,
                });
            }
            Body::ApprovalRequested(_) => {
                self.requests.insert(leaf, place.0);
                self.numbers.insert((place.0, place.1), leaf);
            }
            Body::Command(body) => {
                let own = body.request.and_then(|number| self.numbers.get(&(place.0, number)));
                for request in own.copied().into_iter().chain(body.retries) {
                    self.names.entry(place.0).or_default().insert(request);
                    self.named_in.entry(request).or_default().insert(place.0);
                }
            }
            Body::ResponseChunk(body) => {
                let patients = body.patients.iter().flat_map(|released| &released.patients);
                let wanted = self.scope.patient();
                member.of_patient |=
                    wanted.is_some_and(|wanted| patients.map(|one| one.patient).any(|one| one == wanted));
            }
            _ => {}
        }
    }

    /// The sessions of the scope; those in which people were asked about their commands; all others whose commands name one of these
    /// requests, which may have used its approval before; and the same again of these.
    pub fn sessions(&self) -> Sessions {
        let held = self
            .sessions
            .iter()
            .filter(|(id, member)| self.scope.holds(**id, member));
        let of_scope: BTreeSet<SessionId> = held.map(|(id, _)| *id).collect();
        let mut asked_in = BTreeSet::new();
        let mut open: Vec<SessionId> = of_scope.iter().copied().collect();
        while let Some(session) = open.pop() {
            let named = self.names.get(&session).into_iter().flatten();
            let users = |request| self.named_in.get(request).into_iter().flatten();
            for other in named.flat_map(|request| self.requests.get(request).into_iter().chain(users(request))) {
                if !of_scope.contains(other) && asked_in.insert(*other) {
                    open.push(*other);
                }
            }
        }
        Sessions { of_scope, asked_in }
    }
}

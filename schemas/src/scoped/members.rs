//! Which sessions are of a scope, and which events are disclosed with them.
//!
//! A session is of a scope, or one of its commands passes by what people were asked in it: such a session is disclosed whole, too,
//! for its request, its requester and the term of its policy are what the approval is checked by.

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
    /// Sessions whose commands name a request of another one.
    names: BTreeMap<SessionId, BTreeSet<Digest>>,
}

/// Sessions that a scope discloses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// Those of the scope.
    pub of_scope: BTreeSet<SessionId>,
    /// Those in which people were asked about commands of the others.
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
            names: BTreeMap::new(),
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
            }
            Body::Command(body) => {
                if let Some(request) = body.retries {
                    self.names.entry(place.0).or_default().insert(request);
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

    /// The sessions of the scope, and those in which people were asked about their commands, and about the commands of these.
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
            for other in named.filter_map(|request| self.requests.get(request)) {
                if !of_scope.contains(other) && asked_in.insert(*other) {
                    open.push(*other);
                }
            }
        }
        Sessions { of_scope, asked_in }
    }
}

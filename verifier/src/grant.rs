//! Grants: commands that passed by what people approved of another one.
//!
//! Which commands a grant covers is said by `exhibit_policy::grant`, and how far it goes by `exhibit_schemas::terms`, the code that the proxy
//! ran. Here it is asked again for each command that names the request, and all of them are counted.
//!
//! Not here: that the session of a command was as that of the first, which is not recorded, and that values could be nothing but data, beyond
//! what its accesses say.

use std::collections::BTreeSet;

use exhibit_policy::decide::Asker;
use exhibit_policy::grant::{Covered, differs};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Command, Principal};
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalRequested, Verdict};
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::terms::{Granted, allowed};
use serde::{Deserialize, Serialize};

use crate::approval::{Approvals, Settled, USE_GRACE_US};
use crate::finding::{Code, Findings, Place};

/// A grant, with the command that passed by it first in the log.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct InForce {
    pub(crate) granted: Granted,
    pub(crate) ends: Timestamp,
    /// Commands that passed by it, the first among them.
    pub(crate) commands: u64,
    index: Index,
    proxy: KeyId,
    named: Vec<Digest>,
    requester: Option<Principal>,
    session: SessionId,
    command: Command,
    askers: Option<BTreeSet<Asker>>,
}

impl Approvals {
    /// Whether a command passes by a grant whose first command may be among the entries that are missing.
    pub(crate) fn may_be_granted(&self, settled: &Settled<'_>, request: Digest) -> bool {
        let Some(asked) = self.asked(request) else { return false };
        let named = settled.command.approvals.as_deref().unwrap_or_default();
        let made = self.made(named.iter().copied());
        self.after_gap && allowed(&asked.body, &made.said()).grant.is_some()
    }

    /// Holds an approved command to the grant that it passes by, or begins one with it.
    pub(crate) fn passes_by_grant(
        &mut self,
        settled: &Settled<'_>,
        request: Digest,
        named: &[Digest],
        findings: &mut Findings,
    ) {
        let made = self.made(named.iter().copied());
        let Some(asked) = self.asked_mut(request) else { return };
        let place = Place::Entry(settled.index);
        if let Some(grant) = &mut asked.granted {
            grant.commands = grant.commands.saturating_add(1);
            for (code, detail) in grant.faults(settled, named, &asked.body.target) {
                findings.add(code, place.clone(), detail);
            }
            return;
        }
        asked.granted = allowed(&asked.body, &made.said()).grant.map(|granted| InForce {
            ends: granted.ends(settled.time),
            granted,
            commands: 1,
            index: settled.index,
            proxy: settled.proxy,
            named: named.to_vec(),
            requester: settled.requester.cloned(),
            session: settled.session,
            command: settled.command.clone(),
            askers: settled.askers.clone(),
        });
    }
}

impl<'a> Settled<'a> {
    /// The command as a grant may cover it; `None` where what it is is not known, which was said.
    fn covered(&'a self) -> Option<Covered<'a>> {
        Some(Covered {
            requester: self.requester?,
            target: self.target?,
            session: self.session,
            statement: &self.command.statement,
            parameters: &self.command.parameters,
            facts: &self.command.facts,
            decision: &self.command.decision,
            askers: self.askers.as_ref()?,
        })
    }
}

impl InForce {
    /// What is wrong with one more command.
    fn faults(&self, settled: &Settled<'_>, named: &[Digest], target: &str) -> Vec<(Code, String)> {
        let of = format!("the grant that #{} passed by first", self.index);
        let mut faults = Vec::new();
        if let Some(what) = self.differs(settled, target) {
            faults.push((Code::GrantScope, format!("{what} is not that of {of}")));
        }
        if settled.proxy != self.proxy {
            faults.push((Code::GrantScope, format!("its proxy is not that of {of}")));
        }
        if named != self.named {
            faults.push((Code::GrantScope, format!("it names other decisions than {of}")));
        }
        // Its proxy read the clock before it made the event.
        if settled.time.0 >= self.ends.0.saturating_add(USE_GRACE_US) {
            faults.push((Code::GrantLate, format!("{of} had ended at {}", self.ends)));
        }
        if self.commands > self.granted.uses {
            let detail = format!("it is the command {} of {} by {of}", self.commands, self.granted.uses);
            faults.push((Code::GrantUses, detail));
        }
        faults
    }

    fn differs(&self, settled: &Settled<'_>, target: &str) -> Option<&'static str> {
        let first = self.requester.as_ref()?;
        let none = BTreeSet::new();
        let first = Covered {
            requester: first,
            target,
            session: self.session,
            statement: &self.command.statement,
            parameters: &self.command.parameters,
            facts: &self.command.facts,
            decision: &self.command.decision,
            askers: self.askers.as_ref().unwrap_or(&none),
        };
        let next = settled.covered()?;
        differs(&self.granted, &first, &next)
    }
}

/// What of a person's terms goes beyond what may be granted; then the narrower holds.
pub(crate) fn beyond(request: &ApprovalRequested, decided: &ApprovalDecided) -> Option<String> {
    let terms = decided.terms.as_ref()?;
    if decided.verdict == Verdict::Deny {
        return Some("a refusal has terms".to_owned());
    }
    let grant = terms.grant.as_ref()?;
    let Some(bounds) = &request.requirement.grants else {
        return Some("nothing may be granted beside its request".to_owned());
    };
    let rows = |most: u64| terms.rows.is_some_and(|rows| rows > most);
    let more = !bounds.scopes.contains(&grant.scope)
        || grant.minutes > bounds.minutes
        || grant.uses > bounds.uses
        || bounds.rows.is_some_and(rows);
    more.then(|| format!("what may be granted is: {bounds}"))
}

//! What approvals let out: rows that people said, and the time until somebody took the approval back.
//!
//! Whose word takes an approval back is said by `exhibit_policy::approval` alone, the code that the proxy ran.

use exhibit_policy::approval::{Decided, Revocation, check_revocation, in_hours, is_refused};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::approval::ApprovalRevoked;
use exhibit_schemas::keyring::KeyRecord;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::terms::allowed;
use serde::{Deserialize, Serialize};

use crate::approval::{Approvals, Asked, Signer, TakenBack, USE_GRACE_US};
use crate::batch::Placed;
use crate::finding::{Code, Findings, Place};

/// A person's word that takes an approval back, as it stands in the log.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Revoked {
    pub(crate) index: Index,
    pub(crate) time: Timestamp,
    pub(crate) leaf: Digest,
    pub(crate) signer: Signer,
    pub(crate) body: ApprovalRevoked,
}

impl Revoked {
    pub(crate) fn taken_back(&self) -> TakenBack {
        TakenBack {
            index: self.index,
            time: self.time,
        }
    }

    /// The same for who decides whether it counts.
    pub(crate) fn revocation<'a>(&'a self, signer: &'a KeyRecord) -> Revocation<'a> {
        Revocation {
            leaf: self.leaf,
            signer,
            body: &self.body,
        }
    }
}

/// What was released by the approval of one request.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Released {
    /// Rows at the most, as people said.
    most: Option<u64>,
    rows: u64,
    /// Rows that were changed, and not taken back with their session.
    changed: u64,
    /// More had left or was changed, which was said once.
    over: bool,
    /// Something had left after it was taken back, which was said once.
    late: bool,
}

impl Asked {
    /// Whether nothing may begin by it at a time, and no row had left before; of a grant rows of other commands may have.
    fn is_over(&self, time: Timestamp) -> bool {
        let expired = match &self.granted {
            Some(grant) => time >= grant.ends,
            None => time > self.body.expires,
        };
        (self.granted.is_some() || self.released.rows == 0) && (expired || !in_hours(&self.body.requirement, time))
    }

    /// Rows that left by its approval.
    pub(crate) fn rows(&self) -> u64 {
        self.released.rows
    }
}

impl Approvals {
    /// A person took back what was approved, or refuses it; gives why that counts for nothing.
    pub(crate) fn taken_back(
        &mut self,
        placed: &Placed,
        clock: Timestamp,
        body: &ApprovalRevoked,
        findings: &mut Findings,
    ) -> Option<String> {
        let why = self.takes_revocation(placed, clock, body)?;
        findings.add(Code::ApprovalUncounted, Place::Entry(placed.index), why.clone());
        Some(why)
    }

    fn takes_revocation(&mut self, placed: &Placed, clock: Timestamp, body: &ApprovalRevoked) -> Option<String> {
        let signer = placed.signer.as_ref()?; // where its key is unknown that was said with its seal
        let revoked = Revoked {
            index: placed.index,
            // Nobody could know of it before it stood in the log.
            time: placed.event.time.max(clock),
            leaf: placed.leaf,
            signer: self.shared(signer),
            body: body.clone(),
        };
        let Some(asked) = self.asked(body.request).filter(|asked| asked.index.0 == body.index) else {
            return (!self.after_gap).then(|| "it names no request that stands before it".to_owned());
        };
        let made = self.made(asked.decisions());
        let decisions = made.decided(|_, _| true);
        let request = asked.request(body.request);
        let counts = request.map(|request| check_revocation(&request, &decisions, &revoked.revocation(signer)));
        if let Some(Err(fault)) = counts {
            return Some(fault.to_string()); // nothing comes of it here, nor at the proxy
        }
        if let Some(asked) = self.asked_mut(body.request) {
            asked.revocations.push(revoked);
        }
        None
    }

    /// A command, or the rest of its reply, passed by these decisions about a request; so many rows of the reply had left before.
    pub(crate) fn allows(&mut self, request: Digest, named: &[Digest], before: u64) {
        let made = self.made(named.iter().copied());
        let Some(asked) = self.asked_mut(request) else { return };
        // Of a grant all that is released by it counts together.
        let again = asked.granted.as_ref().is_some_and(|grant| grant.commands > 1);
        if !again {
            asked.released.most = allowed(&asked.body, &made.said()).rows;
            asked.released.rows = before;
            asked.released.changed = 0;
        }
    }

    /// Something was released by the approval of a request, and so many rows with it.
    pub(crate) fn released(&mut self, request: Digest, rows: u64, placed: &Placed, findings: &mut Findings) {
        let place = Place::Entry(placed.index);
        let late = self.revocation(request).filter(|revoked| {
            // Its proxy is told in the order of the log, and has a moment for it.
            revoked.time.0.saturating_add(USE_GRACE_US) < placed.event.time.0
        });
        let late = late.map(|revoked| revoked.index);
        self.goes_on(request, placed, findings);
        let Some(asked) = self.asked_mut(request) else { return };
        let (index, released) = (asked.index, &mut asked.released);
        released.rows = released.rows.saturating_add(rows);
        let over = released.most.filter(|most| released.rows > *most);
        if let Some(most) = over
            && !released.over
        {
            released.over = true;
            let detail = format!(
                "{} rows, and its request #{index} was approved for {most}",
                released.rows
            );
            findings.add(Code::ApprovalRows, place.clone(), detail);
        }
        if let Some(revoked) = late
            && !released.late
        {
            released.late = true;
            let detail = format!("released although #{revoked} had taken back what was approved by #{index}");
            findings.add(Code::ApprovalRevoked, place, detail);
        }
    }

    /// So many rows were changed by the approval of a request.
    pub(crate) fn changed(&mut self, request: Digest, rows: u64, placed: &Placed, findings: &mut Findings) {
        let Some(asked) = self.asked_mut(request) else { return };
        let (index, released) = (asked.index, &mut asked.released);
        released.changed = released.changed.saturating_add(rows);
        if let Some(most) = released.most.filter(|most| released.changed > *most)
            && !released.over
        {
            released.over = true;
            let detail = format!(
                "{} rows changed, and its request #{index} was approved for {most}",
                released.changed
            );
            findings.add(Code::ApprovalRows, Place::Entry(placed.index), detail);
        }
    }

    /// Whether the approval of a request may have stopped a session that was closed then: people said how many rows, somebody took it back,
    /// or it ended before anything came of it.
    pub(crate) fn may_stop(&self, request: Digest, closed: Timestamp) -> bool {
        let Some(asked) = self.asked(request) else { return true };
        let made = self.made(asked.decisions());
        let decisions = made.decided(|_, _| true);
        // Its proxy heeds everybody who said how many, also those whom the command does not name.
        let limits = |decided: &Decided<'_>| decided.body.terms.as_ref().is_some_and(|terms| terms.rows.is_some());
        let limited = asked.released.most.is_some() || decisions.iter().any(limits);
        let refused = asked
            .request(request)
            .is_none_or(|asked| is_refused(&asked, &decisions));
        let of_key = decisions.iter().any(|decided| self.is_revoked(decided.signer));
        let ends = of_key || asked.is_over(closed) || asked.emergency.is_some();
        limited || refused || ends || self.after_gap || self.revocation(request).is_some()
    }

    /// What took the approval of a request back, if anything did that counts: only such are kept.
    fn revocation(&self, request: Digest) -> Option<TakenBack> {
        self.asked(request)?.revocations.first().map(Revoked::taken_back)
    }
}

//! When a session has its proxy remember that commands passed, where its policy goes by that ([`exhibit_policy::seen`]).
//!
//! | a command | is remembered |
//! | --- | --- |
//! | about which nobody was asked | with the receipt of its event, once nothing keeps it from passing any more |
//! | that people approved, by itself or by what is the same of it | with the receipt of the end of its reply, where that is complete and nobody has taken the approval back |
//! | that passed by a grant for all that its session asks, or in an emergency | never: nobody said that the like of it may pass |
//!
//! The log shows more than that as passed; whatever is not remembered is asked about once more.

use std::sync::Arc;

use exhibit_policy::seen;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Body;

use super::{Permit, Session};
use crate::allowance::Allowance;
use crate::recorder::Ticket;
use crate::release::Totals;
use crate::request::Judged;

impl Session {
    /// What the commands are known by that run ahead of their events: nobody was asked about them, and nothing is looked at again.
    pub(super) fn ahead(&self) -> Vec<Digest> {
        let policy = self.policy();
        if !policy.tells_seen(self.target()) {
            return Vec::new();
        }
        let passed = |body: &Body| match body {
            // One of an earlier policy is left out, as the verifier does.
            Body::Command(command) if command.decision.policy == policy.digest() => {
                seen::passed(self.principal(), self.target(), command)
            }
            _ => None,
        };
        self.held.iter().filter_map(passed).collect()
    }

    /// Takes a command that passes now: its event is durable, and nothing is looked at again.
    pub(super) fn passes(&mut self, permit: &Permit, command: u64) {
        let Permit {
            judged: Judged { request, .. },
            approved,
        } = permit;
        if !self.policy().tells_seen(self.target()) || permit.policy() != self.policy().digest() {
            return;
        }
        let (principal, target) = (self.principal(), self.target());
        let known_by = seen::fingerprint(
            principal,
            target,
            &request.statement,
            &request.parameters,
            &request.facts,
        );
        let Some(known_by) = known_by else { return };
        match approved {
            None => self.gate().seen().passed(&[known_by]),
            Some(approved) if approved.allowance.is_for_the_like() => {
                if let Some(totals) = self.open.get_mut(&command) {
                    totals.known_by = Some(known_by);
                }
            }
            Some(_) => {}
        }
    }

    /// Remembers a command that people approved once the ticket of the end of its reply is good.
    pub(super) fn completes(&self, totals: &Totals, ticket: Ticket) -> Ticket {
        let known_by = totals.known_by.into_iter().collect();
        self.remembered(known_by, totals.allowances.clone(), ticket)
    }

    /// Remembers these once the ticket is good, if all that people approved stands then.
    pub(super) fn remembered(
        &self,
        fingerprints: Vec<Digest>,
        allowances: Vec<Arc<Allowance>>,
        ticket: Ticket,
    ) -> Ticket {
        if fingerprints.is_empty() {
            return ticket;
        }
        let gate = self.gate().clone();
        Box::pin(async move {
            let receipts = ticket.await?;
            if allowances.iter().all(|allowance| allowance.may_last().is_ok()) {
                gate.seen().passed(&fingerprints);
            }
            Ok(receipts)
        })
    }
}

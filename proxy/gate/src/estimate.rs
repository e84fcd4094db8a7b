//! Whether a target is asked how many rows it expects of a request, before that is decided, and whether people are shown a preview of it.
//!
//! Not here: how it is asked (the protocol), and what an estimate is ([`exhibit_policy::estimate`]).

use exhibit_policy::{hours, seen};
use exhibit_schemas::event::access::Facts;

use crate::request::Request;
use crate::session::Session;

impl Session {
    /// Whether the decision about a request hangs on how many rows are estimated, and may let it pass; or whether people are asked
    /// who are to be told.
    pub fn wants_estimate(&self, request: &Request) -> bool {
        let policy = self.policy();
        if !policy.estimates(self.target()) {
            return false;
        }
        policy.wants_estimate(self.principal(), self.target(), &self.facts_of(request))
    }

    /// Whether people are asked about a request who are to be shown a preview.
    pub fn wants_preview(&self, request: &Request) -> bool {
        let (policy, target) = (self.policy(), self.target());
        policy.previews(target) && policy.wants_preview(self.principal(), target, &self.facts_of(request))
    }

    /// The facts that a request is decided from.
    fn facts_of(&self, request: &Request) -> Facts {
        let policy = self.policy();
        let mut facts = request.facts.clone();
        if policy.tells_time() {
            hours::timed(&mut facts, self.gate().now());
        }
        if policy.tells_seen(self.target()) {
            seen::state(&mut facts, request.is_known(&self.asker()));
        }
        facts
    }
}

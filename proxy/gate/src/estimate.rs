//! Whether a target is asked how many rows it expects of a request, before that is decided.
//!
//! Not here: how it is asked (the protocol), and what an estimate is ([`exhibit_policy::estimate`]).

use exhibit_policy::{hours, seen};

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
        let mut facts = request.facts.clone();
        if policy.tells_time() {
            hours::timed(&mut facts, self.gate().now());
        }
        if policy.tells_seen(self.target()) {
            seen::state(&mut facts, request.is_known(&self.asker()));
        }
        policy.wants_estimate(self.principal(), self.target(), &facts)
    }
}

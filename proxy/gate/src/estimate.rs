//! Whether a target is asked how many rows it expects of a request, before that is decided.
//!
//! Not here: how it is asked (the protocol), and what an estimate is ([`exhibit_policy::estimate`]).

use exhibit_policy::hours;
use exhibit_schemas::event::access::Facts;

use crate::session::Session;

impl Session {
    /// Whether the decision about these facts hangs on how many rows are estimated, and may let them pass; or whether people are
    /// asked who are to be told.
    pub fn wants_estimate(&self, facts: &Facts) -> bool {
        let policy = self.policy();
        if !policy.estimates(self.target()) {
            return false;
        }
        let mut facts = facts.clone();
        if policy.tells_time() {
            hours::timed(&mut facts, self.gate().now());
        }
        policy.wants_estimate(self.principal(), self.target(), &facts)
    }
}

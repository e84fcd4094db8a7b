//! What commands claim to have been seen ([`exhibit_policy::seen`]), held to the log.
//!
//! A command whose facts say `first_seen = false` claims that another one with its fingerprint passed before it: of the same
//! proxy's key, by a policy that went by what was seen, and before it in the log. One that is not there is an error. The other
//! way round nothing is claimed: a proxy may have forgotten, and asks once more.
//!
//! Not here: what people were asked. Their decision is made again from the same facts, and what passes by it is a command.

use exhibit_policy::seen;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Command, SessionOpened};
use exhibit_schemas::key::KeyId;

use crate::batch::Placed;
use crate::finding::{Code, Place};
use crate::session::Context;
use crate::spill::{Slots, Spill};

/// Fingerprints of what passed, by proxy.
pub(crate) struct Seen {
    passed: Slots<40, 0>,
    /// Something of the log is missing, or cannot be told: what passed may stand there.
    doubtful: bool,
}

impl Seen {
    /// Nothing has passed yet.
    pub(crate) fn new(spill: &Spill) -> Self {
        Self {
            passed: Slots::new(spill),
            doubtful: false,
        }
    }

    /// Entries are missing here.
    pub(crate) fn gap(&mut self) {
        self.doubtful = true;
    }
}

/// Takes a command: what it claims, and then what it is known by.
pub(crate) fn command(placed: &Placed, body: &Command, opened: Option<&SessionOpened>, context: &mut Context) {
    let policy = context.policies.get(body.decision.policy);
    let (Some(opened), Some(policy)) = (opened, policy) else {
        // That either is not there was told.
        return context.seen.gap();
    };
    let (principal, target) = (&opened.principal, opened.target.as_str());
    if !policy.tells_seen(target) {
        return;
    }
    let proxy = placed.event.emitter.0;
    let known_by = seen::fingerprint(principal, target, &body.statement, &body.parameters, &body.facts);
    let seen = known_by.is_some_and(|known_by| context.seen.passed.has(&of(proxy, known_by)));
    if seen::is_claimed(&body.facts) && !seen && !context.seen.doubtful {
        let detail = match known_by {
            Some(_) => format!("no command like it of proxy {proxy} stands before it"),
            None => "it is of a kind that is never seen".to_owned(),
        };
        context
            .findings
            .add(Code::FirstSeen, Place::Entry(placed.index), detail);
    }
    if let Some(passed) = seen::passed(principal, target, body) {
        context.seen.passed.insert(of(proxy, passed), []);
    }
}

/// What a fingerprint of a proxy is kept by.
fn of(proxy: KeyId, fingerprint: Digest) -> [u8; 40] {
    let mut key = [0; 40];
    let (of_proxy, of_command) = key.split_at_mut(8);
    of_proxy.copy_from_slice(&proxy.0);
    of_command.copy_from_slice(&fingerprint.0);
    key
}

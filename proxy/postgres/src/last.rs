//! When a session ends at the latest: by the limits of the policy in force, whatever the session is at, or with the agent's
//! credential.

use std::convert::Infallible;
use std::time::Duration;

use exhibit_gate::GateError;
use exhibit_gate::session::{Changes, Gate};
use exhibit_policy::snapshot::Limits;
use exhibit_schemas::event::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::session::SessionError;

/// When a session ends at the latest.
#[derive(Clone, Copy)]
pub(crate) struct Last {
    begun: Instant,
    expires: Option<Timestamp>,
    at: Instant,
    /// Whether it is its agent's credential that ends then.
    expiry: bool,
    /// How long its agent may stay silent.
    idle: Duration,
}

impl Last {
    /// Of a session that begins now.
    pub(crate) fn of(limits: &Limits, expires: Option<Timestamp>, now: Timestamp) -> Self {
        let begun = Instant::now();
        let unlimited = Self {
            begun,
            expires,
            at: begun,
            expiry: false,
            idle: Duration::ZERO,
        };
        unlimited.under(limits, now)
    }

    /// Of the same session under other limits.
    fn under(self, limits: &Limits, now: Timestamp) -> Self {
        let limit = self.begun + Duration::from_secs(limits.session_s);
        let left = |expires: Timestamp| Duration::from_micros(expires.0.saturating_sub(now.0));
        let ends = self.expires.filter(|_| limits.expiry_ends_session);
        let (at, expiry) = match ends.and_then(|expires| Instant::now().checked_add(left(expires))) {
            Some(at) if at < limit => (at, true),
            _ => (limit, false),
        };
        Self {
            at,
            expiry,
            idle: Duration::from_secs(limits.idle_s),
            ..self
        }
    }

    fn error(&self) -> SessionError {
        if self.expiry {
            SessionError::Gate(GateError::Expired)
        } else {
            SessionError::Limit
        }
    }
}

/// Waits until a session is over; its end may be set anew while it lasts.
pub(crate) async fn over(mut last: watch::Receiver<Last>) -> SessionError {
    loop {
        let Last { at, .. } = *last.borrow_and_update();
        tokio::select! {
            biased;
            changed = last.changed() => {
                if changed.is_err() {
                    // The session is gone before its time.
                    std::future::pending::<()>().await;
                }
            }
            () = sleep_until(at) => return last.borrow().error(),
        }
    }
}

/// Waits until an agent has been silent, from now on, for as long as it may; how long that is may be set anew meanwhile.
pub(crate) async fn silent(mut last: watch::Receiver<Last>) {
    let since = Instant::now();
    loop {
        let Last { idle, .. } = *last.borrow_and_update();
        tokio::select! {
            biased;
            // Where nothing more is set, what was set last holds.
            Ok(()) = last.changed() => {}
            () = sleep_until(since + idle) => return,
        }
    }
}

/// Sets a session's end anew whenever another policy comes into force.
pub(crate) async fn follow(gate: &Gate, mut changes: Changes, ends: &watch::Sender<Last>) -> Infallible {
    loop {
        let limits = gate.policy().limits();
        let now = gate.now();
        ends.send_modify(|last| *last = last.under(&limits, now));
        changes.next().await;
    }
}

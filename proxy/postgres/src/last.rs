//! When a session ends at the latest: by the limits of the policy, or with the agent's credential.

use std::time::Duration;

use exhibit_gate::GateError;
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
    pub(crate) at: Instant,
    /// Whether it is its agent's credential that ends then.
    expiry: bool,
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
        };
        unlimited.under(limits, now)
    }

    /// Of the same session under other limits.
    pub(crate) fn under(self, limits: &Limits, now: Timestamp) -> Self {
        let limit = self.begun + Duration::from_secs(limits.session_s);
        let left = |expires: Timestamp| Duration::from_micros(expires.0.saturating_sub(now.0));
        let ends = self.expires.filter(|_| limits.expiry_ends_session);
        let (at, expiry) = match ends.and_then(|expires| Instant::now().checked_add(left(expires))) {
            Some(at) if at < limit => (at, true),
            _ => (limit, false),
        };
        Self { at, expiry, ..self }
    }

    pub(crate) fn error(&self) -> SessionError {
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

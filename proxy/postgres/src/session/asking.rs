//! What a session asks people about, and how it waits for them.

use std::pin::Pin;
use std::sync::Arc;

use exhibit_gate::session::{Denial, NotAsked, Pending, Permit, Request, Ruling};
use exhibit_policy::seen;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::{AHEAD_BYTES_MAX, Driver, SessionError};
use crate::group::about_session;
use crate::preview::{SEVERAL, Trial};

impl Driver {
    /// Decides a request, and asks people where the policy says so.
    pub(super) async fn permit(
        &mut self,
        mut request: Request,
        trial: Result<Trial, &'static str>,
        runs: bool,
        counted: bool,
    ) -> Result<Result<Permit, Denial>, SessionError> {
        if !runs && self.session.policy().tells_seen(self.session.target()) {
            seen::only_prepares(&mut request.facts);
        }
        let prepared = (!runs).then(|| request.clone());
        let pending = match (self.session.decide(request), prepared) {
            (Ruling::Permit(permit), _) => return Ok(Ok(permit)),
            (Ruling::Denial(denial), _) => return Ok(Err(denial)),
            (Ruling::Pending(pending), None) => pending,
            (Ruling::Pending(_), Some(request)) => {
                // People are asked when it runs. Preparing alone is about the session: it changes and reads no rows.
                let facts = about_session("", "prepare").request.facts;
                return Ok(match self.session.decide(Request { facts, ..request }) {
                    Ruling::Permit(permit) => Ok(permit),
                    Ruling::Denial(denial) => Err(denial),
                    Ruling::Pending(pending) => return self.asked(pending, Err(SEVERAL)).await,
                });
            }
        };
        self.asked(if counted { pending } else { pending.uncounted() }, trial)
            .await
    }

    async fn asked(
        &mut self,
        pending: Pending,
        trial: Result<Trial, &'static str>,
    ) -> Result<Result<Permit, Denial>, SessionError> {
        let pending = match self.session.covered(pending).await? {
            Ok(permit) => return Ok(Ok(permit)),
            Err(pending) => pending,
        };
        let pending = match self.previewed(pending, trial).await? {
            Ok(pending) => pending,
            Err(denial) => return Ok(Err(denial)),
        };
        let asked = match self.session.ask(pending).await {
            Ok(asked) => asked,
            Err(NotAsked::Denied(denial)) => return Ok(Err(*denial)),
            Err(NotAsked::Failed(error)) => return Err(error.into()),
        };
        self.agent.waiting(asked.question()).await?;
        // Whoever has cancelled since the messages were read goes away from what is asked.
        let cancelled = cancellation(&mut self.state.cancellation, &self.registered.cancelled);
        let (incoming, shutdown) = (&mut self.incoming, &self.shutdown);
        let gone = async move {
            tokio::select! {
                () = incoming.gone(AHEAD_BYTES_MAX) => {}
                () = cancelled => {}
                () = shutdown.cancelled() => {}
            }
        };
        Ok(self.session.wait(asked, gone).await?)
    }
}

/// The next cancellation by the agent, from when it was first waited for.
pub(super) fn cancellation<'a>(
    waits: &'a mut Option<Pin<Box<OwnedNotified>>>,
    cancelled: &Arc<Notify>,
) -> &'a mut Pin<Box<OwnedNotified>> {
    waits.get_or_insert_with(|| {
        let mut cancelled = Box::pin(Arc::clone(cancelled).notified_owned());
        cancelled.as_mut().enable();
        cancelled
    })
}

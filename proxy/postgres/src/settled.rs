//! Settings that an agent chose at start-up, once they are decided on and recorded: to the server they are what `SET` would
//! make of them, so they are a command like any other (P1), and its event is there before the server hears of them.
//!
//! The name that a client gives itself stands in the event that opens the session.

use std::collections::BTreeMap;

use exhibit_gate::session::{Cleared, EndStatus, Reach, Request, Session};

use crate::analysis::analyse;
use crate::catalog::Catalog;
use crate::choices::Choices;
use crate::group::unread;
use crate::session::SessionError;
use crate::upstream::UpstreamError;

/// The name that a client gives itself.
const CLIENT: &str = "application_name";

/// Settings that may go to the server.
pub(crate) struct Settled {
    choices: Choices,
    command: Option<Cleared>,
}

impl Settled {
    /// Decides on the settings, and records them. People are not asked: nobody could tell the agent that it waits.
    ///
    /// # Errors
    /// [`SessionError::Refused`] when policy does not let them pass; [`SessionError::Gate`].
    pub(crate) async fn of(choices: Choices, session: &mut Session) -> Result<Self, SessionError> {
        let chosen = choices.all().iter().filter(|(name, _)| name != CLIENT);
        let set = |(name, value): &(String, String)| format!("SET {name} TO '{}'", value.replace('\'', "''"));
        let sql = chosen.map(set).collect::<Vec<_>>().join("; ");
        if sql.is_empty() {
            let command = None;
            return Ok(Self { choices, command });
        }
        // Whether the settings change how statements are read was asked before, one by one.
        let request = match analyse(&sql, &Catalog::default(), &[], None, None) {
            Ok(read) => Request {
                statement: read.redacted,
                exact: sql.into_bytes(),
                facts: read.facts,
                parameters: Vec::new(),
                statement_fingerprint: read.fingerprint,
                described: None,
                reach: Reach::Anything,
                says_all: false,
                by_name: false,
                names_are_data: false,
            },
            Err(error) => Request {
                exact: sql.into_bytes(),
                ..unread(&error).request
            },
        };
        session.take_up_policy().await;
        let permit = match session.decide_at_once(request, None) {
            Ok(permit) => permit,
            Err(denial) => {
                let rule = denial.decision().rule.clone().unwrap_or_else(|| "none".to_owned());
                let reason = format!("refused by policy: {} (rule: {rule})", denial.reason());
                let recorded = session.refuse(*denial).await?;
                let code = Some("42501".to_owned());
                let none = BTreeMap::new();
                session.room().await?;
                let reply = session.finish(recorded.reply(), None, Vec::new(), EndStatus::Failed, code, none);
                reply.durable().await?;
                return Err(SessionError::Refused(format!("the settings of the start-up: {reason}")));
            }
        };
        let command = session.record(vec![permit]).await?.pop();
        Ok(Self { choices, command })
    }

    /// The settings.
    pub(crate) fn choices(&self) -> &Choices {
        &self.choices
    }

    /// The server has answered: it took the settings, or refused the session.
    pub(crate) async fn answered(
        self,
        session: &mut Session,
        answer: Result<(), &UpstreamError>,
    ) -> Result<(), SessionError> {
        let Some(command) = self.command else {
            return Ok(());
        };
        let (status, code) = match answer {
            Ok(()) => (EndStatus::Complete, None),
            Err(error) => (EndStatus::Failed, Some(error.sqlstate().to_owned())),
        };
        session.room().await?;
        let reply = session.finish(command.reply(), None, Vec::new(), status, code, BTreeMap::new());
        reply.durable().await?;
        Ok(())
    }
}

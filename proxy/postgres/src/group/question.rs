//! What the server may be asked about a request before it is decided, the plan of what it runs, and what may be run of it and rolled back
//! before people are asked.
//!
//! Not here: when that is, and what becomes of the answer ([`crate::estimate`], [`crate::preview`]).

use std::sync::Arc;

use exhibit_policy::estimate::Estimate;
use exhibit_policy::probe;

use super::Reading;
use super::draft::Draft;
use crate::analysis::Extent;
use crate::estimate::{Question, VALUES_BYTES_MAX, total};
use crate::message::bound::values;
use crate::names::Portal;
use crate::preview::{MAPPED, NO_VALUES_KEPT, OTHER_TEXT, Trial};

/// How many rows a request reads out or changes, as far as it is known without the server.
pub(crate) enum Known {
    Said(Estimate),
    /// The server is to be asked.
    Asks(Question),
}

/// Why nobody is asked about a request for which there is no question.
const NO_QUESTION: &str = "what runs cannot be put into a question to the server";

/// Why nobody is asked about one of several statements.
const AMONG_OTHERS: &str = "it stands among other statements in the same message";

/// Why nobody is asked about values that are tried: the statistics are of what masks hide.
const TRIES: &str = "it compares values with masked columns";

impl Reading<'_> {
    /// The values of a `Bind`, where they may be asked with.
    pub(super) fn values(&self, bind: &[u8]) -> Option<Arc<[u8]>> {
        let asks = self.policy.estimates(self.target) || self.policy.previews(self.target);
        let values = asks.then(|| values(bind)).flatten();
        values.filter(|values| values.len() <= VALUES_BYTES_MAX).map(Into::into)
    }

    /// Has a request that is this text to the server say what may be asked about it.
    pub(super) fn question(&self, draft: &mut Draft, text: &str) {
        if let (true, [statement]) = (self.policy.estimates(self.target), draft.statements.as_slice()) {
            draft.question = Question::about(&statement.extent, text, &[], None);
        }
    }

    /// The same of a portal.
    pub(super) fn portal_question(&mut self, draft: &mut Draft, portal: &Portal) {
        let (true, [statement]) = (self.policy.estimates(self.target), draft.statements.as_slice()) else {
            return;
        };
        let (Some(prepared), Some(values)) = (&portal.prepared, &portal.values) else {
            return;
        };
        // Where its text is another by now, there is none to ask about.
        if let Ok(found) = self.analysis(&prepared.sql)
            && prepared.means(&found)
        {
            let text = found.mapped.as_ref().map_or(&prepared.sql, |mapped| &mapped.text);
            draft.question = Question::about(&statement.extent, text, &prepared.types, Some(Arc::clone(values)));
        }
    }
}

impl Reading<'_> {
    /// Has a request that is this text to the server say what may be run of it and rolled back.
    pub(super) fn trial(&self, draft: &mut Draft, text: &str, mapped: bool) {
        if self.policy.previews(self.target) {
            draft.trial = if mapped {
                Err(MAPPED)
            } else {
                Trial::of(&draft.statements, text, &[], None)
            };
        }
    }

    /// The same of a portal, with the values that it has.
    pub(super) fn portal_trial(&mut self, draft: &mut Draft, portal: &Portal) {
        if !self.policy.previews(self.target) {
            return;
        }
        let Some(prepared) = &portal.prepared else {
            return;
        };
        // What is proven is proven of what its names mean now.
        draft.trial = match self.analysis(&prepared.sql) {
            Ok(found) if prepared.means(&found) => match (&found.mapped, &portal.values) {
                (Some(mapped), _) if mapped.text != prepared.sql => Err(MAPPED),
                (_, None) => Err(NO_VALUES_KEPT),
                (_, Some(values)) => Trial::of(
                    &found.statements,
                    &prepared.sql,
                    &prepared.types,
                    Some(Arc::clone(values)),
                ),
            },
            _ => Err(OTHER_TEXT),
        };
    }
}

impl Draft {
    /// How many rows it reads out or changes.
    pub(crate) fn known(&self) -> Known {
        let unknown = |cause: &str| Known::Said(Estimate::Unknown(cause.to_owned()));
        if !self.runs {
            // What only prepares reads nothing out.
            return Known::Said(Estimate::Rows(0));
        }
        if probe::columns(&self.request.facts).next().is_some() {
            return unknown(TRIES);
        }
        match self.statements.as_slice() {
            [] => Known::Said(Estimate::Rows(0)),
            [one] => match (&one.extent, &self.question) {
                (Extent::Rows(rows), _) => Known::Said(Estimate::Rows(*rows)),
                (Extent::Unknown(cause), _) => unknown(cause),
                (Extent::Plan(_), Some(question)) => Known::Asks(question.clone()),
                (Extent::Plan(_), None) => unknown(NO_QUESTION),
            },
            several => {
                let rows = several.iter().map(|one| match one.extent {
                    Extent::Rows(rows) => Some(rows),
                    Extent::Plan(_) | Extent::Unknown(_) => None,
                });
                total(rows).map_or_else(|| unknown(AMONG_OTHERS), |rows| Known::Said(Estimate::Rows(rows)))
            }
        }
    }
}

//! How many rows the server expects a statement to read out or to change: the estimates of the plan that it would make now.
//!
//! ```text
//! BEGIN READ ONLY, or SAVEPOINT │ limits │ Parse: EXPLAIN (FORMAT JSON) …, Describe │ Bind: the agent's own values, Execute
//! ROLLBACK, or back to the savepoint and RELEASE
//! ```
//!
//! A [`Question`] is made of statements alone whose plan runs no code but the server's own ([`Extent::Plan`]), so it changes
//! nothing (P1), and no types of values are taken but the server's own, which are read by code of its own. It goes by the extended
//! protocol and under a name of its own: the agent's unnamed statement stays. It is taken back whatever comes of it, so no error
//! and no lock of it is left in the agent's transaction.
//!
//! | statement | its estimate |
//! | --- | --- |
//! | one that reads | the rows of its plan's first node |
//! | one that changes rows, anywhere in it | the rows that come to each `ModifyTable`, together, or what it returns if that is more |
//!
//! Of the answer a number is kept and nothing else; the agent gets none of it.
//!
//! # Known limits
//! An estimate is what the server's statistics say: they may be old, and rows that a value gathers from others count as one.
//! Within a pipeline, after an error, and behind what changes rows in the same pipeline nobody is asked.

use std::sync::Arc;

use serde_json::Value;

use crate::analysis::{Extent, explain};
use crate::message::Raw;
use crate::message::backend::{Backend, TransactionStatus};
use crate::message::encode;
use crate::upstream::{Place, Upstream, UpstreamError};

/// Bytes of values that are kept to ask with, for each portal; a session may have 2,000 of them.
pub(crate) const VALUES_BYTES_MAX: usize = 16 << 10;

/// Bytes of a plan at the most; longer ones are not read.
const PLAN_BYTES_MAX: usize = 4 << 20;

/// Object numbers below this one are assigned by hand (`FirstGenbkiObjectId` of the server's `transam.h`): the types of
/// `pg_catalog`, which are read by compiled functions.
pub(crate) const TYPES_OF_SERVER: u32 = 10_000;

/// How often it is taken back where the agent cancels just then.
pub(crate) const TRIES_MAX: usize = 16;

/// No formats, no values.
pub(crate) const NO_VALUES: [u8; 4] = [0; 4];

/// Ends the session's work as a plan is asked for: planning may take so long, and wait so long for a lock, less than a server
/// waits until it looks for deadlocks. A prepared statement is planned for the values that it gets.
const LIMITS: [&str; 3] = [
    "SET LOCAL statement_timeout = 2000",
    "SET LOCAL lock_timeout = 500",
    "SET LOCAL plan_cache_mode = force_custom_plan",
];

/// SQLSTATEs of what took too long: the limit for statements or a cancellation, and the limit for locks.
pub(crate) const TOO_LONG: [&str; 2] = ["57014", "55P03"];

/// A statement whose plan may be asked for.
#[derive(Clone)]
pub(crate) struct Question {
    // Invariant: it is an `EXPLAIN` without `ANALYZE`, of a statement whose plan runs no code but the server's own.
    text: String,
    types: Vec<u32>,
    /// Formats and values of its parameters, as `Bind` has them.
    values: Arc<[u8]>,
}

impl Question {
    /// About a statement of that text for the server; `None` where its extent is none that the server is asked for.
    pub(crate) fn about(extent: &Extent, text: &str, types: &[u32], values: Option<Arc<[u8]>>) -> Option<Self> {
        let Extent::Plan(other) = extent else { return None };
        Some(Self {
            text: explain(other.as_deref().unwrap_or(text))?,
            types: types.to_vec(),
            values: values.unwrap_or_else(|| NO_VALUES.into()),
        })
    }

    /// `Parse` of it under that name.
    pub(crate) fn parse(&self, name: &str) -> Vec<u8> {
        encode::parse(name, &self.text, &self.types)
    }

    /// `Bind` of a portal to it, both of that name.
    pub(crate) fn bind(&self, name: &str) -> Vec<u8> {
        let name = [name.as_bytes(), &[0]].concat();
        encode::message(b'B', &[&name[..], &name, &self.values, &[0, 0]].concat())
    }

    /// Whether its bytes mean the same in the encoding of the agent's text, whichever that is.
    pub(crate) fn is_ascii(&self) -> bool {
        self.text.is_ascii()
    }
}

/// What came of a question.
pub(crate) struct Answer {
    /// The rows, or why there is no estimate.
    pub(crate) rows: Result<u64, String>,
    /// Where the agent's transaction stands after it.
    pub(crate) status: TransactionStatus,
}

impl Upstream {
    /// Asks for a plan, in a transaction or a savepoint that is taken back.
    pub(crate) async fn estimate(&mut self, place: Place, question: &Question) -> Result<Answer, UpstreamError> {
        let (begin, back): (&[&'static str], &[&'static str]) = match place {
            Place::Idle => (&["BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY"], &["ROLLBACK"]),
            Place::Transaction | Place::Pipeline => (
                &["SAVEPOINT \"exhibit.estimate\""],
                &[
                    "ROLLBACK TO SAVEPOINT \"exhibit.estimate\"",
                    "RELEASE SAVEPOINT \"exhibit.estimate\"",
                ],
            ),
        };
        let before: Vec<&'static str> = begin.iter().chain(&LIMITS).copied().collect();
        self.target.prepare(&before, question).await?;
        let mut rows = match self.heard(0).await? {
            Heard { failed: Some(code), .. } => Err(refused(&code)),
            Heard { types, .. } if types.iter().any(|oid| *oid >= TYPES_OF_SERVER) => {
                Err("a parameter has a type that may run code of its own".to_owned())
            }
            Heard { .. } => Ok(()),
        };
        let mut plan = None;
        if rows.is_ok() {
            self.target.ask_prepared(question).await?;
            let heard = self.heard(1).await?;
            rows = heard.failed.map_or(Ok(()), |code| Err(refused(&code)));
            plan = heard.rows.into_iter().next();
        }
        let rows = rows.and_then(|()| rows_of(plan.as_ref()).ok_or_else(|| "its plan is not understood".to_owned()));
        let before = match place {
            Place::Idle => TransactionStatus::Idle,
            Place::Transaction | Place::Pipeline => TransactionStatus::Open,
        };
        for _ in 0..TRIES_MAX {
            self.target.take_back(back).await?;
            let Heard { status, failed, .. } = self.heard(0).await?;
            // Only a cancellation of the agent's hits this; one that hit the savepoint has failed the agent's transaction.
            if status == before || (failed.is_some_and(|code| code != TOO_LONG[0]) && place != Place::Idle) {
                return Ok(Answer { rows, status });
            }
        }
        Err(UpstreamError::Protocol)
    }

    /// What the server answers up to its readiness. Of its rows the first `kept` are kept, and all others dropped as they come.
    pub(crate) async fn heard(&mut self, kept: usize) -> Result<Heard, UpstreamError> {
        let (mut failed, mut rows, mut types, mut completed) = (None, Vec::new(), Vec::new(), None);
        loop {
            let raw = match self.raw().await {
                Ok(raw) => raw,
                // A fatal error is the last word of the server, and tells more.
                Err(error) => return Err(failed.map_or(error, |code| UpstreamError::Ended { code })),
            };
            if raw.tag() == b'D' {
                if rows.len() < kept {
                    rows.push(raw);
                }
                continue;
            }
            match Backend::parse(&raw)? {
                Backend::Error(fields) => failed = Some(crate::greeting::code(&fields)),
                Backend::ParameterDescription(found) => types = found,
                Backend::CommandComplete { tag } => completed = Some(tag),
                Backend::ParseComplete
                | Backend::BindComplete
                | Backend::CloseComplete
                | Backend::RowDescription(_)
                | Backend::NoData
                | Backend::Notice(_) => {}
                Backend::Ready(status) => {
                    return Ok(Heard {
                        failed,
                        rows,
                        types,
                        completed,
                        status,
                    });
                }
                _ => return Err(UpstreamError::Protocol),
            }
        }
    }
}

/// Answers up to a readiness.
pub(crate) struct Heard {
    /// The SQLSTATE of an error.
    pub(crate) failed: Option<String>,
    pub(crate) rows: Vec<Raw>,
    pub(crate) types: Vec<u32>,
    /// What the last statement that has run did.
    pub(crate) completed: Option<String>,
    pub(crate) status: TransactionStatus,
}

fn refused(code: &str) -> String {
    if TOO_LONG.contains(&code) {
        format!("planning it took too long, or met a lock (SQLSTATE {code})")
    } else {
        format!("the server does not plan it (SQLSTATE {code})")
    }
}

/// The estimate of a plan, which is the one cell of a row.
fn rows_of(plan: Option<&Raw>) -> Option<u64> {
    let body = plan.map(Raw::body).filter(|body| body.len() <= PLAN_BYTES_MAX)?;
    let (count, cell) = body.split_at_checked(2)?;
    let (_, json) = cell.split_at_checked(4)?;
    if count != [0, 1] {
        return None;
    }
    // Names in it may be in another encoding; what is asked for is ASCII.
    estimate(&serde_json::from_str(&String::from_utf8_lossy(json)).ok()?)
}

/// The estimate of what `EXPLAIN (FORMAT JSON)` says.
fn estimate(explained: &Value) -> Option<u64> {
    let plans = explained.as_array().filter(|plans| !plans.is_empty())?;
    let rows = plans.iter().map(|one| {
        let plan = one.get("Plan")?;
        Some(expected(plan)?.max(changed(plan)?))
    });
    total(rows)
}

/// Rows that a node is expected to give. A number that is too large for 64 bits is the largest.
fn expected(node: &Value) -> Option<u64> {
    let rows = node.get("Plan Rows")?;
    rows.is_number().then(|| rows.as_u64().unwrap_or(u64::MAX))
}

/// Rows that come to all nodes which change some.
fn changed(node: &Value) -> Option<u64> {
    let changes = node.get("Node Type")?.as_str()? == "ModifyTable";
    let below = node
        .get("Plans")
        .map_or(Some(&[][..]), |plans| plans.as_array().map(Vec::as_slice))?;
    let rows = below.iter().map(|plan| {
        let source = plan.get("Parent Relationship")?.as_str()?;
        let own = if changes && matches!(source, "Outer" | "Member") {
            expected(plan)?
        } else {
            0
        };
        Some(own.saturating_add(changed(plan)?))
    });
    total(rows)
}

/// The sum of numbers, where all are known.
pub(crate) fn total(mut rows: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    rows.try_fold(0_u64, |sum, one| Some(sum.saturating_add(one?)))
}

#[cfg(test)]
mod tests;

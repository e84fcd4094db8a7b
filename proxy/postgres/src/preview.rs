//! How many rows a command changes, by a run of it that is rolled back before people are asked about it.
//!
//! ```text
//! BEGIN │ limits │ Parse: the command, Describe     names are looked up, and the relations among them are locked against definitions
//! the state of all definitions                      what was proven of the command is proven of what is locked, or it is not run
//! Bind: the agent's own values                      it is planned, and read anew where anything else that it names was defined anew
//! the state of all definitions                      so it is asked again, and what is planned is what was proven
//! Execute                                           the server counts what it changes
//! ROLLBACK
//! ```
//!
//! A [`Trial`] is made of a command alone that is one `INSERT`, `UPDATE`, `DELETE` or `MERGE` and reaches its transaction and no further
//! (`analysis/reach.rs`): no code hangs on it that could act outside. That holds by the catalog that the session has loaded, so the
//! server is asked once more when its locks are taken: a trigger that somebody has made since is seen, and one that somebody would
//! make waits. It runs in a transaction of its own, by the extended protocol and under a name of its own, so the agent's unnamed
//! statement stays, and its event is durable before (P1).
//!
//! Of the answer the server's count is kept and nothing else, and of an error its SQLSTATE (P4).
//!
//! It calls nothing that tells of the session, the clock, chance, sizes, locks or marks in rows, so that it cannot tell its own preview. Settings
//! that the server tells of meanwhile are passed on as they are once all is rolled back. Tighter limits of the agent's or the database's
//! own stay in force.
//!
//! # Known limits
//! What is run is what was proven; before the second question for the definitions, as it is planned, what somebody has defined within
//! those milliseconds may be called. A rollback leaves
//! marks in the rows that were met, dead rows, and gaps where rows of the agent's go next, and takes its time; so it is run only where its
//! requester may read all that it names (`proxy/gate/src/preview.rs`). Constraints that are deferred are not checked, since nothing
//! commits. The run takes the locks of the command, for as long as the limits let it.
//!
//! Not here: whether people are shown one (policy), and recording it (the gate).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use exhibit_gate::preview::Preview;
use exhibit_gate::session::Recorded;
use exhibit_policy::preview::Met;
use tokio::time::Instant;

use crate::analysis::{Statement, tells_clock};
use crate::catalog::Catalog;
use crate::estimate::{NO_VALUES, TOO_LONG, TRIES_MAX, TYPES_OF_SERVER};
use crate::message::backend::TransactionStatus;
use crate::message::encode;
use crate::reply::rows_changed;
use crate::target::{PREVIEW, extended};
use crate::upstream::{Upstream, UpstreamError};

/// Begins the run. Other sessions wait for what it locks, so it may take no longer than a person would not notice, and wait for
/// locks no longer than a server waits until it looks for deadlocks (`deadlock_timeout`, 1 s). Tighter limits of the agent or of the database
/// stay as they are. What it reads is what is committed, so it ends no other transaction as one that cannot be put in order.
const BEGIN: [&str; 2] = [
    "BEGIN ISOLATION LEVEL READ COMMITTED",
    "SELECT pg_catalog.set_config(s.name, v.most, true) FROM pg_catalog.pg_settings s JOIN (VALUES \
     ('statement_timeout', '2000'), ('lock_timeout', '500'), ('idle_in_transaction_session_timeout', '5000')) v(name, most) \
     ON s.name OPERATOR(pg_catalog.=) v.name WHERE s.setting OPERATOR(pg_catalog.=) '0' \
     OR s.setting::pg_catalog.int8 OPERATOR(pg_catalog.>) v.most::pg_catalog.int8",
];

/// How long all of it may take, with its questions between and its rollback. Each of its statements has the server's limit for itself.
pub(crate) const LONGEST: Duration = Duration::from_secs(6);

/// How long it may have taken before it is planned, and before it is run, each of which may take as long as the server lets it: it is over
/// in time then.
const BEFORE_PLAN: Duration = Duration::from_millis(1_500);
const BEFORE_RUN: Duration = Duration::from_millis(3_500);

/// Rows of the state of definitions and of the search path at the most; with more there is no preview.
const STATE_ROWS_MAX: usize = 1_024;

/// The parts of a preview.
const PREPARE: usize = 0;
const BIND: usize = 1;
const RUN: usize = 2;

/// Why a command is not run and rolled back.
pub(crate) const SEVERAL: &str = "it is not one INSERT, UPDATE, DELETE or MERGE that is alone in its message";
pub(crate) const NOT_TAKEN_BACK: &str = "a rollback is not proven to take back all of it: it may meet sequences, functions, triggers, views, \
     partitions, foreign tables or other code, or change rows in a part of it";
pub(crate) const NOT_THE_SAME: &str = "it may go by the session, the clock, chance, sizes, locks, or marks in rows, so that it could tell its own preview";
pub(crate) const RETURNS: &str = "it returns rows";
pub(crate) const MAPPED: &str = "the target gets it otherwise than it was written, for its masks";
pub(crate) const NO_VALUES_KEPT: &str = "its values are too long, or not known";
pub(crate) const OTHER_TEXT: &str = "its names may mean something else since it was prepared";
const OF_OWN_TYPE: &str = "a parameter has a type that may run code of its own";
const DEFINED_ANEW: &str = "the definitions of the target have changed since they were read";
const TOO_SLOW: &str = "what has to come before its run took too long";
const NOT_COUNTED: &str = "the server gave no count";

/// A command that may be run and rolled back.
#[derive(Clone)]
pub(crate) struct Trial {
    // Invariant: one change of rows, which is proven to reach its transaction and no further.
    text: String,
    types: Vec<u32>,
    /// Formats and values of its parameters, as `Bind` has them.
    values: Arc<[u8]>,
    /// What it meets without naming it.
    met: Arc<[Met]>,
}

impl Trial {
    /// Of a statement of that text for the server.
    ///
    /// # Errors
    /// Why it is not run.
    pub(crate) fn of(
        statements: &[Statement],
        text: &str,
        types: &[u32],
        values: Option<Arc<[u8]>>,
    ) -> Result<Self, &'static str> {
        let [one] = statements else { return Err(SEVERAL) };
        let Some(met) = &one.rolls_back else {
            return Err(if one.changes_rows() { NOT_TAKEN_BACK } else { SEVERAL });
        };
        if types.iter().any(|oid| *oid >= TYPES_OF_SERVER) {
            // Text that is read as one of them may run its checks.
            Err(OF_OWN_TYPE)
        } else if !one.same_again || tells_clock(text.as_bytes()) || values.as_deref().is_some_and(tells_clock) {
            Err(NOT_THE_SAME)
        } else if one.returns_rows {
            Err(RETURNS)
        } else {
            Ok(Self {
                text: text.to_owned(),
                types: types.to_vec(),
                values: values.unwrap_or_else(|| NO_VALUES.into()),
                met: Arc::clone(met),
            })
        }
    }

    /// What it meets without naming it.
    pub(crate) fn met(&self) -> &[Met] {
        &self.met
    }

    /// All bytes that the server gets for it, part by part, but for questions and a rollback that are constants.
    pub(crate) fn parts(&self) -> Vec<Vec<u8>> {
        let name = [PREVIEW.as_bytes(), &[0]].concat();
        let sync = encode::message(b'S', &[]);
        let prepare = [
            extended(&BEGIN),
            encode::parse(PREVIEW, &self.text, &self.types),
            encode::message(b'D', &[b"S", &name[..]].concat()),
            sync.clone(),
        ];
        let bind = [
            encode::message(b'B', &[&name[..], &name, &self.values, &[0, 0]].concat()),
            sync.clone(),
        ];
        let run = [encode::message(b'E', &[&name[..], &[0; 4]].concat()), sync];
        vec![prepare.concat(), bind.concat(), run.concat()]
    }
}

impl Upstream {
    /// Runs a preview whose event is durable, between the agent's transactions, and rolls it back, whatever comes of it. Gives the
    /// rows that it changed, or why nobody knows.
    pub(crate) async fn preview(
        &mut self,
        preview: &Recorded<Preview>,
        catalog: &Catalog,
    ) -> Result<Result<u64, String>, UpstreamError> {
        self.previewed = Some(BTreeMap::new());
        let rows = self.run_preview(preview, catalog).await?;
        for _ in 0..TRIES_MAX {
            self.target.take_back(&["ROLLBACK"]).await?;
            // Only a cancellation of the agent's, which is late, hits this.
            if self.heard(0).await?.status == TransactionStatus::Idle {
                let told = self.previewed.take().unwrap_or_default();
                self.aside.extend(told.into_values());
                return Ok(rows);
            }
        }
        Err(UpstreamError::Protocol)
    }

    /// Whether the definitions and the search path are surely those of the catalog still; the error is an SQLSTATE. Asked in the
    /// agent's encoding, which is UTF-8. The agent's unnamed statement stays.
    pub(crate) async fn defines(&mut self, catalog: &Catalog) -> Result<Result<bool, String>, UpstreamError> {
        let queries: Vec<&'static str> = Catalog::state_queries().iter().map(String::as_str).collect();
        self.target.own_aside(&queries).await?;
        let heard = self.heard(STATE_ROWS_MAX).await?;
        match heard.failed {
            Some(code) => Ok(Err(code)),
            // What cannot be read is not the same.
            None => Ok(Ok(
                heard.rows.len() < STATE_ROWS_MAX && catalog.is_as(&heard.rows).unwrap_or(false)
            )),
        }
    }

    async fn run_preview(
        &mut self,
        preview: &Recorded<Preview>,
        catalog: &Catalog,
    ) -> Result<Result<u64, String>, UpstreamError> {
        let begun = Instant::now();
        let late = |limit| (begun.elapsed() > limit).then(|| TOO_SLOW.to_owned());
        self.target.preview(preview, PREPARE).await?;
        let heard = self.heard(0).await?;
        if let Some(code) = heard.failed {
            return Ok(Err(failed(&code)));
        }
        if heard.types.iter().any(|oid| *oid >= TYPES_OF_SERVER) {
            return Ok(Err(OF_OWN_TYPE.to_owned()));
        }
        // The relations are locked from here on; what else it names may be defined anew until its plan is made.
        if let Some(why) = self.defined_anew(catalog).await?.or_else(|| late(BEFORE_PLAN)) {
            return Ok(Err(why));
        }
        self.target.preview(preview, BIND).await?;
        if let Some(code) = self.heard(0).await?.failed {
            return Ok(Err(failed(&code)));
        }
        // `Bind` reads and plans it again where something has changed, and nothing does so after it.
        if let Some(why) = self.defined_anew(catalog).await?.or_else(|| late(BEFORE_RUN)) {
            return Ok(Err(why));
        }
        self.target.preview(preview, RUN).await?;
        let heard = self.heard(0).await?;
        if let Some(code) = heard.failed {
            return Ok(Err(failed(&code)));
        }
        let rows = heard.completed.as_deref().and_then(rows_changed);
        Ok(rows.ok_or_else(|| NOT_COUNTED.to_owned()))
    }
}

impl Upstream {
    /// Why it is not run on, where the definitions are not surely those of the catalog any more.
    async fn defined_anew(&mut self, catalog: &Catalog) -> Result<Option<String>, UpstreamError> {
        Ok(match self.defines(catalog).await? {
            Err(code) => Some(failed(&code)),
            Ok(false) => Some(DEFINED_ANEW.to_owned()),
            Ok(true) => None,
        })
    }
}

fn failed(code: &str) -> String {
    if TOO_LONG.contains(&code) {
        format!("its run took too long, met a lock or was cancelled (SQLSTATE {code})")
    } else {
        format!("its run failed at the target (SQLSTATE {code})")
    }
}

#[cfg(test)]
mod tests;

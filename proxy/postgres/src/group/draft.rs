//! A request of a group before it is decided, and requests that are denied whatever the policy says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use exhibit_gate::session::{Reach, Request};
use exhibit_policy::decide::{CLASS, UNPROVEN};
use exhibit_policy::patients::PATIENTS;
use exhibit_schemas::event::access::{Access, Action, Attribute, Facts};

use crate::analysis::{
    Analysis, AnalysisError, Complaint, Copy, CopyDirection, Counting, EXECUTED, FETCHED, GRANTS, Output, Probe,
    Statement, Subjects, Views, both, class_of, state_probes,
};
use crate::estimate::Question;
use crate::message::frontend::Kind;
use crate::names::Prepared;
use crate::preview::{SEVERAL, Trial};
use crate::types;

/// A request, and how to refuse it.
pub(crate) struct Draft {
    pub(crate) request: Request,
    pub(crate) statements: Vec<Statement>,
    /// Whether the server runs them; preparing alone runs nothing.
    pub(crate) runs: bool,
    /// What the server may be asked about them.
    pub(crate) question: Option<Question>,
    /// What may be run and rolled back before people are asked, or why nothing is.
    pub(crate) trial: Result<Trial, &'static str>,
    /// SQLSTATE of its refusal.
    pub(crate) code: &'static str,
    /// What the agent is told of its refusal in the place of the reason that is recorded.
    pub(crate) told: Option<Complaint>,
    /// Whether the agent is told that it may go on right after a refusal; otherwise after its next `Sync`.
    pub(crate) ends: bool,
}

/// What is known of a reply before it comes.
#[derive(Clone, Default)]
pub(crate) struct Expected {
    /// Its columns; `None` where the server's origins say all.
    pub(crate) outputs: Option<Arc<[Output]>>,
    /// Whose records its rows are.
    pub(crate) subjects: Subjects,
    /// Whether it changes rows.
    pub(crate) changes: bool,
}

/// A request that is about the session itself.
pub(crate) fn about_session(statement: &str, class: &str) -> Draft {
    Draft {
        request: Request {
            statement: statement.to_owned(),
            exact: Vec::new(),
            facts: Facts {
                accesses: vec![Access(Action::Session, None)],
                attributes: BTreeMap::from([("class".to_owned(), Attribute::Text(class.to_owned()))]),
                columns: Some(Vec::new()),
            },
            parameters: Vec::new(),
            statement_fingerprint: None,
            described: None,
            reach: Reach::Anything,
            says_all: false,
            by_name: false,
            names_are_data: false,
        },
        statements: Vec::new(),
        runs: false,
        question: None,
        trial: Err(SEVERAL),
        code: "42501",
        told: None,
        ends: false,
    }
}

/// Why nothing that a name stands for follows a change of definitions in the same message, and nothing follows code that is
/// not known and that a name stands for, or the bound of a transaction that has changed what names mean.
pub(super) const AFTER_CHANGE: &str = "it follows a change of definitions or settings, the end of one, or unknown code, in the same message; send it in one of its own";

/// Why a prepared statement does not run whose names the proxy would map to others now. The server keeps the meaning that they
/// had, so policy would decide on another relation than the one that is read.
pub(super) const OTHER_MEANING: &str = "its names mean something else since it was prepared; prepare it again";

/// Why a portal or cursor runs no more that was made under other masks: what was proven of its plan was proven for those.
pub(super) const OUTDATED: &str = "the policy masks otherwise since it was opened; open it again";

/// Why rows do not leave whose cells the net cannot tell apart.
pub(super) const UNREAD_COPY: &str = "what it copies out cannot be searched for identifiers; send COPY in a message of its own, with the \
     usual options";

/// Why a statement that tries values does not run by `EXECUTE` or `FETCH`: what is bound there is not read.
const BY_NAME: &str = "a statement that compares values with a masked column runs by Bind and Execute alone";

impl Draft {
    pub(crate) fn refuse(&mut self, code: &'static str, reason: &str) {
        self.code = code;
        let reason = Attribute::Text(reason.to_owned());
        self.request.facts.attributes.insert(UNPROVEN.to_owned(), reason);
    }

    /// The views that it reads.
    pub(crate) fn views(&self) -> Views {
        let statements = self.statements.iter().map(|statement| statement.views);
        statements.max().unwrap_or_default()
    }

    /// What is known of each of its replies.
    pub(super) fn expected(&self) -> VecDeque<Expected> {
        let statements = self.statements.iter();
        let expected = statements.map(|statement| Expected {
            outputs: statement.outputs.clone(),
            subjects: statement.subjects.clone(),
            changes: statement.counting != Counting::Unneeded,
        });
        expected.collect()
    }

    /// How it copies, where that is all that it does.
    pub(super) fn copy(&self) -> Option<Copy> {
        match self.statements.as_slice() {
            [statement] => statement.copy.clone(),
            _ => None,
        }
    }

    /// Whether it copies out in a form whose cells are not known, or beside other statements.
    pub(super) fn copies_unread(&self) -> bool {
        let alone = self.statements.len() == 1;
        self.statements.iter().any(|statement| {
            let out = statement
                .copy
                .as_ref()
                .filter(|copy| copy.direction == CopyDirection::Out);
            out.is_some_and(|copy| copy.form.is_none() || !alone)
        })
    }

    /// Says of which types its parameters are, where the server has described the statement that it runs.
    pub(super) fn described(&mut self, prepared: Option<&Prepared>) {
        let types = prepared.and_then(|prepared| prepared.described.get());
        self.request.described = types.map(|types| types.iter().map(|oid| types::name(*oid)).collect());
    }

    /// Says what values it tries on masked columns, now that it runs; `bound` is how many the arrays hold that were bound.
    pub(super) fn try_values(&mut self, probes: &[Probe], types: &[u32], bound: &BTreeMap<u32, u64>) {
        if let Err(cause) = state_probes(probes, types, bound, &mut self.request.facts) {
            self.refuse("42501", cause);
        }
    }

    /// Adds what a name stands for.
    pub(super) fn stand_for(&mut self, statement: &mut Statement, found: &Analysis) {
        if !found.probes.is_empty() {
            self.refuse("42501", BY_NAME);
        }
        let facts = &mut self.request.facts;
        facts.accesses.extend(found.facts.accesses.iter().cloned());
        facts.columns = both(facts.columns.take(), found.facts.columns.as_ref());
        for (name, value) in &found.facts.attributes {
            let matters = *value == Attribute::Bool(true) || name == UNPROVEN;
            if matters && !facts.attributes.contains_key(UNPROVEN) {
                facts.attributes.insert(name.clone(), value.clone());
            }
        }
        for inner in &found.statements {
            statement.changes.extend(inner.changes.iter().copied());
            statement.counting = statement.counting.by_name(&statement.kind, inner.counting);
            statement.may_write |= inner.may_write;
            statement.grants |= inner.grants;
            statement.changes_catalog |= inner.changes_catalog;
            statement.changes_search_path |= inner.changes_search_path;
            statement.changes_role |= inner.changes_role;
            statement.changes_encoding |= inner.changes_encoding;
            statement.foreign = statement.foreign.max(inner.foreign);
            statement.views = statement.views.max(inner.views);
            statement.transaction = statement.transaction.or(inner.transaction);
            statement.copy = statement.copy.take().or_else(|| inner.copy.clone());
            statement.outputs = statement.outputs.take().or_else(|| inner.outputs.clone());
            statement.subjects = std::mem::take(&mut statement.subjects).standing_for(&inner.subjects);
            statement.extent = statement.extent.by_name(Some(&inner.extent));
            if matches!(statement.kind.as_str(), "ExecuteStmt" | "FetchStmt") {
                statement.class = inner.class;
            }
        }
    }

    /// Nobody knows what a name stands for that it runs, on a target whose policy names patients.
    pub(super) fn unknown_subjects(&mut self, statement: &mut Statement) {
        statement.subjects = Subjects::Unknown;
        let patients = Attribute::Bool(true);
        self.request.facts.attributes.insert(PATIENTS.to_owned(), patients);
    }

    /// Takes out the accesses that stand for names of which nothing is known.
    pub(super) fn forget_names(&mut self) {
        let accesses = &mut self.request.facts.accesses;
        accesses.retain(|Access(_, resource)| !matches!(resource.as_deref(), Some(EXECUTED | FETCHED)));
        if accesses.is_empty() {
            accesses.push(Access(Action::Session, None));
        }
        accesses.sort();
        accesses.dedup();
    }

    /// The class of the message, after names were replaced by what they stand for, and whether it changes who may do what.
    pub(super) fn classify(&mut self) {
        if self.request.facts.attributes.contains_key(GRANTS) {
            let grants = self.statements.iter().any(|statement| statement.grants);
            let attributes = &mut self.request.facts.attributes;
            attributes.insert(GRANTS.to_owned(), Attribute::Bool(grants));
        }
        if !self.statements.is_empty() {
            let class = Attribute::Text(class_of(&self.statements).to_owned());
            self.request.facts.attributes.insert(CLASS.to_owned(), class);
        }
    }
}

/// Whether names may mean something else after a statement.
pub(crate) fn changes_names(statement: &Statement) -> bool {
    statement.changes_catalog || statement.changes_search_path || statement.changes_role || statement.changes_encoding
}

pub(super) fn missing(kind: Kind) -> Draft {
    match kind {
        Kind::Statement => refusal("26000", "the prepared statement does not exist"),
        Kind::Portal => refusal("34000", "the portal does not exist"),
    }
}

/// A request that is not understood, and so denied whatever the policy says.
pub(super) fn refusal(code: &'static str, reason: &str) -> Draft {
    let mut draft = Draft {
        request: Request {
            statement: "(not understood)".to_owned(),
            exact: Vec::new(),
            facts: Facts {
                accesses: vec![Access(Action::Session, None)],
                attributes: BTreeMap::new(),
                columns: None,
            },
            parameters: Vec::new(),
            statement_fingerprint: None,
            described: None,
            reach: Reach::Anything,
            says_all: false,
            by_name: false,
            names_are_data: false,
        },
        statements: Vec::new(),
        runs: false,
        question: None,
        trial: Err(SEVERAL),
        code,
        told: None,
        ends: false,
    };
    draft.refuse(code, reason);
    draft
}

/// A request whose text is not read, and so denied.
pub(crate) fn unread(error: &AnalysisError) -> Draft {
    refusal(code_of(error), &error.to_string())
}

pub(super) fn code_of(error: &AnalysisError) -> &'static str {
    match error {
        AnalysisError::Syntax => "42601",
        AnalysisError::TooLong { .. }
        | AnalysisError::TooManyTokens { .. }
        | AnalysisError::TooLongRedacted { .. }
        | AnalysisError::TooMany { .. }
        | AnalysisError::TooWide { .. } => "54000",
        AnalysisError::Unsupported { .. } | AnalysisError::Letters => "0A000",
        AnalysisError::Setting { .. } => "42501",
    }
}

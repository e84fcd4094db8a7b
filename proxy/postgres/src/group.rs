//! What an agent sends up to a `Query`, `Sync` or `Flush`, as requests: what is decided, recorded and forwarded together.
//!
//! Each `Query`, `Parse` and `Execute` is a request. A `Parse` whose statement the same group executes belongs to that
//! request. Every other message belongs to the request after it, or to the last; a group without any is one request of its
//! own. The exact bytes of a request are all of its messages, so nothing is forwarded that no event covers.
//!
//! Before each `Execute` the proxy asks for the portal's description, so that masks know the columns that follow.
//!
//! Not here: deciding, and answers (see [`crate::reply`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use exhibit_gate::session::{Reach, Request};
use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::access::{Access, Action, Attribute, Facts};

use crate::analysis::{AnalysisError, Statement, StatementClass, TransactionControl, analyse};
use crate::catalog::Catalog;
use crate::message::encode;
use crate::message::frontend::{Frontend, Kind};
use crate::types;

/// Statements and portals of a session at the most, each; drivers keep some hundred.
pub(crate) const NAMES_MAX: usize = 2_000;

/// A prepared statement.
#[derive(Debug)]
pub(crate) struct Prepared {
    sql: String,
    types: Vec<u32>,
}

/// Statements and portals that the server has confirmed.
#[derive(Clone, Default)]
pub(crate) struct Names {
    statements: HashMap<String, Arc<Prepared>>,
    portals: HashMap<String, Arc<Prepared>>,
}

/// What becomes of a name when the server confirms a message.
pub(crate) struct Change {
    kind: Kind,
    name: String,
    prepared: Option<Arc<Prepared>>,
}

impl Names {
    pub(crate) fn apply(&mut self, change: Change) {
        let names = match change.kind {
            Kind::Statement => &mut self.statements,
            Kind::Portal => &mut self.portals,
        };
        match change.prepared {
            Some(prepared) => names.insert(change.name, prepared),
            None => names.remove(&change.name),
        };
    }

    /// Forgets names that statements may have given another meaning, by SQL and not by messages.
    pub(crate) fn after(&mut self, statements: &[Statement], idle: bool) {
        let by_sql = |class| {
            use StatementClass::{Call, Cursor, Do, Prepare};
            matches!(class, Prepare | Cursor | Do | Call)
        };
        if statements.iter().any(|statement| by_sql(statement.class)) {
            self.statements.clear();
            self.portals.clear();
        }
        // A portal keeps the plan that it got when it was bound, whatever its names mean later.
        let ends = |statement: &Statement| statement.transaction.is_some() || changes_names(statement);
        if idle || statements.iter().any(ends) {
            self.portals.clear();
        }
    }

    fn is_full(&self) -> bool {
        self.statements.len() >= NAMES_MAX || self.portals.len() >= NAMES_MAX
    }
}

/// What the server answers to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Query,
    Parse,
    Bind,
    Describe,
    /// A description that the proxy asked for; the agent does not get it.
    OwnDescribe,
    Execute,
    Close,
    Sync,
    Nothing,
}

/// A message that was forwarded.
pub(crate) struct Item {
    pub(crate) answer: Answer,
    pub(crate) change: Option<Change>,
    /// Place of the request that it belongs to.
    pub(crate) owner: usize,
}

/// A request, and how to refuse it.
pub(crate) struct Draft {
    pub(crate) request: Request,
    pub(crate) statements: Vec<Statement>,
    /// Whether the server runs them; preparing alone runs nothing.
    pub(crate) runs: bool,
    /// SQLSTATE of its refusal.
    pub(crate) code: &'static str,
}

/// A group, ready to be decided.
pub(crate) struct Group {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) items: Vec<Item>,
    /// Whether it ends with `Sync` or is a `Query`.
    pub(crate) synced: bool,
}

/// Why nothing but the end of a transaction passes.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) code: &'static str,
    pub(crate) reason: &'static str,
}

/// What statements are read by.
pub(crate) struct Reading<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) policy: &'a Snapshot,
    pub(crate) target: &'a str,
    pub(crate) names: &'a Names,
    pub(crate) block: Option<Block>,
}

struct Part {
    bytes: Vec<u8>,
    answer: Answer,
    change: Option<Change>,
    prepared: Option<Arc<Prepared>>,
    draft: Option<Draft>,
}

impl Reading<'_> {
    /// Reads a group: messages, and the exact bytes of each.
    pub(crate) fn group(&self, messages: Vec<(Frontend, Vec<u8>)>) -> Group {
        let mut names = self.names.clone();
        let mut changed = false;
        let mut parts: Vec<Part> = Vec::new();
        let mut synced = false;
        for (message, bytes) in messages {
            synced = matches!(message, Frontend::Sync | Frontend::Query { .. });
            self.part(message, bytes, &mut names, &mut changed, &mut parts);
        }
        merge_preparations(&mut parts);
        if parts.iter().all(|part| part.draft.is_none()) {
            self.housekeeping(&mut parts);
        }
        assemble(parts, synced)
    }

    fn part(&self, message: Frontend, bytes: Vec<u8>, names: &mut Names, changed: &mut bool, parts: &mut Vec<Part>) {
        let mut part = Part {
            bytes,
            answer: Answer::Nothing,
            change: None,
            prepared: None,
            draft: None,
        };
        let mut change = None;
        match message {
            Frontend::Query { sql } => {
                part.answer = Answer::Query;
                part.draft = Some(self.draft(&sql, &[], changed).running());
            }
            Frontend::Parse { name, sql, types } => {
                part.answer = Answer::Parse;
                part.draft = Some(if names.is_full() {
                    refusal("54000", "the session has too many prepared statements or portals")
                } else {
                    self.draft(&sql, &types, &mut changed.clone())
                });
                let prepared = Arc::new(Prepared { sql, types });
                part.prepared = Some(Arc::clone(&prepared));
                change = Some((Kind::Statement, name, Some(prepared)));
            }
            Frontend::Bind { portal, statement, .. } => {
                part.answer = Answer::Bind;
                if let Some(prepared) = names.statements.get(&statement).cloned() {
                    part.prepared = Some(Arc::clone(&prepared));
                    change = Some((Kind::Portal, portal, Some(prepared)));
                } else {
                    part.draft = Some(missing(Kind::Statement));
                }
            }
            Frontend::Describe { kind, name } => {
                part.answer = Answer::Describe;
                part.prepared = names.find(kind, &name);
                if part.prepared.is_none() {
                    part.draft = Some(missing(kind));
                }
            }
            Frontend::Execute { portal } => {
                part.answer = Answer::Execute;
                if let Some(prepared) = names.find(Kind::Portal, &portal) {
                    let body = [&[Kind::Portal.byte()], portal.as_bytes(), &[0]].concat();
                    parts.push(Part {
                        bytes: encode::message(b'D', &body),
                        answer: Answer::OwnDescribe,
                        change: None,
                        prepared: None,
                        draft: None,
                    });
                    part.draft = Some(self.draft(&prepared.sql, &prepared.types, changed).running());
                    part.prepared = Some(prepared);
                } else {
                    part.draft = Some(missing(Kind::Portal));
                }
            }
            Frontend::Close { kind, name } => {
                part.answer = Answer::Close;
                change = Some((kind, name, None));
            }
            Frontend::Sync => part.answer = Answer::Sync,
            Frontend::Flush | Frontend::Terminate => {}
        }
        if let Some((kind, name, prepared)) = change {
            let made = |name: String| Change {
                kind,
                name,
                prepared: prepared.clone(),
            };
            names.apply(made(name.clone()));
            part.change = Some(made(name));
        }
        parts.push(part);
    }

    /// A group that runs nothing: what it describes or binds is read as if it ran; otherwise it is about the session.
    fn housekeeping(&self, parts: &mut [Part]) {
        let prepared = parts.iter().find_map(|part| part.prepared.clone());
        let draft = match prepared {
            Some(prepared) => self.draft(&prepared.sql, &prepared.types, &mut false),
            None => Draft {
                request: Request {
                    statement: "SYNC".to_owned(),
                    exact: Vec::new(),
                    facts: Facts {
                        accesses: vec![Access(Action::Session, None)],
                        attributes: BTreeMap::from([("class".to_owned(), Attribute::Text("protocol".to_owned()))]),
                    },
                    parameters: Vec::new(),
                    reach: Reach::Anything,
                },
                statements: Vec::new(),
                runs: false,
                code: "42501",
            },
        };
        if let Some(last) = parts.last_mut() {
            last.draft = Some(draft);
        }
    }

    fn draft(&self, sql: &str, types: &[u32], changed: &mut bool) -> Draft {
        let masked = |resource: &str| self.policy.mask(self.target, resource).is_some();
        let has_masks = self.policy.masks_target(self.target);
        let analysis = match analyse(sql, self.catalog, self.catalog.search_path(), &masked, has_masks) {
            Ok(analysis) => analysis,
            Err(error) => return refusal(code_of(&error), &error.to_string()),
        };
        let mut draft = Draft {
            request: Request {
                statement: analysis.redacted,
                exact: Vec::new(),
                facts: analysis.facts,
                parameters: types.iter().map(|oid| types::name(*oid)).collect(),
                reach: analysis.reach,
            },
            statements: analysis.statements,
            runs: false,
            code: "42501",
        };
        let ends = |statement: &Statement| {
            use TransactionControl::{Rollback, RollbackTo};
            matches!(statement.transaction, Some(Rollback { chain: false } | RollbackTo))
        };
        let ends_only = !draft.statements.is_empty() && draft.statements.iter().all(ends);
        if let Some(block) = self.block.filter(|_| !ends_only) {
            draft.refuse(block.code, block.reason);
        } else if draft.statements.iter().any(|statement| statement.copy.is_some()) {
            draft.refuse("0A000", "COPY over the connection is not taken");
        } else if *changed {
            draft.refuse(
                "0A000",
                "it follows a change of definitions in the same group; send Sync between",
            );
        }
        *changed |= draft.statements.iter().any(changes_names);
        draft
    }
}

impl Draft {
    fn running(self) -> Self {
        Self { runs: true, ..self }
    }

    fn refuse(&mut self, code: &'static str, reason: &str) {
        self.code = code;
        let reason = Attribute::Text(reason.to_owned());
        self.request.facts.attributes.insert(UNPROVEN.to_owned(), reason);
    }
}

impl Names {
    fn find(&self, kind: Kind, name: &str) -> Option<Arc<Prepared>> {
        let names = match kind {
            Kind::Statement => &self.statements,
            Kind::Portal => &self.portals,
        };
        names.get(name).cloned()
    }
}

/// Whether names may mean something else after a statement.
pub(crate) fn changes_names(statement: &Statement) -> bool {
    statement.changes_catalog || statement.changes_search_path || statement.changes_role
}

fn missing(kind: Kind) -> Draft {
    match kind {
        Kind::Statement => refusal("26000", "the prepared statement does not exist"),
        Kind::Portal => refusal("34000", "the portal does not exist"),
    }
}

/// A request that is not understood, and so denied whatever the policy says.
fn refusal(code: &'static str, reason: &str) -> Draft {
    let mut draft = Draft {
        request: Request {
            statement: "(not understood)".to_owned(),
            exact: Vec::new(),
            facts: Facts {
                accesses: vec![Access(Action::Session, None)],
                attributes: BTreeMap::new(),
            },
            parameters: Vec::new(),
            reach: Reach::Anything,
        },
        statements: Vec::new(),
        runs: false,
        code,
    };
    draft.refuse(code, reason);
    draft
}

fn code_of(error: &AnalysisError) -> &'static str {
    match error {
        AnalysisError::Syntax => "42601",
        AnalysisError::TooLong { .. } | AnalysisError::TooMany { .. } | AnalysisError::TooWide { .. } => "54000",
        AnalysisError::Unsupported { .. } => "0A000",
        AnalysisError::Setting { .. } => "42501",
    }
}

/// A preparation whose statement a later message of the group executes is a part of that request.
fn merge_preparations(parts: &mut [Part]) {
    for place in 0..parts.len() {
        let (before, after) = parts.split_at_mut(place + 1);
        let Some(part) = before.last_mut().filter(|part| part.answer == Answer::Parse) else {
            continue;
        };
        let runs = |other: &Part| match (&other.prepared, &part.prepared) {
            (Some(other_prepared), Some(prepared)) => {
                other.answer == Answer::Execute && Arc::ptr_eq(other_prepared, prepared)
            }
            _ => false,
        };
        let refused = part
            .draft
            .as_ref()
            .is_some_and(|draft| draft.request.facts.attributes.contains_key(UNPROVEN));
        if !refused && after.iter().any(runs) {
            part.draft = None;
        }
    }
}

fn assemble(parts: Vec<Part>, synced: bool) -> Group {
    let last = parts
        .iter()
        .filter(|part| part.draft.is_some())
        .count()
        .saturating_sub(1);
    let mut group = Group {
        drafts: Vec::new(),
        items: Vec::new(),
        synced,
    };
    let mut exact: Vec<Vec<u8>> = vec![Vec::new(); last + 1];
    let mut owner = 0;
    for part in parts {
        if let Some(bytes) = exact.get_mut(owner.min(last)) {
            bytes.extend(part.bytes);
        }
        group.items.push(Item {
            answer: part.answer,
            change: part.change,
            owner: owner.min(last),
        });
        if let Some(draft) = part.draft {
            group.drafts.push(draft);
            owner += 1;
        }
    }
    for (draft, exact) in group.drafts.iter_mut().zip(exact) {
        draft.request.exact = exact;
    }
    group
}

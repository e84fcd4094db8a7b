//! Kinds of statements: which are taken at all, and what a session has to know about each.

use std::collections::BTreeSet;
use std::sync::Arc;

use exhibit_policy::preview::Met;
use exhibit_schemas::event::access::Action;
use pg_query::NodeEnum;
use pg_query::protobuf::{DiscardMode, Node, TransactionStmtKind, VariableSetKind};

use super::setting::Changes;
use super::{Analysis, AnalysisError, Copy, Counting, Extent, Foreign, Output, Subjects, inner};
use crate::encoding::Encoding;

/// The class of a statement; its word is the attribute `class` of the facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatementClass {
    /// `SELECT`, `VALUES`, `TABLE`.
    Select,
    /// `INSERT`.
    Insert,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
    /// `TRUNCATE`.
    Truncate,
    /// `COPY` over the connection.
    Copy,
    /// `COPY` from or to a file of the server.
    CopyFile,
    /// `COPY` from or to a program on the server.
    CopyProgram,
    /// Creates, alters or drops a definition; `SELECT INTO` too.
    Ddl,
    /// Changes roles and privileges.
    Grant,
    /// `CALL`.
    Call,
    /// `DO`.
    Do,
    /// `EXPLAIN`.
    Explain,
    /// `DECLARE`, `FETCH`, `MOVE`, `CLOSE`.
    Cursor,
    /// SQL-level `PREPARE`, `EXECUTE`, `DEALLOCATE`.
    Prepare,
    /// `NOTIFY`, `LISTEN`, `UNLISTEN`.
    Notify,
    /// `LOCK`.
    Lock,
    /// `VACUUM`, `ANALYZE`, `REINDEX`, `CLUSTER`, `CHECKPOINT`.
    Utility,
    /// `SET`, `SHOW`, `RESET`, `DISCARD`.
    Session,
    /// `BEGIN`, `COMMIT`, `ROLLBACK`, savepoints.
    Transaction,
}

impl StatementClass {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Merge => "merge",
            Self::Truncate => "truncate",
            Self::Copy => "copy",
            Self::CopyFile => "copy-file",
            Self::CopyProgram => "copy-program",
            Self::Ddl => "ddl",
            Self::Grant => "grant",
            Self::Call => "call",
            Self::Do => "do",
            Self::Explain => "explain",
            Self::Cursor => "cursor",
            Self::Prepare => "prepare",
            Self::Notify => "notify",
            Self::Lock => "lock",
            Self::Utility => "utility",
            Self::Session => "session",
            Self::Transaction => "transaction",
        }
    }

    /// What the statement does to the objects that it names outside of any query.
    pub(super) const fn action(self) -> Action {
        match self {
            Self::Select | Self::Copy | Self::Explain | Self::Cursor => Action::Read,
            Self::Insert | Self::Update | Self::Merge | Self::Lock | Self::Notify => Action::Write,
            Self::Delete | Self::Truncate => Action::Delete,
            Self::Ddl | Self::Utility => Action::Define,
            Self::Grant => Action::Grant,
            Self::Call | Self::Do | Self::CopyFile | Self::CopyProgram => Action::Execute,
            Self::Session | Self::Prepare => Action::Session,
            Self::Transaction => Action::Transaction,
        }
    }
}

/// What a statement does to the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionControl {
    /// Begins one.
    Begin,
    /// Makes its effects last; with `chain` begins another.
    Commit {
        /// `AND CHAIN`.
        chain: bool,
    },
    /// Takes its effects back; with `chain` begins another.
    Rollback {
        /// `AND CHAIN`.
        chain: bool,
    },
    /// Sets a savepoint.
    Savepoint,
    /// Forgets a savepoint.
    Release,
    /// Goes back to a savepoint.
    RollbackTo,
    /// `PREPARE TRANSACTION`: ends it here; its effects last once another statement commits it.
    Prepare,
    /// `COMMIT PREPARED`.
    CommitPrepared,
    /// `ROLLBACK PREPARED`.
    RollbackPrepared,
}

/// Which way a `COPY` goes over the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyDirection {
    /// `FROM STDIN`.
    In,
    /// `TO STDOUT`.
    Out,
}

/// What a statement does to names of prepared statements and cursors. The server keeps those of messages and those of SQL
/// in the same places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// `PREPARE`.
    Prepare {
        /// The prepared statement.
        name: String,
        /// Its text.
        query: String,
        /// That text as a server that masks by itself got it; `None` for any other.
        meant: Option<String>,
    },
    /// `EXECUTE`.
    Execute {
        /// The prepared statement.
        name: String,
    },
    /// `DEALLOCATE`.
    Deallocate {
        /// The prepared statement; `None` for all.
        name: Option<String>,
    },
    /// `DECLARE`.
    Declare {
        /// The cursor.
        name: String,
        /// What its query does; `None` when an earlier statement of the message may have changed what names mean.
        query: Option<Arc<Analysis>>,
        /// `WITH HOLD`: it outlives its transaction.
        hold: bool,
    },
    /// `FETCH` and `MOVE`.
    Fetch {
        /// The cursor.
        name: String,
    },
    /// `CLOSE`.
    Close {
        /// The cursor; `None` for all.
        name: Option<String>,
    },
    /// `DISCARD ALL`.
    Discard,
}

/// `CURSOR_OPT_HOLD` of the server's `parsenodes.h`.
const CURSOR_HOLD: i32 = 0x0020;

/// What a session has to know about one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact about the statement"
)]
pub struct Statement {
    /// Its class.
    pub class: StatementClass,
    /// Classes of what changes rows in it.
    pub(crate) changes: BTreeSet<StatementClass>,
    /// What the server says of the rows that it changes.
    pub(crate) counting: Counting,
    /// The grammar's name of its kind, such as `SelectStmt`.
    pub kind: String,
    /// Whether a successful answer has a description of rows.
    pub returns_rows: bool,
    /// Whether it could change anything in the target that lasts.
    pub may_write: bool,
    /// What it does to the transaction.
    pub transaction: Option<TransactionControl>,
    /// How it copies over the connection.
    pub copy: Option<Copy>,
    /// What it does to names of prepared statements and cursors.
    pub named: Option<Named>,
    /// Whether names mean at its place what they mean at the beginning of the message.
    pub certain: bool,
    /// Whether names may be looked up elsewhere afterwards: read `Catalog::SEARCH_PATH` again. The end of a
    /// transaction can do that too, when such a statement stood in it.
    pub changes_search_path: bool,
    /// Whether it acts as another role afterwards.
    pub changes_role: bool,
    /// Whether the catalog may be another one afterwards: load it again.
    pub changes_catalog: bool,
    /// Whether the agent's text may be in another encoding afterwards.
    pub changes_encoding: bool,
    /// Whether it is not known to leave roles, privileges, owners and row security as they are.
    pub grants: bool,
    /// Code that it runs and that is not known.
    pub foreign: Foreign,
    /// Views that it reads, on a target where the proxy masks.
    pub(crate) views: Views,
    /// The columns of its reply, where masks hold for any that it could show; `None` where the server's origins say all.
    pub(crate) outputs: Option<Arc<[Output]>>,
    /// Whose records its rows are, where the policy names columns that identify patients.
    pub(crate) subjects: Subjects,
    /// How many rows it reads out or changes.
    pub(crate) extent: Extent,
    /// Where it is one change of rows, with no other inside, of which the rollback of its transaction takes back all: what it meets
    /// without naming it.
    pub(crate) rolls_back: Option<Arc<[Met]>>,
    /// Whether it calls nothing that tells of the session, the clock or chance.
    pub(crate) same_again: bool,
}

impl Statement {
    /// It runs what nobody knows, by a name.
    pub(crate) fn stand_for_unknown(&mut self) {
        self.foreign = Foreign::Called;
        self.counting = Counting::Untold;
        self.grants = true;
        self.extent = self.extent.by_name(None);
    }

    /// Whether it is a statement that changes rows and gives out their number.
    pub(crate) fn changes_rows(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt"
        )
    }

    /// Whether code that was deferred may run with it: at a bound of the transaction, and when constraints become immediate.
    pub(crate) fn runs_deferred(&self) -> bool {
        self.transaction.is_some() || self.kind == "ConstraintsSetStmt"
    }
}

/// Views that a statement reads. What it shows hangs on their definitions, which no description of rows tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Views {
    /// None.
    #[default]
    None,
    /// None that depends on masked columns.
    Clean,
    /// At least one that does.
    Masked,
}

/// The same, and what the rest of the analysis asks about a kind.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact about the statement"
)]
pub(super) struct Form {
    pub(super) class: StatementClass,
    pub(super) kind: String,
    pub(super) returns_rows: bool,
    pub(super) transaction: Option<TransactionControl>,
    pub(super) copy: Option<Copy>,
    pub(super) named: Option<Named>,
    pub(super) changes_search_path: bool,
    /// A query that only changes settings ([`super::setting`]).
    pub(super) sets: bool,
    pub(super) changes_role: bool,
    pub(super) changes_catalog: bool,
    pub(super) changes_encoding: bool,
    pub(super) leaves_utf8: bool,
    pub(super) grants: bool,
}

impl Form {
    /// The form of a statement of that kind ([`kind_name`]); `sql` is its own text.
    ///
    /// # Errors
    /// [`AnalysisError::Unsupported`] for a kind that is not listed here.
    pub(super) fn of(node: &Node, kind: Option<String>, sql: &str) -> Result<Self, AnalysisError> {
        let unknown = || AnalysisError::Unsupported {
            kind: "unknown".to_owned(),
        };
        let statement = node.node.as_ref().ok_or_else(unknown)?;
        let kind = kind.ok_or_else(unknown)?;
        let class = class(statement).ok_or_else(|| AnalysisError::Unsupported { kind: kind.clone() })?;
        let mut form = Self {
            class,
            kind,
            returns_rows: returns_rows(statement),
            transaction: None,
            copy: None,
            named: named(statement, sql)?,
            changes_search_path: false,
            sets: false,
            changes_role: false,
            changes_encoding: false,
            leaves_utf8: false,
            grants: true,
            changes_catalog: matches!(
                class,
                StatementClass::Ddl | StatementClass::Call | StatementClass::Do | StatementClass::Grant
            ),
        };
        match statement {
            NodeEnum::TransactionStmt(transaction) if is_own_name(&transaction.savepoint_name) => {
                return Err(own_name("savepoint"));
            }
            NodeEnum::PrepareStmt(prepare) if is_own_name(&prepare.name) => return Err(own_name("statement")),
            NodeEnum::DeclareCursorStmt(cursor) if is_own_name(&cursor.portalname) => return Err(own_name("cursor")),
            NodeEnum::TransactionStmt(transaction) => {
                form.transaction = Some(control(transaction.kind(), transaction.chain).ok_or_else(unknown)?);
                // What it makes last may be definitions, which the catalog has as they were before.
                form.changes_catalog = transaction.kind() == TransactionStmtKind::TransStmtCommitPrepared;
            }
            NodeEnum::SelectStmt(query) => {
                let changes = super::setting::changes(query);
                form.sets = changes.is_some();
                form.changes_search_path = changes == Some(Changes::SearchPath);
            }
            NodeEnum::CopyStmt(copy) if class == StatementClass::Copy => form.copy = Some(Copy::of(copy, sql)),
            NodeEnum::VariableSetStmt(set) => {
                let name = set.name.to_ascii_lowercase();
                let all = set.kind() == VariableSetKind::VarResetAll;
                form.changes_search_path = all || name == "search_path";
                form.changes_role = all || matches!(name.as_str(), "role" | "session_authorization");
                form.changes_encoding = all || matches!(name.as_str(), "client_encoding" | "names");
                let asked = super::known::word(set).and_then(|value| Encoding::asked(&value));
                form.leaves_utf8 = !all && form.changes_encoding && matches!(asked, Some(Encoding::Other(_)));
                super::known::refuse_setting(set)?;
            }
            // They hold for sessions that begin later, and by a reload for those that are there.
            NodeEnum::AlterSystemStmt(alter) => later(alter.setstmt.as_ref())?,
            NodeEnum::AlterDatabaseSetStmt(alter) => later(alter.setstmt.as_ref())?,
            NodeEnum::AlterRoleSetStmt(alter) => later(alter.setstmt.as_ref())?,
            NodeEnum::DiscardStmt(discard) => {
                let all = discard.target() == DiscardMode::DiscardAll;
                form.changes_search_path = all;
                form.changes_role = all;
                form.changes_encoding = all;
                form.changes_catalog = all || discard.target() == DiscardMode::DiscardTemp;
            }
            NodeEnum::ExplainStmt(explain) => form.explain(explain)?,
            _ => {}
        }
        Ok(form)
    }

    /// `EXPLAIN ANALYZE` runs the statement; the plan of one that is not taken is not shown either.
    fn explain(&mut self, explain: &pg_query::protobuf::ExplainStmt) -> Result<(), AnalysisError> {
        let inner = explain.query.as_deref().ok_or(AnalysisError::Syntax)?;
        // Names in it are looked up, and changed by none of what `EXPLAIN` takes.
        let kind = serde_json::to_value(inner).ok().as_ref().and_then(kind_name);
        let inner = Self::of(inner, kind, "")?;
        if let Some(Named::Execute { .. }) = &inner.named {
            self.named.clone_from(&inner.named);
        }
        self.changes_catalog = inner.changes_catalog;
        Ok(())
    }

    /// The text of the statement inside, where it is read as one of its own.
    ///
    /// # Errors
    /// [`AnalysisError::Unsupported`] when it cannot be cut out.
    pub(super) fn inner(&self, node: &Node, sql: &str) -> Result<Option<String>, AnalysisError> {
        match (&self.copy, &self.named, &node.node) {
            (Some(copy), _, _) => Ok(copy.probe.clone()),
            (_, Some(Named::Prepare { query, .. }), _) => Ok(Some(query.clone())),
            (_, Some(Named::Declare { .. }), Some(declare)) => cut(declare, sql).map(Some),
            _ => Ok(None),
        }
    }

    pub(super) fn statement(self, may_write: bool, certain: bool, foreign: Foreign) -> Statement {
        Statement {
            class: self.class,
            changes: BTreeSet::new(),
            counting: Counting::default(),
            kind: self.kind,
            returns_rows: self.returns_rows,
            may_write,
            transaction: self.transaction,
            copy: self.copy,
            named: self.named,
            certain,
            changes_search_path: self.changes_search_path,
            changes_role: self.changes_role,
            changes_encoding: self.changes_encoding,
            changes_catalog: self.changes_catalog,
            grants: self.grants,
            foreign,
            views: Views::None,
            outputs: None,
            subjects: Subjects::Nobody,
            extent: Extent::Rows(0),
            rolls_back: None,
            same_again: false,
        }
    }
}

fn later(set: Option<&pg_query::protobuf::VariableSetStmt>) -> Result<(), AnalysisError> {
    set.map_or(Ok(()), super::known::refuse_setting)
}

/// The grammar's name of a node's kind, from its serialized form.
pub(super) fn kind_name(serialized: &serde_json::Value) -> Option<String> {
    serialized.get("node")?.as_object()?.keys().next().cloned()
}

/// The text of the statement inside of another one.
fn cut(statement: &NodeEnum, sql: &str) -> Result<String, AnalysisError> {
    inner::text(sql, statement).ok_or_else(|| AnalysisError::Unsupported {
        kind: "a statement inside of another one that cannot be cut out".to_owned(),
    })
}

/// What a statement does to names; the statement inside is cut out of its text.
fn named(statement: &NodeEnum, sql: &str) -> Result<Option<Named>, AnalysisError> {
    let some = |name: &str| Some(name.to_owned());
    Ok(Some(match statement {
        NodeEnum::PrepareStmt(prepare) => Named::Prepare {
            name: prepare.name.clone(),
            query: cut(statement, sql)?,
            meant: None,
        },
        NodeEnum::ExecuteStmt(execute) => Named::Execute {
            name: execute.name.clone(),
        },
        NodeEnum::CreateTableAsStmt(create) => match create.query.as_ref().and_then(|query| query.node.as_ref()) {
            Some(NodeEnum::ExecuteStmt(execute)) => Named::Execute {
                name: execute.name.clone(),
            },
            _ => return Ok(None),
        },
        NodeEnum::DeallocateStmt(deallocate) => Named::Deallocate {
            name: some(&deallocate.name).filter(|_| !deallocate.isall),
        },
        NodeEnum::DeclareCursorStmt(declare) => Named::Declare {
            name: declare.portalname.clone(),
            query: None,
            hold: declare.options & CURSOR_HOLD != 0,
        },
        NodeEnum::FetchStmt(fetch) => Named::Fetch {
            name: fetch.portalname.clone(),
        },
        NodeEnum::ClosePortalStmt(close) => Named::Close {
            name: some(&close.portalname).filter(|name| !name.is_empty()),
        },
        NodeEnum::DiscardStmt(discard) if discard.target() == DiscardMode::DiscardAll => Named::Discard,
        _ => return Ok(None),
    }))
}

fn control(kind: TransactionStmtKind, chain: bool) -> Option<TransactionControl> {
    use TransactionStmtKind as Kind;
    Some(match kind {
        Kind::Undefined => return None,
        Kind::TransStmtBegin | Kind::TransStmtStart => TransactionControl::Begin,
        Kind::TransStmtCommit => TransactionControl::Commit { chain },
        Kind::TransStmtRollback => TransactionControl::Rollback { chain },
        Kind::TransStmtSavepoint => TransactionControl::Savepoint,
        Kind::TransStmtRelease => TransactionControl::Release,
        Kind::TransStmtRollbackTo => TransactionControl::RollbackTo,
        Kind::TransStmtPrepare => TransactionControl::Prepare,
        Kind::TransStmtCommitPrepared => TransactionControl::CommitPrepared,
        Kind::TransStmtRollbackPrepared => TransactionControl::RollbackPrepared,
    })
}

/// What names of the proxy's own savepoints, statements and portals begin with. An agent's of such a name would be rolled back to, or
/// forgotten, in their place.
const OWN_NAMES: &str = "exhibit.";

/// Whether a name is for the proxy's own alone.
pub(crate) fn is_own_name(name: &str) -> bool {
    name.starts_with(OWN_NAMES)
}

fn own_name(what: &str) -> AnalysisError {
    let kind = format!("{what} of a name that begins with `{OWN_NAMES}`");
    AnalysisError::Unsupported { kind }
}

/// The class of a kind; `None` for a kind that is not taken.
#[expect(clippy::too_many_lines, reason = "a line to each kind of the grammar")]
fn class(statement: &NodeEnum) -> Option<StatementClass> {
    use NodeEnum as Kind;
    use StatementClass as Class;
    Some(match statement {
        Kind::SelectStmt(select) if makes_relation(select) => Class::Ddl,
        Kind::SelectStmt(_) => Class::Select,
        Kind::InsertStmt(_) => Class::Insert,
        Kind::UpdateStmt(_) => Class::Update,
        Kind::DeleteStmt(_) => Class::Delete,
        Kind::MergeStmt(_) => Class::Merge,
        Kind::TruncateStmt(_) => Class::Truncate,
        Kind::CopyStmt(copy) if copy.is_program => Class::CopyProgram,
        Kind::CopyStmt(copy) if !copy.filename.is_empty() => Class::CopyFile,
        Kind::CopyStmt(_) => Class::Copy,
        Kind::CallStmt(_) => Class::Call,
        // A library runs code as it is loaded.
        Kind::DoStmt(_) | Kind::LoadStmt(_) => Class::Do,
        Kind::ExplainStmt(_) => Class::Explain,
        Kind::DeclareCursorStmt(_) | Kind::FetchStmt(_) | Kind::ClosePortalStmt(_) => Class::Cursor,
        Kind::PrepareStmt(_) | Kind::ExecuteStmt(_) | Kind::DeallocateStmt(_) => Class::Prepare,
        Kind::NotifyStmt(_) | Kind::ListenStmt(_) | Kind::UnlistenStmt(_) => Class::Notify,
        Kind::LockStmt(_) => Class::Lock,
        Kind::VacuumStmt(_) | Kind::ReindexStmt(_) | Kind::ClusterStmt(_) | Kind::CheckPointStmt(_) => Class::Utility,
        Kind::VariableSetStmt(_) | Kind::VariableShowStmt(_) | Kind::DiscardStmt(_) | Kind::ConstraintsSetStmt(_) => {
            Class::Session
        }
        Kind::TransactionStmt(_) => Class::Transaction,
        Kind::GrantStmt(_)
        | Kind::GrantRoleStmt(_)
        | Kind::AlterDefaultPrivilegesStmt(_)
        | Kind::CreateRoleStmt(_)
        | Kind::AlterRoleStmt(_)
        | Kind::AlterRoleSetStmt(_)
        | Kind::DropRoleStmt(_)
        | Kind::DropOwnedStmt(_)
        | Kind::ReassignOwnedStmt(_) => Class::Grant,
        Kind::CreateTableAsStmt(_)
        | Kind::CreateSchemaStmt(_)
        | Kind::AlterTableStmt(_)
        | Kind::AlterDomainStmt(_)
        | Kind::CreateStmt(_)
        | Kind::CreateExtensionStmt(_)
        | Kind::AlterExtensionStmt(_)
        | Kind::CreatePolicyStmt(_)
        | Kind::AlterPolicyStmt(_)
        | Kind::CreateTrigStmt(_)
        | Kind::CreateSeqStmt(_)
        | Kind::AlterSeqStmt(_)
        | Kind::DefineStmt(_)
        | Kind::CreateDomainStmt(_)
        | Kind::DropStmt(_)
        | Kind::CommentStmt(_)
        | Kind::IndexStmt(_)
        | Kind::CreateStatsStmt(_)
        | Kind::AlterStatsStmt(_)
        | Kind::CreateFunctionStmt(_)
        | Kind::AlterFunctionStmt(_)
        | Kind::RenameStmt(_)
        | Kind::AlterObjectDependsStmt(_)
        | Kind::AlterObjectSchemaStmt(_)
        | Kind::AlterOwnerStmt(_)
        | Kind::AlterTypeStmt(_)
        | Kind::RuleStmt(_)
        | Kind::CompositeTypeStmt(_)
        | Kind::CreateEnumStmt(_)
        | Kind::CreateRangeStmt(_)
        | Kind::AlterEnumStmt(_)
        | Kind::ViewStmt(_)
        | Kind::RefreshMatViewStmt(_)
        | Kind::CreateCastStmt(_)
        | Kind::CreatePublicationStmt(_)
        | Kind::AlterPublicationStmt(_)
        | Kind::CreateSubscriptionStmt(_)
        | Kind::AlterSubscriptionStmt(_)
        | Kind::DropSubscriptionStmt(_)
        | Kind::CreateFdwStmt(_)
        | Kind::AlterFdwStmt(_)
        | Kind::CreateForeignServerStmt(_)
        | Kind::AlterForeignServerStmt(_)
        | Kind::CreateForeignTableStmt(_)
        | Kind::ImportForeignSchemaStmt(_)
        | Kind::CreateUserMappingStmt(_)
        | Kind::AlterUserMappingStmt(_)
        | Kind::DropUserMappingStmt(_)
        | Kind::CreateEventTrigStmt(_)
        | Kind::AlterEventTrigStmt(_)
        | Kind::CreatePlangStmt(_)
        | Kind::CreateTransformStmt(_)
        | Kind::CreateAmStmt(_)
        | Kind::CreateOpClassStmt(_)
        | Kind::CreateOpFamilyStmt(_)
        | Kind::AlterOpFamilyStmt(_)
        | Kind::AlterOperatorStmt(_)
        | Kind::CreateConversionStmt(_)
        | Kind::AlterCollationStmt(_)
        | Kind::AlterTsdictionaryStmt(_)
        | Kind::AlterTsconfigurationStmt(_)
        | Kind::AlterExtensionContentsStmt(_)
        | Kind::SecLabelStmt(_)
        // These act outside of any transaction.
        | Kind::CreatedbStmt(_)
        | Kind::AlterDatabaseStmt(_)
        | Kind::AlterDatabaseSetStmt(_)
        | Kind::AlterDatabaseRefreshCollStmt(_)
        | Kind::DropdbStmt(_)
        | Kind::CreateTableSpaceStmt(_)
        | Kind::AlterTableSpaceOptionsStmt(_)
        | Kind::AlterTableMoveAllStmt(_)
        | Kind::DropTableSpaceStmt(_)
        | Kind::AlterSystemStmt(_) => Class::Ddl,
        _ => return None,
    })
}

/// Whether a `SELECT` has `INTO`; in a set operation the leftmost one holds it.
fn makes_relation(select: &pg_query::protobuf::SelectStmt) -> bool {
    let mut select = Some(select);
    while let Some(inner) = select {
        if inner.into_clause.is_some() {
            return true;
        }
        select = inner.larg.as_deref();
    }
    false
}

fn returns_rows(statement: &NodeEnum) -> bool {
    match statement {
        NodeEnum::SelectStmt(select) => !makes_relation(select),
        NodeEnum::InsertStmt(insert) => insert.returning_clause.is_some(),
        NodeEnum::UpdateStmt(update) => update.returning_clause.is_some(),
        NodeEnum::DeleteStmt(delete) => delete.returning_clause.is_some(),
        NodeEnum::MergeStmt(merge) => merge.returning_clause.is_some(),
        // Whether the last two return rows only the server knows; the session takes rows where they are described.
        NodeEnum::ExplainStmt(_)
        | NodeEnum::VariableShowStmt(_)
        | NodeEnum::FetchStmt(_)
        | NodeEnum::CallStmt(_)
        | NodeEnum::ExecuteStmt(_) => true,
        _ => false,
    }
}

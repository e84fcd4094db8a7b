//! What a message of SQL does, by PostgreSQL's own grammar: accesses and attributes that policy decides on, the text
//! without its values, and whether masks are sure to reach every masked column.
//!
//! # The proof
//!
//! So, on a target with masks, [`analyse`] has to prove for each column of each reply that it is
//!
//! - *clean*: no masked column has a part in it,
//! - *masked*: it is a masked column and nothing else, in every row, through whatever queries it came; then it gets that
//!   column's mask, or
//! - *computed* from masked columns: then it is masked as a whole, to NULL, and the server does not get to compute it from
//!   them: in the text for the server, each reference to a masked column in an expression is *withheld*, `(SELECT reference
//!   WHERE false)`, a NULL of the same type. So neither failing, nor time, nor size of an expression depends on masked values.
//!
//! The reply must then have just these columns, with the names that they have here, and with no origin (`RowDescription`:
//! relation and attribute) that was not expected; otherwise nothing of it is released.
//!
//! What is not proven carries the attribute `unproven`, which the policy denies before all of its rules:
//!
//! 1. Statements are let through by kind; code and indirection (`DO`, functions, triggers, rules, policies, `COPY` over
//!    files, ...) are not among them, nor are settings that change how text is read. Of `COPY … TO STDOUT`, `PREPARE`
//!    and `DECLARE` the statement inside is proven; `EXECUTE` and `FETCH` are as proven as what their names stand for.
//! 2. Every function, operator, type and system relation that is named must be on a list of harmless ones: they compute
//!    from their arguments, or tell about definitions. Everything else may read any relation.
//! 3. Every relation must be known, and so must what it shows: columns of partitions and children are masked as those above and
//!    below them; views whose rows go by masked columns, or that compute from them what could fail, are not read at all, nor are
//!    relations whose row security goes by masked columns.
//! 4. In a statement that names a relation with masked columns, every name must be known, scope by scope. What selects,
//!    joins, sorts, groups, compares, counts or limits rows goes by clean columns alone, and so does what is written.
//!
//! The text that the server gets is proven like that of the agent, and nothing in it may have to be withheld any more.
//!
//! # Known limits
//!
//! Counts (`count(column)` among them), existence, unique and foreign keys, row estimates and timing of statements over
//! unmasked columns can still tell something about masked ones (inference). Triggers, defaults, casts and functions of row
//! security that the target's owner has set up run as they are; copies that they make in other relations need masks of their own. Between
//! the loading of a catalog and a statement, another connection can change definitions: of columns that are shown as they are the origins
//! tell, and the versions of views' rules are asked for before a statement that reads views. What an agent could use of it with
//! relations of its own is refused; what somebody else changes beside the proxy is not seen before the catalog is loaded again.
//!
//! Not here: the decision (policy), masking (by the session, from origins), and bind parameters.

mod access;
mod class;
mod copy;
mod counting;
mod edits;
mod extent;
mod foreign;
mod grants;
mod inner;
mod kind;
mod known;
mod lineage;
mod mapping;
mod patients;
mod probe;
mod reach;
mod setting;
mod summary;
mod syntax;
mod touched;
mod tree;
mod weight;
mod writing;

use std::sync::Arc;

use exhibit_gate::session::Reach;
use exhibit_policy::decide::{CLASS, UNPROVEN};
use exhibit_policy::patients::PATIENTS;
use exhibit_schemas::event::access::{Attribute, Facts, StatementFingerprint};

pub use self::access::{EXECUTED, FETCHED, channel};
pub(crate) use self::class::class_of;
pub use self::copy::{Copy, CopyForm, CsvOptions};
pub(crate) use self::counting::Counting;
pub(crate) use self::edits::Mapped;
use self::edits::Withheld;
pub(crate) use self::extent::{Extent, explain};
pub use self::foreign::Foreign;
pub use self::kind::{CopyDirection, Named, Statement, StatementClass, TransactionControl};
use self::kind::{Form, kind_name};
pub(crate) use self::kind::{Views, is_own_name};
pub(crate) use self::known::{harmless_setting, tells_clock};
pub(crate) use self::lineage::Output;
pub(crate) use self::mapping::replace_relations;
pub use self::patients::Identifying;
pub(crate) use self::patients::Subjects;
pub(crate) use self::probe::separated;
pub use self::probe::{Probe, array_parameters, state as state_probes};
use self::summary::Summary;
pub(crate) use self::syntax::Complaint;
pub(crate) use self::touched::both;
use self::tree::Tree;
use crate::catalog::Catalog;
use crate::redact::{REDACTED_BYTES_MAX, TOKENS_MAX, fingerprint, redact};

/// Attributes of a statement that policies can ask for, each with the word of its type.
pub const ATTRIBUTES: &[(&str, &str)] = &[
    ("class", "text"),
    ("copy", "bool"),
    ("custom_operators", "bool"),
    ("ddl", "bool"),
    ("grants", "bool"),
    ("no_where", "bool"),
    (PATIENTS, "bool"),
    ("statements", "integer"),
];

/// The attribute of what is not known to leave roles, privileges, owners and row security as they are ([`grants`]).
pub(crate) const GRANTS: &str = "grants";

/// Statements in one message at the most; drivers send one, scripts a few dozen.
pub const STATEMENTS_MAX: usize = 256;

/// Accesses of one message at the most, so that its event stays below the ledger's limit.
pub const ACCESSES_MAX: usize = 512;

/// What one message of SQL does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analysis {
    /// Its statements, in order; none for an empty message.
    pub statements: Vec<Statement>,
    /// Its text without values.
    pub redacted: String,
    /// Its fingerprint, where it has one; a statement inside of another one is told by the other's.
    pub fingerprint: Option<StatementFingerprint>,
    /// What it does, over all statements.
    pub facts: Facts,
    /// What it can change before its event is durable.
    pub reach: Reach,
    /// Its comparisons of masked columns with constants, which the policy allows. They are counted when it runs.
    pub probes: Vec<Probe>,
    /// Its text for the server where that is not the agent's: names are mapped, or references withheld.
    pub(crate) mapped: Option<Mapped>,
}

impl Analysis {
    /// Whether the server plans all of it when a portal is made, so that its names keep what they mean then. Other
    /// statements are looked up when they run.
    pub(crate) fn is_planned(&self) -> bool {
        use StatementClass::{Delete, Insert, Merge, Select, Update};
        let planned = |statement: &Statement| matches!(statement.class, Select | Insert | Update | Delete | Merge);
        self.statements.iter().all(planned)
    }
}

/// Why a message is not understood, and so not forwarded. Blames the agent; never repeats its text.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum AnalysisError {
    /// PostgreSQL's grammar does not take it.
    #[error("the statement is not valid SQL")]
    Syntax,
    /// It is longer than the limit.
    #[error("the statement has {bytes} bytes, at most {limit} are taken")]
    TooLong {
        /// Its length, as far as it was read.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It has more tokens than the limit.
    #[error("the statement has {tokens} words and signs, at most {TOKENS_MAX} are taken; send it in parts")]
    TooManyTokens {
        /// How many it has.
        tokens: usize,
    },
    /// Its text without values is longer than an event can hold.
    #[error(
        "the statement has {bytes} bytes without its values, at most {REDACTED_BYTES_MAX} can be recorded; send it in parts"
    )]
    TooLongRedacted {
        /// Its length then.
        bytes: usize,
    },
    /// A name has letters of an encoding that is not read.
    #[error("names with letters beyond ASCII are taken only in UTF8 and LATIN1")]
    Letters,
    /// The message holds more statements than the limit.
    #[error("the message has {statements} statements, at most {STATEMENTS_MAX} are taken")]
    TooMany {
        /// Statements in it.
        statements: usize,
    },
    /// It names more resources than the limit.
    #[error("the message names {accesses} resources, at most {ACCESSES_MAX} are taken")]
    TooWide {
        /// Accesses in it.
        accesses: usize,
    },
    /// A kind of statement that the proxy does not know.
    #[error("statements of the kind {kind} are not taken")]
    Unsupported {
        /// The grammar's name of the kind.
        kind: String,
    },
    /// A setting that would change how statements are read.
    #[error("the setting {setting} cannot be changed")]
    Setting {
        /// Its name.
        setting: &'static str,
    },
}

impl AnalysisError {
    /// Text in another encoding than UTF-8 is not searched for what masks hide.
    const LEAVES_UTF8: Self = Self::Setting {
        setting: "client_encoding",
    };
}

/// Reads a message of SQL.
///
/// `search_path` holds the schemas in force (`Catalog::SEARCH_PATH`). `columns` is what the policy says of columns of the target,
/// where it has any mask for that; then the attribute `unproven` may be set. `identifying` is where the policy says which columns of
/// the target identify patients; then the attribute `patients` is.
///
/// # Errors
/// [`AnalysisError`] when it is not understood; then it must not be forwarded.
pub fn analyse(
    sql: &str,
    catalog: &Catalog,
    search_path: &[String],
    columns: Option<Columns<'_>>,
    identifying: Option<Identifying<'_>>,
) -> Result<Analysis, AnalysisError> {
    let mut names = Names::new(catalog, Some(search_path));
    let masks = Masks {
        identifying,
        by: if columns.is_some() { By::Proxy } else { By::Nobody },
        columns: columns.unwrap_or(Columns::NONE),
    };
    let analysis = message(sql, &mut names, &masks)?;
    Ok(Analysis {
        fingerprint: fingerprint(sql, catalog),
        ..analysis
    })
}

/// Reads a message of SQL for a target whose database masks by itself, and maps its names to the views that do.
///
/// Nothing has to be proven of masked columns then; what would go round the mapping carries the attribute `unproven`.
///
/// # Errors
/// [`AnalysisError`] when it is not understood; then it must not be forwarded.
pub(crate) fn analyse_enforced(
    sql: &str,
    catalog: &Catalog,
    masked: &dyn Fn(&str) -> bool,
    identifying: Option<Identifying<'_>>,
) -> Result<Analysis, AnalysisError> {
    let mut names = Names::new(catalog, Some(catalog.search_path()));
    let masks = Masks {
        identifying,
        columns: Columns {
            masked,
            probed: Columns::NONE.probed,
        },
        by: By::Database,
    };
    let analysis = message(sql, &mut names, &masks)?;
    Ok(Analysis {
        fingerprint: fingerprint(sql, catalog),
        mapped: Some(mapping::map(sql, catalog, catalog.search_path(), masked)?),
        ..analysis
    })
}

/// Reads a message, or the statement inside of another one, where names mean that.
fn message(sql: &str, names: &mut Names<'_>, masks: &Masks<'_>) -> Result<Analysis, AnalysisError> {
    let search_path = names.search_path;
    let redacted = redact(sql, names.catalog)?;
    let parsed = parse(sql)?;
    if parsed.len() > STATEMENTS_MAX {
        return Err(AnalysisError::TooMany {
            statements: parsed.len(),
        });
    }
    let alone = parsed.len() == 1;
    let mut summary = Summary::default();
    summary.patients = masks.identifying.map(|_| false);
    let mut statements = Vec::new();
    let mut changed = false;
    let mut reach = Reach::Nothing;
    let mut withheld = Withheld::default();
    let mut probes = Vec::new();
    for Parsed { node, text } in parsed {
        // Serializing plain trees cannot fail; if it ever did, the null would name nothing, and its kind is not taken.
        let serialized = serde_json::to_value(&node).unwrap_or_default();
        let mut form = Form::of(&node, kind_name(&serialized), &text)?;
        if masks.by != By::Nobody && form.leaves_utf8 {
            return Err(AnalysisError::LEAVES_UTF8);
        }
        setting::only_of_server(&mut form, &serialized, names);
        let inner = form.inner(&node, &text)?;
        let mut within = *names;
        let inner = inner.map(|inner| message(&inner, &mut within, masks)).transpose()?;
        if !within.alone {
            *names = within;
        }
        let tree = Tree::of(&serialized, &form);
        let accesses = access::accesses(&form, &node, &tree, names);
        let may_write = access::may_write(&form, &tree, &accesses);
        let (reached, rolls_back) = reach::reach(&form, &tree, names, &accesses);
        reach = reach.max(reached);
        let foreign = foreign::foreign(&form, &tree, names, &accesses);
        let counted = counting::counting(&form, &tree, &accesses, foreign);
        form.grants = grants::grants(&form, &node, &tree, names, &accesses, inner.as_ref());
        let reads_alone = alone && probe::reads_alone(&form, &tree, names, &accesses);
        let mut extent = extent::extent(&form, &node, &tree, names, &accesses, inner.as_ref());
        if masks.by == By::Database {
            extent = extent.enforced(&tree, names, masks.columns.masked);
        }
        summary.add(&form, &tree, names, accesses);
        let subjects = masks.identifying.map_or(Subjects::Nobody, |identifying| {
            patients::subjects(&form, &tree, names, inner.as_ref(), identifying)
        });
        summary.patients = summary.patients.map(|before| before || subjects != Subjects::Nobody);
        let mut outputs = None;
        if masks.by != By::Nobody {
            let unproven = if changed {
                Some("it follows a change of definitions in the same message".to_owned())
            } else if masks.by == By::Database {
                mapping::unproven(&node, &tree, names, masks.columns.masked)
                    .or_else(|| inner.as_ref().and_then(unproven_of))
            } else {
                match lineage::prove(&form, &node, &serialized, &tree, names, &masks.columns) {
                    Err(cause) => Some(cause),
                    Ok(proven) => {
                        outputs = proven.outputs;
                        let tries = !reads_alone && !proven.probes.is_empty();
                        probes.extend(proven.probes);
                        let explains = proven.withheld.estimates.is_some();
                        withheld.extend(proven.withheld);
                        let among = (explains && !alone).then(|| EXPLAIN_ALONE.to_owned());
                        let among = among.or_else(|| tries.then(|| PROBE_ALONE.to_owned()));
                        among.or_else(|| inner_unproven(&form, inner.as_ref(), &tree, names, masks, alone))
                    }
                }
            };
            summary.unproven = summary.unproven.or(unproven);
        }
        changed |= form.changes_catalog;
        let certain = names.search_path.is_some();
        keep_meaning(&mut form, inner, names, masks)?;
        names.after(&form, foreign);
        let mut statement = form.statement(may_write, certain, foreign);
        (statement.outputs, statement.extent) = (outputs, extent);
        (statement.rolls_back, statement.same_again) = (rolls_back, reach::same_again(&tree));
        statement.subjects = subjects;
        (statement.changes, statement.counting) = (class::changes(&tree), counted);
        if masks.by == By::Proxy {
            statement.views = lineage::views(&tree, names, masks.columns.masked);
        }
        statements.push(statement);
    }
    let mut again = Names::new(names.catalog, search_path);
    let mapped = summary.withhold(sql, &withheld, &mut again, masks);
    if summary.unproven.is_some() {
        // It does not run, so it tries nothing.
        probes.clear();
    }
    let facts = summary.facts(&statements)?;
    Ok(Analysis {
        statements,
        redacted,
        fingerprint: None,
        facts,
        reach,
        probes,
        mapped,
    })
}

/// What a name that a statement gives stands for, as names mean at its place.
fn keep_meaning(
    form: &mut Form,
    inner: Option<Analysis>,
    names: &Names<'_>,
    masks: &Masks<'_>,
) -> Result<(), AnalysisError> {
    let certain = names.search_path.is_some();
    match (&mut form.named, masks.by, names.search_path) {
        (Some(Named::Declare { query, .. }), ..) => *query = inner.filter(|_| certain).map(Arc::new),
        (Some(Named::Prepare { query, meant, .. }), By::Database, Some(path)) => {
            *meant = Some(mapping::map(query, names.catalog, path, masks.columns.masked)?.text);
        }
        (Some(Named::Prepare { meant, .. }), By::Proxy, _) => {
            *meant = inner.and_then(|inner| Some(inner.mapped?.text));
        }
        _ => {}
    }
    Ok(())
}

/// Why a value is not tried beside anything that lasts, or that is not known to be harmless.
const PROBE_ALONE: &str = "a value is compared with a masked column in a statement that is not alone in its message, or that \
     is not sure to change nothing and to read stored relations alone";

/// Why a plan over masked columns is not shown.
const EXPLAIN_ALONE: &str = "EXPLAIN over masked columns stands among other statements in the same message";

/// The text with references withheld, which is proven in its turn: nothing in it has to be withheld any more.
fn withhold(sql: &str, withheld: &Withheld, names: &mut Names<'_>, masks: &Masks<'_>) -> Result<Mapped, String> {
    let unsure = || "an expression over masked columns cannot be withheld from the server".to_owned();
    let mapped = edits::withhold(sql, withheld).ok_or_else(unsure)?;
    let again = message(&mapped.text, names, masks).map_err(|_| unsure())?;
    match unproven_of(&again) {
        None if again.mapped.is_none() => Ok(mapped),
        None => Err(unsure()),
        Some(cause) => Err(cause),
    }
}

/// Why the statement inside of another one is not proven, and with it the other one.
fn inner_unproven(
    form: &Form,
    inner: Option<&Analysis>,
    tree: &Tree,
    names: &Names<'_>,
    masks: &Masks<'_>,
    alone: bool,
) -> Option<String> {
    let unproven = inner.and_then(unproven_of);
    let copies_out = form.copy.as_ref().filter(|copy| copy.direction == CopyDirection::Out);
    unproven.or_else(|| {
        let copy = copies_out?;
        if inner.is_none() {
            return Some("the columns that COPY gives out are not known".to_owned());
        }
        if !alone {
            return Some("COPY stands among other statements in the same message".to_owned());
        }
        let written = copy.form.is_some() || !lineage::touches(tree, names, masks.columns.masked);
        (!written).then(|| "an option of COPY is not understood".to_owned())
    })
}

/// Why a statement is not proven.
fn unproven_of(analysis: &Analysis) -> Option<String> {
    match analysis.facts.attributes.get(UNPROVEN)? {
        Attribute::Text(cause) => Some(cause.clone()),
        _ => Some("the statement inside of it is not proven".to_owned()),
    }
}

/// What a policy says of columns (`schema.relation.column`).
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    /// Whether a column has a mask.
    pub masked: &'a dyn Fn(&str) -> bool,
    /// Whether the mask of a column lets values be tried on it.
    pub probed: &'a dyn Fn(&str) -> bool,
}

impl Columns<'_> {
    const NONE: Self = Self {
        masked: &|_| false,
        probed: &|_| false,
    };
}

/// The masks of the target, and its patients.
struct Masks<'a> {
    columns: Columns<'a>,
    identifying: Option<Identifying<'a>>,
    by: By,
}

/// Who masks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The target has no masks.
    Nobody,
    Proxy,
    Database,
}

/// What names mean at one place of a message.
#[derive(Clone, Copy)]
struct Names<'a> {
    catalog: &'a Catalog,
    /// The schemas in force; `None` when an earlier statement of the message may have changed what names mean.
    search_path: Option<&'a [String]>,
    /// Whether, without a path, a name that one relation alone has still means that.
    alone: bool,
}

impl<'a> Names<'a> {
    fn new(catalog: &'a Catalog, search_path: Option<&'a [String]>) -> Self {
        Self {
            catalog,
            search_path,
            alone: true,
        }
    }

    /// What follows a statement in its message is read under another path (a role has its own `"$user"`), or meets other
    /// definitions, than are known here. Code that hangs on a relation may set a path; what it defines is a known limit
    /// ([`foreign`]), so a name that means one relation under every path still means that.
    fn after(&mut self, form: &Form, foreign: Foreign) {
        let named = form.changes_search_path || form.changes_role || form.changes_catalog || foreign == Foreign::Called;
        self.alone &= !named;
        if named || foreign == Foreign::Attached {
            self.search_path = None;
        }
    }
}

/// One statement of a message, and its own text.
struct Parsed {
    node: pg_query::protobuf::Node,
    text: String,
}

/// The parser's message about a statement, which repeats a word of it.
fn parse_error(sql: &str) -> Option<String> {
    match std::panic::catch_unwind(|| pg_query::parse(sql, 0)) {
        Ok(Err(pg_query::Error::Parse(text))) => Some(text),
        _ => None,
    }
}

fn parse(sql: &str) -> Result<Vec<Parsed>, AnalysisError> {
    // The crate's own summary of a parse asserts shapes of trees; a panic there must refuse the statement, not end the
    // session without a word.
    let parsed = std::panic::catch_unwind(|| pg_query::parse(sql, 0));
    let Ok(Ok(parsed)) = parsed else {
        return Err(AnalysisError::Syntax);
    };
    let text = |start: i32, length: i32| {
        let start = usize::try_from(start).ok()?;
        // No length is the rest of the message.
        let length = usize::try_from(length).ok().filter(|length| *length > 0);
        let end = length.map_or(sql.len(), |length| start.saturating_add(length));
        sql.get(start..end).map(str::to_owned)
    };
    let statements = parsed.protobuf.stmts.into_iter();
    statements
        .map(|raw| {
            let text = text(raw.stmt_location, raw.stmt_len).ok_or(AnalysisError::Syntax)?;
            let node = raw.stmt.map(|node| *node).ok_or(AnalysisError::Syntax)?;
            Ok(Parsed { node, text })
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;

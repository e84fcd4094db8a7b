//! Code that a statement runs and of which is not known what it does: it could define relations and triggers, or set the
//! search path, and nothing in the statement tells.
//!
//! What follows such a statement does not run ahead of its event until the catalog was loaded again: what was plain before
//! may not be plain any more. The search path and prepared statements are asked for again, too, so that names are decided on as
//! the server will read them; and settings that text is read by, of which the server tells when it is ready, within a pipeline.
//! In the same message, a name that is not qualified is known after code that hangs on relations where one relation alone has it,
//! and after functions that a statement calls nowhere.
//!
//! # Known limits
//! On a target without masks, relations that triggers, views or called functions define, rename or move are decided on by
//! the names that the catalog had, and a cursor that such code closed and opened anew by what it was before. What may be called,
//! and what hangs on relations, is the owner's choice, and the policy's. A recorded catalog does not say what hangs on relations.

use exhibit_schemas::event::access::{Access, Action};

use super::Names;
use super::access::{EXECUTED, FETCHED};
use super::kind::{Form, StatementClass};
use super::known;
use super::reach;
use super::tree::{Place, Tree};
use crate::catalog::{Code, Relation, RelationKind};

/// Code that a statement runs and that is not known, from the least to the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Foreign {
    /// None.
    #[default]
    None,
    /// What hangs on the relations that it names: triggers, defaults, views, row security.
    Attached,
    /// Functions, operators or types that it names itself.
    Called,
}

/// The code that one statement runs and that is not known. What changes the catalog anyway is not asked, nor what runs only
/// by a name; see [`crate::group`].
pub(super) fn foreign(form: &Form, tree: &Tree, names: &Names<'_>, accesses: &[Access]) -> Foreign {
    match form.class {
        StatementClass::Session
        | StatementClass::Transaction
        | StatementClass::Notify
        | StatementClass::Prepare
        | StatementClass::Ddl
        | StatementClass::Grant
        | StatementClass::Call
        | StatementClass::Do => Foreign::None,
        _ if calls_unknown(tree, names, accesses) => Foreign::Called,
        _ if names.catalog.code() == Code::OnReads || attached(tree, names) => Foreign::Attached,
        _ => Foreign::None,
    }
}

/// Whether a statement names functions, operators or types of which is not known what they do.
pub(super) fn calls_unknown(tree: &Tree, names: &Names<'_>, accesses: &[Access]) -> bool {
    accesses.iter().any(calls) || !reach::harmless(tree, names)
}

/// Whether it calls a function that is neither harmless nor one whose effect is known. What names of prepared statements
/// and cursors stand for is added where that is known.
pub(super) fn calls(Access(action, resource): &Access) -> bool {
    let known = |resource: &str| match resource {
        EXECUTED | FETCHED => true,
        _ => resource.strip_prefix("pg_catalog.").is_some_and(known::effect_function),
    };
    *action == Action::Execute && !resource.as_deref().is_some_and(known)
}

fn attached(tree: &Tree, names: &Names<'_>) -> bool {
    tree.ranges.iter().any(|range| {
        let changed = range.place == Place::Target || range.action != Action::Read;
        let least = if changed { Code::OnWrites } else { Code::OnReads };
        let of_server = |relation: &Relation| {
            let own = matches!(relation.schema.as_str(), "pg_catalog" | "information_schema");
            !changed && (own || relation.kind == RelationKind::Sequence)
        };
        // What a recorded catalog does not say is left out, so that what is explained by it is what is decided as a rule.
        let hangs = |code: Code| code >= least && code != Code::Unrecorded;
        !names.relation(range).is_some_and(of_server) && reach::code(range, names).is_none_or(hangs)
    })
}

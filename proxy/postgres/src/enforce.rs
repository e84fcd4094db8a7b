//! Masking by the database itself: what is installed in a target so that the agents' role can read no masked value, by
//! whatever statement.
//!
//! ```text
//! policy ─▶ masks ─┐
//! server ─▶ Facts ─┴▶ Plan::compile ─▶ statements ─▶ Administrator::apply      (one transaction)
//!                        └ refusals                     └ standing ◀─ each session, Administrator::check
//! ```
//!
//! Installed are a role without login (`exhibit_owner`), a schema of it (`exhibit`), and for each relation with masked
//! columns one `security_barrier` view `exhibit."schema.relation"`: same columns, same order, masked columns as an
//! expression. The agents' role loses `SELECT` on the masked columns of the relation and gets it on the view; it keeps
//! every right to change rows that it had. A second view takes changes of masked columns and gives back their masked forms
//! (`exhibit.".schema.relation"`). Views over such relations have a twin over the installed views (`enforce/twin.rs`). Views
//! read with the rights of their owner (PostgreSQL documentation, "Rules and Privileges").
//!
//! No function that is installed takes anything: a role that may use a view needs `EXECUTE` on the functions in it, and could
//! ask one of them for the token of a guess. There is one for each relation, which gives the masked rows of that relation
//! alone. The key of tokens is in a table of the owner, as the two padded halves of
//! HMAC (RFC 2104); expressions read it by a subquery, with the owner's rights.
//!
//! [`Plan::compile`] is pure. It refuses ([`Refusal`]) wherever the role would still reach a masked value: by a grant,
//! membership, ownership, a view or function that acts for somebody else, code of the session on masked rows, statistics.
//!
//! Not here: what names of a statement mean under it (`mapping`), and how values are masked by the proxy (policy).

mod administrator;
mod exposure;
mod expression;
mod facts;
mod plan;
mod refusal;
mod script;
mod standing;
mod twin;
mod warning;

pub use self::administrator::{Administrator, AdministratorError, Checked};
pub use self::facts::{Facts, FactsError};
pub use self::plan::{MaskedColumn, MaskedRelation, Plan, Shown};
pub use self::refusal::{PlanError, Refusal};
pub use self::script::Step;
pub use self::standing::Drift;
pub(crate) use self::standing::{READABLE, STANDING, Wanted, agrees};
pub use self::warning::Warning;

/// The schema of what is installed.
pub const SCHEMA: &str = "exhibit";

/// The role that owns it. It cannot log in, and nobody is a member of it.
pub const OWNER: &str = "exhibit_owner";

/// Bytes of a name at the most (`NAMEDATALEN`, less one); longer ones would be cut by the server.
pub(crate) const NAME_BYTES_MAX: usize = 63;

/// What the name of a view begins with that takes changes of masked columns: no `schema.relation` begins so.
const WRITING: char = '.';

/// The name of the view of a relation that takes changes of masked columns.
pub(crate) fn writing_name(resource: &str) -> String {
    view_name(&format!("{WRITING}{resource}"))
}

/// Whether a view of the schema is one that takes changes of masked columns.
fn is_writing(name: &str) -> bool {
    name.starts_with(WRITING)
}

/// The name that a masked column itself has in such a view, by its number.
pub(crate) fn raw_column(number: i16) -> String {
    format!("raw:{number}")
}

/// A name as the grammar always takes it.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal, under `standard_conforming_strings`.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The name of the view of a relation: its resource, or the head of that and a digest where it is too long for a name.
pub(crate) fn view_name(resource: &str) -> String {
    if resource.len() <= NAME_BYTES_MAX {
        return resource.to_owned();
    }
    let digest = exhibit_schemas::digest::Digest::of(resource.as_bytes()).to_string();
    let mut head: String = resource.to_owned();
    while head.len() > NAME_BYTES_MAX - 17 {
        head.pop();
    }
    format!("{head}~{}", digest.get(..16).unwrap_or_default())
}

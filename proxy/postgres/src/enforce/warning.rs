//! What an administrator should know of a plan that holds: each with what to do about it, where anything can be done.

use super::facts::{Column, Facts, Relation};
use super::plan::{Masks, View};
use super::twin::{self, Twin};
use super::{SCHEMA, raw_column};
use crate::types::{self, Type};

/// One warning.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Warning {
    /// `$user` of a search path means the schema of what is installed.
    #[error(
        "the agents' role is named as the schema `{SCHEMA}`, which \"$user\" of its search_path means: ALTER ROLE \"{SCHEMA}\" SET search_path = …, without \"$user\""
    )]
    RoleOfSchema,
    /// A view is denied to agents.
    #[error("{view} reads masked columns and has no twin, so agents are denied it: {why}")]
    NoTwin {
        /// The view.
        view: String,
        /// The reason.
        why: String,
    },
    /// A relation has no view that takes changes of masked columns.
    #[error(
        "{relation} has a column named `{column}`, so agents cannot change its masked columns and have masked columns returned by one statement"
    )]
    NoWriting {
        /// The relation.
        relation: String,
        /// The column.
        column: String,
    },
    /// The server's own error shows a value of which a part is changed.
    #[error(
        "agents may change a part of {column}, and the server's error shows all of it where the row then breaks a rule of its relation: the proxy withholds that text; let agents connect by the proxy alone, or take UPDATE on that column from them"
    )]
    Part {
        /// The masked column.
        column: String,
    },
}

/// What there is to know of a plan.
pub(super) fn warnings(
    role: &str,
    facts: &Facts,
    masks: &Masks,
    views: &[View<'_>],
    twins: &[Twin<'_>],
) -> Vec<Warning> {
    let mut found = Vec::new();
    if role == SCHEMA {
        found.push(Warning::RoleOfSchema);
    }
    found.extend(
        twin::without(facts, masks, twins)
            .into_iter()
            .map(|(view, why)| Warning::NoTwin {
                view: view.resource(),
                why: why.to_owned(),
            }),
    );
    for View { relation, masked, .. } in views {
        let columns = || relation.columns.iter().filter(|column| masked.contains(&column.number));
        let raw = columns().map(|column| raw_column(column.number));
        let taken = raw
            .into_iter()
            .find(|raw| relation.columns.iter().any(|column| column.name == *raw));
        found.extend(
            taken
                .filter(|_| relation.is_changeable())
                .map(|column| Warning::NoWriting {
                    relation: relation.resource(),
                    column,
                }),
        );
        let parts = columns().filter(|column| has_parts(column) && may_update(relation, column));
        found.extend(parts.map(|column| Warning::Part {
            column: relation.column_resource(&column.name),
        }));
    }
    found
}

/// Whether an assignment can name a part of a value. Of types that masks do not read that is not known.
fn has_parts(column: &Column) -> bool {
    matches!(
        types::of(column.base_oid),
        None | Some(Type::Array(_) | Type::Jsonb | Type::Row)
    )
}

fn may_update(relation: &Relation, column: &Column) -> bool {
    relation.held.contains("UPDATE") || column.held.contains("UPDATE")
}

//! Fields: which columns replies touched by which rule, and how they were masked.
//!
//! A field that was masked is one that was released. One that was not is one that the command touched, in its result or in a condition:
//! the facts of a command do not tell these apart. A masked value stands under the relation that it comes from: of a view that it was
//! read by, the field has no mask of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::CommandLine;

/// Fields by rule that are told apart; those past them are counted together.
const FIELDS_MAX: usize = 10_000;

/// What stands for all fields past [`FIELDS_MAX`].
const OTHERS: &str = "(others)";

/// A field that commands touched by a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldLine {
    /// The rule that let them pass.
    pub rule: String,
    /// The field: `schema.relation.column`.
    pub field: String,
    /// The mask that it was released under; absent for one that was not masked.
    pub mask: Option<String>,
    /// How that mask changes a value.
    pub technique: Option<String>,
    /// Replies with rows.
    pub replies: u64,
    /// Their rows.
    pub rows: u64,
}

/// Rule, field, and mask with its technique.
type Key = (String, String, Option<(String, String)>);

/// All fields that were touched.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(BTreeMap<Key, (u64, u64)>);

impl Fields {
    /// Takes a command in whose reply has ended.
    pub(super) fn command(&mut self, line: &CommandLine) {
        if line.rows == 0 {
            return;
        }
        let rule = line.rule.clone().unwrap_or_default();
        let masked: BTreeSet<&String> = line.masks.iter().map(|(field, _, _)| field).collect();
        for (field, mask, technique) in &line.masks {
            self.add(
                (rule.clone(), field.clone(), Some((mask.clone(), technique.clone()))),
                line.rows,
            );
        }
        let open = line.columns.iter().flatten().filter(|field| !masked.contains(field));
        for field in open {
            self.add((rule.clone(), field.clone(), None), line.rows);
        }
    }

    fn add(&mut self, key: Key, rows: u64) {
        let room = self.0.len() < FIELDS_MAX || self.0.contains_key(&key);
        let key = if room {
            key
        } else {
            (OTHERS.to_owned(), OTHERS.to_owned(), None)
        };
        let (replies, all) = self.0.entry(key).or_default();
        *replies += 1;
        *all = all.saturating_add(rows);
    }

    pub(super) fn into_lines(self) -> Vec<FieldLine> {
        let line = |((rule, field, mask), (replies, rows)): (Key, (u64, u64))| {
            let (mask, technique) = mask.unzip();
            FieldLine {
                rule,
                field,
                mask,
                technique,
                replies,
                rows,
            }
        };
        self.0.into_iter().map(line).collect()
    }
}

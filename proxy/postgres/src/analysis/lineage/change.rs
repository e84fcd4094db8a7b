//! Statements that change rows: what they write is clean, and what `RETURNING` gives out is known.
//!
//! A masked value must not be written anywhere: where it then stands, no mask would reach it.

use serde_json::Value as Json;

use super::super::tree::{Object, reference, tagged, text};
use super::columns::{Entry, Items, Level, Outputs, Proof};
use super::expression::query_of;
use super::query::{Used, list};
use super::{Env, Prover};

/// What is written where.
const WRITTEN: &str = "a copy would have no mask of";

impl Prover<'_> {
    /// The columns that a statement returns.
    pub(super) fn change(&mut self, kind: &str, fields: &Object, env: Env<'_>) -> Proof<Outputs> {
        let with = self.with(fields.get("with_clause"), env)?;
        let env = Env {
            ctes: with.as_ref().or(env.ctes),
            ..env
        };
        let target = fields.get("relation").and_then(Json::as_object);
        let target = self.relation(target.ok_or("what a statement changes is not understood")?)?;
        match kind {
            "InsertStmt" => self.insert(fields, &target, env),
            "UpdateStmt" => self.changed(fields, &target, "from_clause", env),
            "DeleteStmt" => self.changed(fields, &target, "using_clause", env),
            "MergeStmt" => self.merge(fields, &target, env),
            _ => Err("a statement inside of another one is not understood".to_owned()),
        }
    }

    fn insert(&mut self, fields: &Object, target: &Entry, env: Env<'_>) -> Proof<Outputs> {
        if let Some(query) = fields.get("select_stmt").and_then(query_of) {
            let outputs = self.query(query, env, Used::Passed)?;
            self.clean(&outputs, WRITTEN)?;
        }
        let own = Items::of(target.clone());
        if let Some(conflict) = fields.get("on_conflict_clause").and_then(Json::as_object) {
            let excluded = Items {
                entries: vec![renamed(target, "excluded")],
                flat: Outputs::default(),
            };
            let level = Level {
                outer: env.level,
                parts: vec![&own, &excluded],
            };
            let inside = Env {
                level: Some(&level),
                ..env
            };
            self.condition(conflict.get("infer"), inside, "ON CONFLICT compares")?;
            self.condition(conflict.get("where_clause"), inside, "WHERE goes by")?;
            for target in list(conflict, "target_list") {
                // What goes in under a name stays under it.
                if !is_upsert(target) {
                    self.condition(Some(target), inside, WRITTEN)?;
                }
            }
        }
        let level = Level {
            outer: env.level,
            parts: vec![&own],
        };
        self.returning(fields, target, &level, env)
    }

    /// `UPDATE` and `DELETE`.
    fn changed(&mut self, fields: &Object, target: &Entry, others: &str, env: Env<'_>) -> Proof<Outputs> {
        let others = self.from(list(fields, others), env)?;
        let own = Items::of(target.clone());
        let level = Level {
            outer: env.level,
            parts: std::iter::once(&own).chain(&others).collect(),
        };
        let inside = Env {
            level: Some(&level),
            ..env
        };
        self.condition(fields.get("where_clause"), inside, "WHERE goes by")?;
        self.condition(fields.get("target_list"), inside, WRITTEN)?;
        self.returning(fields, target, &level, env)
    }

    fn merge(&mut self, fields: &Object, target: &Entry, env: Env<'_>) -> Proof<Outputs> {
        let before = Level {
            outer: env.level,
            parts: Vec::new(),
        };
        let source = self.item(fields.get("source_relation").unwrap_or(&Json::Null), env, &before)?;
        let own = Items::of(target.clone());
        let level = Level {
            outer: env.level,
            parts: vec![&own, &source],
        };
        let inside = Env {
            level: Some(&level),
            ..env
        };
        self.condition(fields.get("join_condition"), inside, "a join goes by")?;
        self.condition(fields.get("merge_when_clauses"), inside, WRITTEN)?;
        // A star shows the columns of the source first.
        let returned = Level {
            outer: env.level,
            parts: vec![&source, &own],
        };
        self.returning(fields, target, &returned, env)
    }

    fn returning(&mut self, fields: &Object, target: &Entry, level: &Level<'_>, env: Env<'_>) -> Proof<Outputs> {
        let Some(returning) = fields.get("returning_clause").and_then(Json::as_object) else {
            return Ok(Outputs::default());
        };
        // From version 18 on, the rows before and after the change have names.
        let versions = Items {
            entries: vec![renamed(target, "old"), renamed(target, "new")],
            flat: Outputs::default(),
        };
        let mut level = level.clone();
        level.parts.push(&versions);
        let inside = Env {
            level: Some(&level),
            ..env
        };
        self.targets(list(returning, "exprs"), inside, Used::Passed)
    }
}

fn renamed(target: &Entry, alias: &str) -> Entry {
    Entry {
        alias: Some(alias.to_owned()),
        relation: None,
        ..target.clone()
    }
}

/// Whether `ON CONFLICT` sets a column to what was to be inserted in it.
fn is_upsert(target: &Json) -> bool {
    let same = || {
        let (_, fields) = tagged(target.as_object()?)?;
        let (kind, column) = tagged(fields.get("val")?.as_object()?)?;
        let wanted = [Some("excluded".to_owned()), Some(text(fields, "name")?)];
        let plain = list(fields, "indirection").is_empty();
        Some(plain && kind == "ColumnRef" && reference(column).as_slice() == wanted)
    };
    same().unwrap_or_default()
}

//! Twins: for a view over masked relations, a view of the schema that asks the same of the masked ones.
//!
//! | the view | its twin | the agents' rights on the view |
//! | --- | --- | --- |
//! | `WITH (security_invoker)` | the same, so whoever asks needs rights on all that it reads | stay |
//! | with its owner's rights | reads for the owner of what is installed | go to the twin |
//!
//! The text is the server's own (`pg_get_viewdef`), in which every relation has its schema; each masked relation, and each view
//! over one, is replaced, wherever it stands. That nothing was missed is not believed but asked for: after the plan, what the
//! server says a twin reads must have no masked relation in it ([`reads_raw`]).
//!
//! A view has no twin where that could show more than it, or other rows: where it has rules or triggers of its own, where its
//! owner may not read what it reads, where row security would ask for somebody else, or where agents own it. With its owner's
//! rights it is refused then, as it is for somebody who reads it through PUBLIC.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, Reads, Relation};
use super::plan::Masks;
use super::script::Step;
use super::{OWNER, SCHEMA, identifier, literal, view_name};
use crate::analysis::replace_relations;

/// Twins that stand over each other, at the most.
const DEPTH_MAX: usize = 64;

/// Rights that agents may have on a view.
const RIGHTS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// A view that is installed for another one.
pub(super) struct Twin<'a> {
    pub(super) relation: &'a Relation,
    /// The query, over masked relations alone.
    query: String,
    /// Whether agents use it, so that there is no plan without it.
    pub(super) needed: bool,
    /// Relations without masks that its owner reads for it.
    open: Vec<&'a Relation>,
}

/// Views that show masked columns, over any number of others.
pub(super) fn showing(facts: &Facts, masks: &Masks) -> BTreeSet<u32> {
    let mut showing: BTreeSet<u32> = BTreeSet::new();
    // Views stand over views: until nothing is added.
    loop {
        let before = showing.len();
        for reads in &facts.reads {
            let columns = masks.of(reads.relation);
            let direct = columns.is_some_and(|columns| reads.whole || !columns.is_disjoint(&reads.columns));
            if direct || showing.contains(&reads.relation) {
                showing.insert(reads.view);
            }
        }
        if showing.len() == before {
            return showing;
        }
    }
}

/// The twins of a plan, each after those that it reads.
pub(super) fn twins<'a>(facts: &'a Facts, masks: &Masks) -> Vec<Twin<'a>> {
    let showing = showing(facts, masks);
    let by_oid = facts.by_oid();
    let mut reads: BTreeMap<u32, Vec<&Reads>> = BTreeMap::new();
    for one in &facts.reads {
        reads.entry(one.view).or_default().push(one);
    }
    let mut standing: Vec<u32> = Vec::new();
    // Each round finds what stands over what was found before.
    for _ in 0..DEPTH_MAX {
        let found = showing.iter().filter(|oid| {
            let stands = by_oid.get(oid).is_some_and(|view| {
                let read = reads.get(oid).into_iter().flatten();
                let misread = |one: &Reads| misread(view, one, masks, &showing, &standing, &by_oid).is_some();
                fault(view, masks).is_none() && !read.copied().any(misread)
            });
            stands && !standing.contains(oid)
        });
        let found: Vec<u32> = found.copied().collect();
        if found.is_empty() {
            break;
        }
        standing.extend(found);
    }
    let twin = |oid: &u32| {
        let relation = *by_oid.get(oid)?;
        let replaced = |schema: &str, name: &str| {
            let named = facts
                .relations
                .iter()
                .find(|one| one.schema == schema && one.name == name)?;
            let stands = masks.of(named.oid).is_some() || standing.contains(&named.oid);
            stands.then(|| format!("{SCHEMA}.{}", identifier(&view_name(&named.resource()))))
        };
        let query = replace_relations(relation.definition.as_deref()?, &replaced)?;
        let read = reads.get(oid).into_iter().flatten();
        let open = read.filter_map(|one| by_oid.get(&one.relation).copied());
        let open = open.filter(|one| masks.of(one.oid).is_none() && !showing.contains(&one.oid) && !relation.invoker);
        let needed = !relation.invoker && (relation.is_usable() || facts.installed_for(*oid).is_some());
        Some(Twin {
            relation,
            query,
            needed,
            open: open.collect(),
        })
    };
    standing.iter().filter_map(twin).collect()
}

/// Why no other view can stand in for it.
fn fault(view: &Relation, masks: &Masks) -> Option<&'static str> {
    let shared = !view.otherwise.is_empty() || view.columns.iter().any(|column| column.otherwise);
    let faults = [
        (view.kind != "v", "it is no plain view"),
        (view.own, "agents own it"),
        (view.rules, "it has rules of its own"),
        (view.triggers, "it has triggers"),
        (view.definition.is_none(), "the server does not write its query"),
        (masks.of(view.oid).is_some(), "columns of the view itself are masked"),
        (!view.invoker && shared, "agents use it by PUBLIC or another role"),
    ];
    faults.into_iter().find(|(holds, _)| *holds).map(|(_, fault)| fault)
}

/// Why what the view reads there is not read by a twin as it is by the view, masked.
fn misread(
    view: &Relation,
    read: &Reads,
    masks: &Masks,
    showing: &BTreeSet<u32>,
    standing: &[u32],
    by_oid: &BTreeMap<u32, &Relation>,
) -> Option<&'static str> {
    let Some(relation) = by_oid.get(&read.relation) else {
        return (!view.invoker).then_some("it reads a relation of the system for its owner");
    };
    let (masked, shows) = (masks.of(relation.oid).is_some(), showing.contains(&relation.oid));
    let faults = [
        (
            masked && !matches!(relation.kind.as_str(), "r" | "p"),
            "what it reads is masked and no table",
        ),
        (
            !masked && shows && !standing.contains(&relation.oid),
            "a view that it reads has none",
        ),
        (!view.invoker && !read.readable, "its owner may not read what it reads"),
        (
            !view.invoker && !masked && !shows && relation.row_security,
            "row security holds for what it reads",
        ),
    ];
    faults.into_iter().find(|(holds, _)| *holds).map(|(_, fault)| fault)
}

/// Views that agents have rights on, that show masked columns and that have no twin: each with the reason.
pub(super) fn without<'a>(facts: &'a Facts, masks: &Masks, twins: &[Twin<'_>]) -> Vec<(&'a Relation, &'static str)> {
    let (showing, by_oid) = (showing(facts, masks), facts.by_oid());
    let standing: Vec<u32> = twins.iter().map(|twin| twin.relation.oid).collect();
    let usable = showing.iter().filter_map(|oid| by_oid.get(oid).copied());
    let usable = usable.filter(|view| view.kind == "v" && view.is_usable() && !standing.contains(&view.oid));
    let why = |view: &'a Relation| {
        let read = facts.reads.iter().filter(|read| read.view == view.oid);
        let misread = |read| misread(view, read, masks, &showing, &standing, &by_oid);
        let why = fault(view, masks).or_else(|| read.into_iter().find_map(misread));
        (view, why.unwrap_or("its query is not understood"))
    };
    usable.map(why).collect()
}

impl Twin<'_> {
    /// Its qualified name.
    fn name(&self) -> String {
        format!("{SCHEMA}.{}", identifier(&view_name(&self.relation.resource())))
    }

    /// What it stands for, and what its owner reads for it.
    pub(super) fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.open.iter().copied().chain([self.relation])
    }

    /// What the administrator gives the owner, before it makes the twin.
    pub(super) fn grants(&self) -> Vec<String> {
        let relations = self.open.iter().map(|relation| relation.sql());
        relations
            .map(|name| format!("GRANT SELECT ON {name} TO {OWNER}"))
            .collect()
    }

    /// Makes it, says what it stands for, and who may use it; a text of several statements.
    pub(super) fn made(&self, role: &str, facts: &Facts) -> String {
        let (name, relation) = (self.name(), self.relation);
        let mut options = vec!["security_barrier".to_owned()];
        if relation.invoker {
            options.push("security_invoker".to_owned());
        }
        options.extend(
            relation
                .check_option
                .iter()
                .map(|option| format!("check_option = {option}")),
        );
        let names: Vec<String> = relation.columns.iter().map(|column| identifier(&column.name)).collect();
        let mut statements = vec![
            format!(
                "CREATE VIEW {name} ({}) WITH ({}) AS {}",
                names.join(", "),
                options.join(", "),
                self.query.trim_end().trim_end_matches(';')
            ),
            format!("COMMENT ON VIEW {name} IS {}", literal(&relation.oid.to_string())),
        ];
        let rights = self.rights(facts);
        if !rights.is_empty() {
            statements.push(format!("GRANT {} ON {name} TO {role}", rights.join(", ")));
        }
        statements.join(";\n")
    }

    /// Rights of the agents on it: those that they had on the view.
    fn rights(&self, facts: &Facts) -> Vec<String> {
        let relation = self.relation;
        let installed = facts.installed_for(relation.oid).filter(|_| !relation.invoker);
        let mut rights = Vec::new();
        for right in RIGHTS {
            let had = installed.is_some_and(|twin| twin.granted.contains(right));
            if relation.held.contains(right) || had {
                rights.push(right.to_owned());
            }
        }
        let readable = |name: &str| installed.is_some_and(|twin| twin.readable.contains(name));
        let columns = relation.columns.iter();
        let columns = columns.filter(|column| column.held.contains("SELECT") || readable(&column.name));
        let columns: Vec<String> = columns.map(|column| identifier(&column.name)).collect();
        if !rights.iter().any(|right| right == "SELECT") && !columns.is_empty() {
            rights.push(format!("SELECT ({})", columns.join(", ")));
        }
        rights
    }

    /// What the agents lose: all on a view that reads for its owner.
    pub(super) fn taken(&self, role: &str) -> Option<String> {
        let taken = || format!("REVOKE ALL ON {} FROM {role}", self.relation.sql());
        (!self.relation.invoker).then(taken)
    }
}

/// Views whose twins are no more: the agents use them as before, where they show nothing masked.
pub(super) fn lifted(role: &str, twins: &[Twin<'_>], showing: &BTreeSet<u32>, facts: &Facts, steps: &mut Vec<Step>) {
    let by_oid = facts.by_oid();
    let installed = facts.installed.iter().flat_map(|installed| &installed.relations);
    for twin in installed {
        let stood_for = twin.stands_for.and_then(|oid| by_oid.get(&oid));
        let stands = |view: &Relation| twins.iter().any(|twin| twin.relation.oid == view.oid);
        let Some(view) = stood_for.filter(|view| !view.invoker && !stands(view) && !showing.contains(&view.oid)) else {
            continue;
        };
        let rights: Vec<&str> = RIGHTS
            .into_iter()
            .filter(|right| twin.granted.contains(*right))
            .collect();
        let columns: Vec<String> = twin.readable.iter().map(|name| identifier(name)).collect();
        if !rights.is_empty() {
            steps.push(Step::passing(format!(
                "GRANT {} ON {} TO {role}",
                rights.join(", "),
                view.sql()
            )));
        }
        if !columns.is_empty() {
            steps.push(Step::passing(format!(
                "GRANT SELECT ({}) ON {} TO {role}",
                columns.join(", "),
                view.sql()
            )));
        }
    }
}

/// What is installed for a view and reads a masked relation, or a view over one, itself. No plan may leave one.
pub(super) fn reads_raw(facts: &Facts, masks: &Masks) -> Option<String> {
    let showing = showing(facts, masks);
    let mut installed = facts.installed.iter().flat_map(|installed| &installed.relations);
    let raw = |oid: &u32| masks.of(*oid).is_some() || showing.contains(oid);
    let found = installed.find(|one| one.stands_for.is_some() && one.reads.iter().any(raw));
    found.map(|one| one.name.clone())
}

/// A view that reads masked columns with its owner's rights, and on which the agents have kept a right.
pub(super) fn left_usable(twins: &[Twin<'_>]) -> Option<String> {
    let mut views = twins.iter().map(|twin| twin.relation);
    let found = views.find(|relation| !relation.invoker && relation.is_usable());
    found.map(Relation::resource)
}

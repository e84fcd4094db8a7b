//! The statements of a plan. Each is one that can run again; together they run in one transaction.
//!
//! What they make belongs to [`super::OWNER`]: they become it for that, so no default privilege of who runs them holds.

use std::collections::BTreeSet;

use super::facts::{Column, Facts, InstalledRelation, Relation};
use super::plan::View;
use super::twin::{self, Twin};
use super::{OWNER, SCHEMA, expression, identifier, is_writing, view_name, writing_name};

/// The table in which a plan is recorded, in the schema.
pub(super) const APPLIED: &str = "applied";

/// The view through which the agents' role sees that record, in the schema.
pub(super) const STANDING: &str = "standing";

/// The domain of the token that shows which constants are installed: it is that of the letters under the key.
pub(super) const KEY_DOMAIN: &str = "exhibit.installed";

/// One statement of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The statement. `$1` and `$2` stand for the two halves of the key of tokens, which nobody prints, and `$3` for the class
    /// of letters and digits.
    pub sql: String,
    /// Whether it takes the key.
    pub takes_key: bool,
    /// That it makes the twin of a view.
    pub(super) twin: Option<TwinStep>,
    /// Whether it says what is there afterwards, and not only how that comes about.
    pub(super) lasts: bool,
}

/// Whose twin a statement makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TwinStep {
    pub(super) view: String,
    /// Whether there is no plan without it.
    pub(super) needed: bool,
}

impl Step {
    fn lasting(sql: String) -> Self {
        Self {
            sql,
            takes_key: false,
            twin: None,
            lasts: true,
        }
    }

    pub(super) fn passing(sql: String) -> Self {
        Self {
            sql,
            takes_key: false,
            twin: None,
            lasts: false,
        }
    }
}

/// All statements, in order.
pub(super) fn steps(
    role: &str,
    views: &[View<'_>],
    twins: &[Twin<'_>],
    showing: &BTreeSet<u32>,
    facts: &Facts,
) -> Vec<Step> {
    let role = identifier(role);
    let mut steps = Vec::new();
    if facts.owner.is_none() {
        steps.push(Step::passing(format!("CREATE ROLE {OWNER} NOLOGIN NOINHERIT")));
    }
    if facts.installed.is_none() {
        steps.push(Step::passing(format!("CREATE SCHEMA {SCHEMA} AUTHORIZATION {OWNER}")));
    }
    let relations = views.iter().map(|view| view.relation);
    let relations = relations.chain(twins.iter().flat_map(Twin::relations));
    let schemas: BTreeSet<&str> = relations.map(|relation| relation.schema.as_str()).collect();
    let schemas = schemas.into_iter().map(identifier);
    steps.extend(schemas.map(|schema| Step::lasting(format!("GRANT USAGE ON SCHEMA {schema} TO {OWNER}"))));
    for View { relation, .. } in views {
        let rights = ["INSERT", "UPDATE", "DELETE"]
            .into_iter()
            .filter(|right| holds(relation, right));
        let rights: Vec<&str> = ["SELECT"].into_iter().chain(rights).collect();
        let base = relation.sql();
        steps.push(Step::passing(format!("REVOKE ALL ON {base} FROM {OWNER}")));
        steps.push(Step::lasting(format!(
            "GRANT {} ON {base} TO {OWNER}",
            rights.join(", ")
        )));
    }
    steps.extend(twins.iter().flat_map(Twin::grants).map(Step::lasting));
    steps.push(Step::passing(format!("SET LOCAL ROLE {OWNER}")));
    owned(&role, views, facts, &mut steps);
    for twin in twins {
        steps.push(Step {
            twin: Some(TwinStep {
                view: twin.relation.resource(),
                needed: twin.needed,
            }),
            ..Step::lasting(twin.made(&role, facts))
        });
    }
    steps.push(Step::passing("RESET ROLE".to_owned()));
    for view in views {
        based(&role, view, facts, &mut steps);
    }
    steps.extend(twins.iter().filter_map(|twin| twin.taken(&role)).map(Step::lasting));
    lifted(&role, views, facts, &mut steps);
    twin::lifted(&role, twins, showing, facts, &mut steps);
    // All agents share the role, and each would see what the others say (`pg_stat_activity`); only a superuser changes this.
    steps.push(Step::lasting(format!("ALTER ROLE {role} SET track_activities = off")));
    steps
}

/// What belongs to the owner: the constants, the record, the views, and who may read them.
fn owned(role: &str, views: &[View<'_>], facts: &Facts, steps: &mut Vec<Step>) {
    let constants = format!("{SCHEMA}.{}", expression::CONSTANTS);
    let functions = facts.installed.iter().flat_map(|installed| &installed.functions);
    for function in functions {
        steps.push(Step::passing(format!("DROP FUNCTION {}", function.signature)));
    }
    let installed = facts.installed.iter().flat_map(|installed| &installed.relations);
    let there = installed.filter(|relation| relation.kind == "v" && relation.name != STANDING);
    let there: Vec<String> = there
        .map(|view| format!("{SCHEMA}.{}", identifier(&view.name)))
        .collect();
    // Together, for twins stand over others.
    if !there.is_empty() {
        steps.push(Step::passing(format!("DROP VIEW {}", there.join(", "))));
    }
    let once = "once bool PRIMARY KEY DEFAULT true CHECK (once)";
    let key = expression::token(&expression::constant("c.letters"), KEY_DOMAIN);
    let lasting = [
        format!("REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC"),
        format!("GRANT USAGE ON SCHEMA {SCHEMA} TO {role}"),
        format!("CREATE TABLE IF NOT EXISTS {constants} ({once}, inner_pad bytea, outer_pad bytea, letters text)"),
        format!(
            "CREATE TABLE IF NOT EXISTS {SCHEMA}.{APPLIED} ({once}, target text, role text, policy text, masks text, plan text, state text)"
        ),
        format!("REVOKE ALL ON {constants}, {SCHEMA}.{APPLIED} FROM PUBLIC, {role}"),
        format!(
            "CREATE OR REPLACE VIEW {SCHEMA}.{STANDING} WITH (security_barrier) AS \
             SELECT a.target, a.role, a.masks, a.plan, a.state, {key} AS key FROM {SCHEMA}.{APPLIED} a"
        ),
        format!("GRANT SELECT ON {SCHEMA}.{STANDING} TO {role}"),
    ];
    steps.extend(lasting.map(Step::lasting));
    steps.push(Step::passing(format!("DELETE FROM {constants}")));
    steps.push(Step {
        takes_key: true,
        ..Step::lasting(format!(
            "INSERT INTO {constants} (inner_pad, outer_pad, letters) VALUES ($1, $2, $3)"
        ))
    });
    for view in views {
        let name = view_name(&view.relation.resource());
        let rights = view_rights(view.relation, facts.installed_view(&name));
        let own = own_rows(role, view, facts.installed_view(&name));
        let written = written(role, view, facts.installed_view(&name));
        let View { query, .. } = view;
        let view = format!("{SCHEMA}.{}", identifier(&name));
        steps.push(Step::lasting(format!(
            "CREATE VIEW {view} WITH (security_barrier) AS {query}"
        )));
        if !rights.is_empty() {
            steps.push(Step::lasting(format!(
                "GRANT {} ON {view} TO {role}",
                rights.join(", ")
            )));
        }
        steps.extend(own.into_iter().chain(written).map(Step::lasting));
    }
}

/// The view that takes changes of masked columns, where the role may make such: it writes those columns themselves and cannot
/// read them, and reads their masked forms. Whole rows and stars of it are not readable for that.
fn written(role: &str, view: &View<'_>, installed: Option<&InstalledRelation>) -> Vec<String> {
    let View { relation, columns, .. } = view;
    let holds = |right: &str, column: &Column| relation.held.contains(right) || column.held.contains(right);
    let mut rights = Vec::new();
    for right in ["INSERT", "UPDATE"] {
        let held = columns.iter().filter(|one| holds(right, one.column));
        let held: Vec<String> = held.map(|one| view.written_name(one.column)).collect();
        if !held.is_empty() {
            rights.push(format!("{right} ({})", held.join(", ")));
        }
    }
    let Some(query) = view.written().filter(|_| !rights.is_empty()) else {
        return Vec::new();
    };
    let readable = columns.iter().filter(|one| reads(relation, one.column, installed));
    rights.extend(on_columns("SELECT", readable.map(|one| one.column.name.as_str())));
    let name = format!("{SCHEMA}.{}", identifier(&writing_name(&relation.resource())));
    vec![
        format!("CREATE VIEW {name} WITH (security_barrier) AS {query}"),
        format!("GRANT {} ON {name} TO {role}", rights.join(", ")),
    ]
}

/// The rows of a relation alone, without those of relations below it, as a function without arguments: what `COPY` and `ONLY`
/// read, also where the session has the server expand no views, as `pg_dump` does (CVE-2024-7348). It gives the columns that
/// the role may read, and there is none of a partitioned relation, which has no rows of its own, or of a view, whose functions
/// would act for the owner.
///
/// Its body was parsed when it was made, as a view's is (`BEGIN ATOMIC`): it reads the relation itself, whatever has its name by
/// then, and takes nothing from who calls it.
fn own_rows(role: &str, view: &View<'_>, installed: Option<&InstalledRelation>) -> Vec<String> {
    let View { relation, columns, .. } = view;
    let shown: Vec<_> = columns
        .iter()
        .filter(|one| reads(relation, one.column, installed))
        .collect();
    if relation.kind != "r" || shown.is_empty() {
        return Vec::new();
    }
    let types = shown
        .iter()
        .map(|one| format!("{} {}", identifier(&one.column.name), one.column.base));
    let types: Vec<String> = types.collect();
    let shown: Vec<&str> = shown.iter().map(|one| one.shown.as_str()).collect();
    let query = format!("SELECT {} FROM ONLY {} r", shown.join(", "), relation.sql());
    let function = format!("{SCHEMA}.{}()", identifier(&view_name(&relation.resource())));
    vec![
        format!(
            "CREATE FUNCTION {function} RETURNS TABLE ({}) LANGUAGE sql STABLE SECURITY DEFINER \
             SET search_path = pg_catalog, pg_temp BEGIN ATOMIC {query}; END",
            types.join(", "),
        ),
        format!("REVOKE ALL ON FUNCTION {function} FROM PUBLIC"),
        format!("GRANT EXECUTE ON FUNCTION {function} TO {role}"),
    ]
}

/// Whether the role may read the column, or could before there were masks.
fn reads(relation: &Relation, column: &Column, installed: Option<&InstalledRelation>) -> bool {
    reads_all(relation, installed)
        || column.held.contains("SELECT")
        || installed.is_some_and(|view| view.readable.contains(&column.name))
}

/// Rights of the agents' role on a view: to read, what it could read before there were masks; to change, what it may change.
fn view_rights(relation: &Relation, installed: Option<&InstalledRelation>) -> Vec<String> {
    let mut rights = Vec::new();
    if reads_all(relation, installed) {
        rights.push("SELECT".to_owned());
    } else {
        let columns = relation
            .columns
            .iter()
            .filter(|column| reads(relation, column, installed));
        rights.extend(on_columns("SELECT", columns.map(|column| column.name.as_str())));
    }
    for right in ["INSERT", "UPDATE", "DELETE"] {
        if relation.held.contains(right) {
            rights.push(right.to_owned());
        } else {
            let columns = relation.columns.iter().filter(|column| column.held.contains(right));
            rights.extend(on_columns(right, columns.map(|column| column.name.as_str())));
        }
    }
    rights
}

/// What the agents' role loses and keeps on the relation itself.
fn based(role: &str, view: &View<'_>, facts: &Facts, steps: &mut Vec<Step>) {
    let View { relation, masked, .. } = view;
    let installed = facts.installed_view(&view_name(&relation.resource()));
    let base = relation.sql();
    steps.push(Step::lasting(format!(
        "REVOKE SELECT, REFERENCES, TRIGGER ON {base} FROM {role}"
    )));
    let all = reads_all(relation, installed);
    let readable = |name: &str| installed.is_some_and(|view| view.readable.contains(name));
    let open = relation
        .columns
        .iter()
        .filter(|column| !masked.contains(&column.number));
    let kept = open.filter(|column| all || column.granted.contains("SELECT") || readable(&column.name));
    if let Some(right) = on_columns("SELECT", kept.map(|column| column.name.as_str())) {
        steps.push(Step::lasting(format!("GRANT {right} ON {base} TO {role}")));
    }
}

/// Relations that have masks no more: the role reads them as before.
fn lifted(role: &str, views: &[View<'_>], facts: &Facts, steps: &mut Vec<Step>) {
    let by_oid = facts.by_oid();
    let installed = facts.installed.iter().flat_map(|installed| &installed.relations);
    for view in installed.filter(|view| view.stands_for.is_none() && !is_writing(&view.name)) {
        let base = view.base.and_then(|oid| by_oid.get(&oid));
        let masked = |base: &Relation| views.iter().any(|view| view.relation.oid == base.oid);
        let Some(base) = base.filter(|base| !masked(base)) else {
            continue;
        };
        let name = base.sql();
        steps.push(Step::passing(format!("REVOKE ALL ON {name} FROM {OWNER}")));
        let right = if view.granted.contains("SELECT") {
            Some("SELECT".to_owned())
        } else {
            let there = base
                .columns
                .iter()
                .filter(|column| view.readable.contains(&column.name));
            on_columns("SELECT", there.map(|column| column.name.as_str()))
        };
        let grant = right.map(|right| Step::passing(format!("GRANT {right} ON {name} TO {role}")));
        steps.extend(grant);
    }
}

/// Whether the role could read all of the relation before there were masks.
fn reads_all(relation: &Relation, installed: Option<&InstalledRelation>) -> bool {
    relation.granted.contains("SELECT") || installed.is_some_and(|view| view.granted.contains("SELECT"))
}

/// Whether the role has a right on the relation or a column of it.
fn holds(relation: &Relation, right: &str) -> bool {
    relation.held.contains(right) || relation.columns.iter().any(|column| column.held.contains(right))
}

/// `RIGHT (columns)`, where there is a column.
fn on_columns<'a>(right: &str, columns: impl Iterator<Item = &'a str>) -> Option<String> {
    let columns: Vec<String> = columns.map(identifier).collect();
    (!columns.is_empty()).then(|| format!("{right} ({})", columns.join(", ")))
}

//! Ways around: everything by which the agents' role could see a masked column, or its values, without a right on it.
//!
//! Each check gives refusals; none of them changes anything. What the server lets everybody see of its own accord
//! (definitions, sizes, times) is not here, and in `docs/masking.md`.

use std::collections::BTreeSet;

use super::facts::{Code, Facts, READERS, Relation};
use super::plan::Masks;
use super::refusal::Refusal;
use super::{OWNER, SCHEMA, twin};

/// All that stands against a plan.
pub(super) fn refusals(facts: &Facts, masks: &Masks) -> BTreeSet<Refusal> {
    let mut found = BTreeSet::new();
    if facts.server.encoding != "UTF8" {
        found.insert(Refusal::Encoding(facts.server.encoding.clone()));
    }
    powers(facts, &mut found);
    for relation in &facts.relations {
        if let Some(columns) = masks.of(relation.oid) {
            masked(facts, relation, columns, masks, &mut found);
        }
    }
    definitions(facts, masks, &mut found);
    code(facts, masks, &mut found);
    installed(facts, &mut found);
    found
}

/// What the role is, and what it may use of the system.
fn powers(facts: &Facts, found: &mut BTreeSet<Refusal>) {
    for role in &facts.reach {
        let powers = [
            (role.superuser, "is a superuser"),
            (role.bypasses_row_security, "bypasses row security"),
            (role.creates_roles, "creates roles, and could grant itself others"),
            (role.replicates, "replicates, and reads all there is by that"),
            (
                READERS.contains(&role.name.as_str()),
                "reads data, files or the work of others, and the agents' role is a member of it",
            ),
        ];
        let powers = powers.into_iter().filter(|(has, _)| *has);
        found.extend(powers.map(|(_, power)| Refusal::Power {
            role: role.name.clone(),
            power,
        }));
    }
    found.extend(facts.powers.iter().cloned().map(Refusal::System));
    found.extend(facts.foreign_servers.iter().cloned().map(Refusal::ForeignServer));
}

/// What stands against a view in the place of a relation.
fn masked(facts: &Facts, relation: &Relation, columns: &BTreeSet<i16>, masks: &Masks, found: &mut BTreeSet<Refusal>) {
    let resource = relation.resource();
    let faults = [
        (relation.own, Refusal::Own(resource.clone())),
        (relation.row_security, Refusal::RowSecurity(resource.clone())),
        (relation.rules, Refusal::Rules(resource.clone())),
        (
            matches!(relation.kind.as_str(), "f" | "m"),
            Refusal::Kind(resource.clone()),
        ),
        (
            relation.otherwise.contains("TRIGGER"),
            Refusal::Trigger(resource.clone()),
        ),
    ];
    found.extend(faults.into_iter().filter(|(holds, _)| *holds).map(|(_, fault)| fault));
    let by_oid = facts.by_oid();
    let parents: Vec<&Relation> = relation
        .parents
        .iter()
        .filter_map(|oid| by_oid.get(oid).copied())
        .collect();
    for column in &relation.columns {
        let name = relation.column_resource(&column.name);
        if !columns.contains(&column.number) {
            let source = column.generated.iter().find(|source| columns.contains(*source));
            let source = source.and_then(|source| relation.columns.iter().find(|column| column.number == *source));
            found.extend(source.map(|source| Refusal::Generated {
                column: name,
                of: relation.column_resource(&source.name),
            }));
            continue;
        }
        if column.otherwise {
            found.insert(Refusal::Otherwise(name.clone()));
        }
        if column.own_type {
            found.insert(Refusal::OwnType(name.clone()));
        }
        if relation.partition_key.contains(&column.number) || relation.partition_key.contains(&0) {
            found.insert(Refusal::PartitionKey(name.clone()));
        }
        for parent in &parents {
            let above = parent.columns.iter().find(|above| above.name == column.name);
            let open = above.filter(|above| {
                !masks
                    .of(parent.oid)
                    .is_some_and(|masked| masked.contains(&above.number))
            });
            found.extend(open.map(|above| Refusal::Parent {
                parent: parent.column_resource(&above.name),
                child: name.clone(),
            }));
        }
    }
    let statistics = facts.statistics.iter().filter(|(oid, _)| *oid == relation.oid);
    found.extend(statistics.map(|(_, name)| Refusal::Statistics {
        relation: resource.clone(),
        name: name.clone(),
    }));
}

/// Views and rules that read masked columns for their owner, and functions that act for somebody.
fn definitions(facts: &Facts, masks: &Masks, found: &mut BTreeSet<Refusal>) {
    let showing = twin::showing(facts, masks);
    let twins = twin::twins(facts, masks);
    for relation in facts
        .relations
        .iter()
        .filter(|relation| showing.contains(&relation.oid))
    {
        let asks_itself = relation.invoker && !relation.rules;
        let has_twin = twins.iter().any(|twin| twin.relation.oid == relation.oid);
        if relation.is_usable() && !asks_itself && !has_twin {
            found.insert(Refusal::Shows {
                relation: relation.resource(),
            });
        }
    }
    for function in &facts.functions {
        if function.untrusted || function.reads.iter().any(|oid| masks.of(*oid).is_some()) {
            found.insert(Refusal::Function(function.signature.clone()));
        }
    }
}

/// Code that runs in the agents' sessions when rows change, with masked values in its hands.
fn code(facts: &Facts, masks: &Masks, found: &mut BTreeSet<Refusal>) {
    let by_oid = facts.by_oid();
    for code in &facts.code {
        let Some(relation) = by_oid.get(&code.relation) else {
            continue;
        };
        let acts = code.definer && code.reads.iter().any(|oid| masks.of(*oid).is_some());
        let meets = masks.of(code.relation).is_some() || acts;
        // What the owner of what is installed reads, it plans, and planning can call what hangs on the relation.
        let planned = code.own && masks.of(code.relation).is_some();
        if planned || meets && relation.is_changeable() && !is_held(code, facts) {
            found.insert(Refusal::Code {
                relation: relation.resource(),
                what: code.what.clone(),
                signature: code.signature.clone(),
            });
        }
    }
}

/// Whether no name in the code can be made to mean something of the agent's.
///
/// Temporary relations come first wherever the path does not say otherwise (PostgreSQL documentation, "Writing `SECURITY
/// DEFINER` Functions Safely"); an empty path finds nothing that a body could mean.
fn is_held(code: &Code, facts: &Facts) -> bool {
    let Some(path) = &code.path else {
        return code.compiled && !code.own;
    };
    let schemas: Vec<&str> = path
        .split(',')
        .map(|schema| schema.trim().trim_matches('"'))
        .filter(|schema| !schema.is_empty())
        .collect();
    let fixed = match schemas.split_last() {
        None => true,
        Some((last, before)) => {
            let held = |schema: &&str| facts.schemas.contains(*schema) && !facts.creatable.contains(*schema);
            *last == "pg_temp" && before.iter().all(held)
        }
    };
    fixed && !code.own
}

/// What is where the plan wants to be.
fn installed(facts: &Facts, found: &mut BTreeSet<Refusal>) {
    if let Some(owner) = &facts.owner {
        let reached = facts.reach.iter().find(|role| owner.members.contains(&role.name));
        let faults = [
            (
                owner.more,
                "has attributes beyond those of an ordinary role without login".to_owned(),
            ),
            (owner.member, "is a member of another role".to_owned()),
        ];
        let faults = faults.into_iter().filter(|(holds, _)| *holds).map(|(_, fault)| fault);
        let reached = reached.map(|role| format!("has the member `{}`, which agents can act as", role.name));
        found.extend(
            faults
                .chain(reached)
                .map(|fault| Refusal::Owner { owner: OWNER, fault }),
        );
    }
    let Some(installed) = &facts.installed else {
        return;
    };
    let mut faults = Vec::new();
    if installed.owner != OWNER {
        faults.push(format!("belongs to `{}`", installed.owner));
    }
    let known = ["r", "v"];
    let strange = installed
        .relations
        .iter()
        .filter(|one| !known.contains(&one.kind.as_str()));
    faults.extend(strange.map(|one| format!("holds `{}`, which no plan has put there", one.name)));
    let strange = installed.functions.iter().filter(|one| !one.planned);
    faults.extend(strange.map(|one| format!("holds `{}`, which no plan has put there", one.signature)));
    found.extend(
        faults
            .into_iter()
            .map(|fault| Refusal::Schema { schema: SCHEMA, fault }),
    );
}

impl Relation {
    /// Whether the role has any right on it.
    pub(super) fn is_usable(&self) -> bool {
        !self.held.is_empty() || self.columns.iter().any(|column| !column.held.is_empty())
    }

    /// Whether the role may change rows of it.
    pub(super) fn is_changeable(&self) -> bool {
        let changes =
            |held: &BTreeSet<String>| ["INSERT", "UPDATE", "DELETE"].iter().any(|right| held.contains(*right));
        changes(&self.held) || self.columns.iter().any(|column| changes(&column.held))
    }
}

//! A plan: which columns are masked and how, and the statements that make a database do it.
//!
//! It is a pure function of policy and [`Facts`], and of the facts only what matters is in it: made again of what it has
//! made, it is the same plan with the same digest. Rights that the agents' role had before are seen on the installed views,
//! so a mask that is lifted gives them back.
//!
//! Not here: the texts of the statements ([`super::script`]), and what stands against a plan ([`super::exposure`]).

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::mask::Technique;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;
use serde::Serialize;

use super::facts::{Column, Facts, Relation};
use super::refusal::{PlanError, Refusal};
use super::script::{self, Step};
use super::warning::{self, Warning};
use super::{exposure, expression, identifier, raw_column, standing, twin, view_name};

/// Relations with masks at the most: each costs a view, and every session reads their definitions once.
const RELATIONS_MAX: usize = 4_096;

/// What a masked column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// What its technique makes of the value.
    Technique,
    /// NULL, and why.
    Null(&'static str),
}

/// A masked column of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaskedColumn {
    /// `schema.relation.column`.
    pub resource: String,
    /// The mask's name in the policy.
    pub mask: String,
    /// The technique's word.
    pub technique: &'static str,
    /// What it shows.
    pub shown: Shown,
}

/// A relation with masked columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaskedRelation {
    /// `schema.relation`.
    pub resource: String,
    /// Name of the view that stands for it, in the schema of what is installed.
    pub view: String,
    /// Its masked columns, in order.
    pub columns: Vec<MaskedColumn>,
}

/// What is to be installed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(super) target: String,
    pub(super) role: String,
    pub(super) policy: Digest,
    pub(super) masks: String,
    pub(super) relations: Vec<MaskedRelation>,
    pub(super) steps: Vec<Step>,
    pub(super) digest: Digest,
    pub(super) warnings: Vec<Warning>,
}

impl Plan {
    /// Makes the plan for a target, whose agents act as `role`.
    ///
    /// # Errors
    /// [`PlanError`] when the role does not exist, or would still reach masked values.
    pub fn compile(policy: &Snapshot, target: &str, role: &str, facts: &Facts) -> Result<Self, PlanError> {
        if facts.reach.first().is_none_or(|first| first.name != role) {
            return Err(PlanError::Role(role.to_owned()));
        }
        let masks = Masks::of_policy(policy, target, facts);
        let mut refusals = exposure::refusals(facts, &masks);
        if masks.columns.len() > RELATIONS_MAX {
            refusals.insert(Refusal::TooMany {
                found: masks.columns.len(),
                limit: RELATIONS_MAX,
            });
        }
        if !refusals.is_empty() {
            return Err(PlanError::Refused(refusals.into_iter().collect()));
        }
        let mut relations = Vec::new();
        let mut views = Vec::new();
        for relation in &facts.relations {
            let Some(columns) = masks.of(relation.oid) else {
                continue;
            };
            let (masked, view) = masked_relation(relation, columns, &masks);
            relations.push(masked);
            views.push(view);
        }
        let twins = twin::twins(facts, &masks);
        let warnings = warning::warnings(role, facts, &masks, &views, &twins);
        let steps = script::steps(role, &views, &twins, &twin::showing(facts, &masks), facts);
        let lasting = steps.iter().filter(|step| step.lasts).map(|step| step.sql.as_str());
        let lasting: Vec<&str> = lasting.collect();
        Ok(Self {
            target: target.to_owned(),
            role: role.to_owned(),
            policy: policy.digest(),
            masks: standing::masks(policy, target),
            digest: Digest::of(lasting.join(";\n").as_bytes()),
            relations,
            steps,
            warnings,
        })
    }

    /// The agents' role.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The masked relations, by name.
    pub fn relations(&self) -> &[MaskedRelation] {
        &self.relations
    }

    /// The statements, in order; the key of tokens stands in none of them.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What an administrator should know of it.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The same plan with more warnings.
    pub(super) fn warned(mut self, more: Vec<Warning>) -> Self {
        self.warnings.extend(more);
        self
    }

    /// A masked relation on all of which the role still has a right that the plan takes: only its grantor can take that back.
    pub(super) fn right_left(&self, policy: &Snapshot, facts: &Facts) -> Option<String> {
        let masks = Masks::of_policy(policy, &self.target, facts);
        if let Some(view) = twin::left_usable(&twin::twins(facts, &masks)) {
            return Some(view);
        }
        let masked = |relation: &&Relation| self.relations.iter().any(|one| one.resource == relation.resource());
        let mut masked = facts.relations.iter().filter(masked);
        let left = masked.find(|relation| {
            ["SELECT", "TRIGGER"]
                .iter()
                .any(|right| relation.granted.contains(*right))
        });
        left.map(Relation::resource)
    }

    /// What stands for a view and reads a masked relation itself.
    pub(super) fn reads_raw(&self, policy: &Snapshot, facts: &Facts) -> Option<String> {
        twin::reads_raw(facts, &Masks::of_policy(policy, &self.target, facts))
    }

    /// What tells two plans apart: the digest of what lasts of their statements.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// A view of the plan.
pub(super) struct View<'a> {
    /// What it stands for.
    pub(super) relation: &'a Relation,
    /// The masked columns of that.
    pub(super) masked: &'a BTreeSet<i16>,
    /// What it is.
    pub(super) query: String,
    /// The same by column: its name, its type and what it is, from `r`.
    pub(super) columns: Vec<ViewColumn<'a>>,
}

impl View<'_> {
    /// The query of the view that takes changes of masked columns: the relation's own columns in their order, the masked ones
    /// under other names, and behind them the masked forms. `None` where a column of the relation has such a name already.
    pub(super) fn written(&self) -> Option<String> {
        let named = |name: &str| self.columns.iter().any(|one| one.column.name == name);
        let raw = |one: &&ViewColumn<'_>| self.masked.contains(&one.column.number);
        if self
            .columns
            .iter()
            .filter(raw)
            .any(|one| named(&raw_column(one.column.number)))
        {
            return None;
        }
        let own = self.columns.iter().map(|one| {
            let renamed = || {
                format!(
                    "r.{} AS {}",
                    identifier(&one.column.name),
                    self.written_name(one.column)
                )
            };
            if raw(&one) { renamed() } else { one.shown.clone() }
        });
        let masked = self.columns.iter().filter(raw).map(|one| one.shown.clone());
        let columns: Vec<String> = own.chain(masked).collect();
        Some(format!("SELECT {} FROM {} r", columns.join(", "), self.relation.sql()))
    }

    /// The name under which that view takes a column.
    pub(super) fn written_name(&self, column: &Column) -> String {
        if self.masked.contains(&column.number) {
            identifier(&raw_column(column.number))
        } else {
            identifier(&column.name)
        }
    }
}

/// A column of a view.
pub(super) struct ViewColumn<'a> {
    pub(super) column: &'a Column,
    /// What it is, from `r`.
    pub(super) shown: String,
}

/// A relation as the plan lists it, and its view.
fn masked_relation<'a>(relation: &'a Relation, masked: &'a BTreeSet<i16>, masks: &Masks) -> (MaskedRelation, View<'a>) {
    let mut columns = Vec::new();
    let mut outputs = Vec::new();
    for column in &relation.columns {
        let name = identifier(&column.name);
        let Some((mask, technique)) = masks.masks.get(&(relation.oid, column.number)) else {
            let shown = format!("r.{name}");
            outputs.push(ViewColumn { column, shown });
            continue;
        };
        let (sql, shown) = expression::masked(column, &relation.columns, technique);
        let output = format!("{sql} AS {name}");
        outputs.push(ViewColumn { column, shown: output });
        columns.push(MaskedColumn {
            resource: relation.column_resource(&column.name),
            mask: mask.clone(),
            technique: technique.as_str(),
            shown,
        });
    }
    let resource = relation.resource();
    let listed = MaskedRelation {
        view: view_name(&resource),
        resource,
        columns,
    };
    let shown: Vec<&str> = outputs.iter().map(|output| output.shown.as_str()).collect();
    let query = format!("SELECT {} FROM {} r", shown.join(", "), relation.sql());
    let view = View {
        relation,
        masked,
        query,
        columns: outputs,
    };
    (listed, view)
}

/// The masks of a target's columns.
#[derive(Debug, Default)]
pub(super) struct Masks {
    columns: BTreeMap<u32, BTreeSet<i16>>,
    masks: BTreeMap<(u32, i16), (String, Technique)>,
}

impl Masks {
    /// Those of the policy; a column of a relation below a masked one has the mask of the column above, where the policy
    /// gives it none: its rows are the same.
    fn of_policy(policy: &Snapshot, target: &str, facts: &Facts) -> Self {
        let mut masks = Self::default();
        for relation in &facts.relations {
            for column in &relation.columns {
                if let Some(mask) = policy.mask(target, &relation.column_resource(&column.name)) {
                    masks.insert(relation.oid, column.number, (mask.name.clone(), mask.technique.clone()));
                }
            }
        }
        let by_oid = facts.by_oid();
        loop {
            let before = masks.masks.len();
            for relation in &facts.relations {
                for parent in relation.parents.iter().filter_map(|oid| by_oid.get(oid)) {
                    for column in &relation.columns {
                        let above = parent.columns.iter().find(|above| above.name == column.name);
                        let above = above.and_then(|above| masks.masks.get(&(parent.oid, above.number)).cloned());
                        if let (Some(mask), false) = (above, masks.masks.contains_key(&(relation.oid, column.number))) {
                            masks.insert(relation.oid, column.number, mask);
                        }
                    }
                }
            }
            if masks.masks.len() == before {
                return masks;
            }
        }
    }

    fn insert(&mut self, relation: u32, column: i16, mask: (String, Technique)) {
        self.columns.entry(relation).or_default().insert(column);
        self.masks.insert((relation, column), mask);
    }

    /// The masked columns of a relation, where it has any.
    pub(super) fn of(&self, relation: u32) -> Option<&BTreeSet<i16>> {
        self.columns.get(&relation)
    }
}

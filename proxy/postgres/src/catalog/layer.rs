//! One half of a catalog: what initdb made, or everything else.

use std::collections::{BTreeMap, BTreeSet};

use super::{Code, ColumnId, Functions, Relation};

/// Definitions, by number and by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    pub(super) relations: BTreeMap<u32, Relation>,
    /// Numbers by schema and name.
    by_name: BTreeMap<String, BTreeMap<String, u32>>,
    /// Numbers of children by the number of a parent, which may be in the other layer.
    children: BTreeMap<u32, BTreeSet<u32>>,
    /// Functions that are not the server's own, by name.
    pub(super) functions: BTreeMap<String, Functions>,
    /// Names of operators that run code which is neither the server's own nor compiled.
    pub(super) operators: BTreeSet<String>,
    /// Names of types that are not the server's own and whose casts run no interpreted code.
    pub(super) types: BTreeSet<String>,
    /// Names of all other types that are not the server's own.
    pub(super) other_types: BTreeSet<String>,
    /// Columns of other relations whose rows are met where rows of a relation are changed: on the other side of its foreign keys.
    pub(super) meets: BTreeMap<u32, BTreeSet<ColumnId>>,
    /// Every name in it.
    names: BTreeSet<String>,
    pub(super) temporary_schema: Option<String>,
    /// The versions of all rules, as one digest of the server's.
    pub(super) rules: String,
    /// Code of casts and operators, which every statement could run.
    pub(super) code: Code,
}

impl Layer {
    pub(super) fn add(&mut self, relation: Relation) {
        let schema = self.by_name.entry(relation.schema.clone()).or_default();
        schema.insert(relation.name.clone(), relation.oid);
        self.relations.insert(relation.oid, relation);
    }

    /// Everything was added: makes what is looked up from it.
    pub(super) fn index(&mut self) {
        for relation in self.relations.values() {
            for parent in &relation.parents {
                self.children.entry(*parent).or_default().insert(relation.oid);
            }
        }
        let relations = self.relations.values().flat_map(|relation| {
            let columns = relation.columns.values().map(|column| column.name.clone());
            columns.chain([relation.name.clone(), relation.schema.clone()])
        });
        let others = self.functions.keys().chain(&self.types).cloned();
        self.names = relations.chain(others).collect();
    }

    pub(super) fn named(&self, schema: &str, name: &str) -> Option<&Relation> {
        let oid = self.by_name.get(schema)?.get(name)?;
        self.relations.get(oid)
    }

    pub(super) fn children(&self, parent: u32) -> impl Iterator<Item = u32> {
        self.children.get(&parent).into_iter().flatten().copied()
    }

    pub(super) fn knows_name(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

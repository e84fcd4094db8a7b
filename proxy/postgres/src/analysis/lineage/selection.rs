//! Which rows the outermost query shows: by clean columns, and by probes of masked ones where the policy lets values be tried.
//!
//! Not here: what a probe looks like ([`super::super::probe`]).

use pg_query::protobuf::BoolExprType;
use serde_json::Value as Json;

use super::super::probe::{self, Family, Parameter, Probe};
use super::super::tree::{reference, tagged};
use super::columns::{Found, Proof, Value, resolve};
use super::query::list;
use super::{Env, Prover};

impl Prover<'_> {
    /// Proves that the rows go by clean columns, but for probes that are parts of the `AND` that the whole condition is;
    /// `what` goes by them.
    pub(super) fn selection(&mut self, node: Option<&Json>, env: Env<'_>, what: &'static str) -> Proof<()> {
        let Some(node) = node else { return Ok(()) };
        let and = i64::from(i32::from(BoolExprType::AndExpr));
        match node.as_object().and_then(tagged) {
            Some(("BoolExpr", fields)) if fields.get("boolop").and_then(Json::as_i64) == Some(and) => {
                self.enter()?;
                let mut parts = list(fields, "args").iter();
                parts.try_for_each(|part| self.selection(Some(part), env, what))?;
                self.leave();
                Ok(())
            }
            _ => match self.probe(node, env)? {
                Some(probe) => {
                    self.probes.push(probe);
                    Ok(())
                }
                None => self.condition(Some(node), env, what),
            },
        }
    }

    /// The probe that a comparison is; `None` where it is none that the policy allows.
    fn probe(&self, node: &Json, env: Env<'_>) -> Proof<Option<Probe>> {
        let Some(comparison) = probe::comparison(node) else {
            return Ok(None);
        };
        let Found::Column(value) = resolve(env.level, &reference(comparison.column))? else {
            return Ok(None);
        };
        let columns: Vec<String> = value.masked.iter().map(|id| self.resource(*id)).collect();
        if !value.bare || columns.is_empty() || !columns.iter().all(|column| (self.probed)(column)) {
            return Ok(None);
        }
        let constants = comparison.constants;
        let family = self.family(&value).filter(|family| {
            let mut others = constants.families.iter();
            others.all(|other| other == family)
        });
        let family = family.ok_or_else(|| {
            let column = columns.join(", ");
            format!("a value of another kind of type is compared with the masked column {column}; compare it with one of its own")
        })?;
        let parameters = constants
            .parameters
            .into_iter()
            .map(|(number, array)| Parameter { number, family, array });
        Ok(Some(Probe {
            columns,
            values: constants.values,
            parameters: parameters.collect(),
        }))
    }

    /// The family of all columns that a value may come from.
    fn family(&self, value: &Value) -> Option<Family> {
        let mut families = value.masked.iter().map(|(relation, number)| {
            let relation = self.names.catalog.relation(*relation)?;
            Family::of(relation.columns.get(number)?.type_oid)
        });
        let first = families.next()??;
        families.all(|other| other == Some(first)).then_some(first)
    }

    /// Proves that no parameter of a probe stands anywhere else: the server gives a parameter one type, which another place
    /// could decide, and one that is shown would show what was tried.
    pub(super) fn parameters_stand_alone(&self, statement: &Json) -> Proof<()> {
        if self.probes.is_empty() {
            return Ok(());
        }
        let mentions = probe::mentions(statement);
        let mut parameters = self.probes.iter().flat_map(|probe| &probe.parameters);
        let alone = parameters.all(|parameter| mentions.get(&parameter.number) == Some(&1));
        alone.then_some(()).ok_or_else(|| {
            "a parameter that is compared with a masked column stands in the statement again; bind the value twice"
                .to_owned()
        })
    }
}

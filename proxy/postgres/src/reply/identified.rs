//! Whose records the rows of a reply are: columns that the server itself names as those that identify patients, where the
//! statement is one that puts nobody else's values beside them ([`Subjects`]).
//!
//! Not here: what is proven of statements ([`crate::analysis`]), and tokens (policy).

use std::collections::BTreeSet;

use exhibit_policy::mask::Technique;
use exhibit_policy::patients::{Identified, Identifying, Naming};
use exhibit_schemas::event::access::Column;

use super::Replies;
use super::masking::Masking;
use crate::analysis::Subjects;
use crate::group::Expected;
use crate::message::backend::Field;
use crate::types;

impl Replies<'_> {
    /// Whose records rows are of which nothing is described; `None` where they are no patients'.
    pub(super) fn unidentified(&self) -> Option<Identified> {
        let (_, reply) = self.open.front()?;
        reply.is_of_patients().then(|| Identified {
            columns: Vec::new(),
            whole: false,
        })
    }

    /// Whose records rows of these columns are, which is noted at the columns; `None` where they are no patients'.
    pub(super) fn identified(
        &self,
        fields: &[Field],
        columns: &mut [Column],
        expected: Option<&Expected>,
    ) -> Option<Identified> {
        self.unidentified()?;
        let mut identifying = Vec::new();
        let mut there = BTreeSet::new();
        for (place, (field, column)) in fields.iter().zip(columns).enumerate() {
            let outputs = expected.and_then(|expected| expected.outputs.as_deref());
            let output = outputs.and_then(|outputs| outputs.get(place));
            // What is computed is nobody's name, whatever the column that it is computed from.
            let computed = output.is_some_and(|output| output.value.is_masked() && !output.value.bare);
            let Some(origin) = self.masking.origin(field).filter(|_| !computed) else {
                continue;
            };
            let (policy, target) = (self.masking.policy, self.masking.target);
            let Some(domain) = policy.patients_domain(target, &origin) else {
                continue;
            };
            let Some(naming) = self.masking.naming(field, &origin, domain) else {
                continue;
            };
            column.patients = Some(domain.to_owned());
            identifying.push(Identifying {
                place,
                domain: domain.to_owned(),
                naming,
            });
            there.insert(origin);
        }
        let whole = match expected.map(|expected| &expected.subjects) {
            Some(Subjects::Named(wanted)) => wanted.is_subset(&there),
            Some(Subjects::Nobody | Subjects::Unknown) | None => false,
        };
        Some(Identified {
            columns: identifying,
            whole,
        })
    }
}

impl Masking<'_> {
    /// How a column that identifies patients names one; `None` where what comes from the target names nobody: its database has
    /// masked it, and not by the whole token of the same domain.
    fn naming(&self, field: &Field, origin: &str, domain: &str) -> Option<Naming> {
        let kind = types::kind(field.type_oid, field.binary);
        let mask = self
            .policy
            .mask(self.target, origin)
            .filter(|_| self.masked_there(field));
        match mask.map(|mask| &mask.technique) {
            None => Some(Naming::Value(kind)),
            Some(Technique::Token { domain: own }) if own == domain && types::holds_tokens(field.type_oid) => {
                Some(Naming::Token(kind))
            }
            Some(_) => None,
        }
    }
}

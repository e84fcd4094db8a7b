//! The facts of a message, added up over its statements.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::decide::UNPROVEN;
use exhibit_policy::patients::PATIENTS;
use exhibit_schemas::event::access::{Access, Action, Attribute, Facts};

use super::edits::Withheld;
use super::kind::{Form, Named, Statement, StatementClass};
use super::tree::Tree;
use super::{ACCESSES_MAX, AnalysisError, CLASS, GRANTS, Mapped, Masks, Names, class_of, grants, touched, withhold};

/// The facts of a message, as they add up.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact about the message"
)]
pub(super) struct Summary {
    accesses: BTreeSet<Access>,
    columns: touched::Columns,
    no_where: bool,
    ddl: bool,
    copy: bool,
    /// Whether it may read or change records of patients; `None` where the policy does not name those.
    pub(super) patients: Option<bool>,
    custom_operators: bool,
    pub(super) unproven: Option<String>,
}

impl Summary {
    pub(super) fn add(&mut self, form: &Form, tree: &Tree, names: &Names<'_>, accesses: Vec<Access>) {
        for (resource, columns) in touched::columns(form, tree, names, &accesses) {
            self.columns.entry(resource).or_default().extend(columns);
        }
        self.custom_operators |= grants::custom_operators(tree, names);
        self.accesses.extend(accesses);
        self.no_where |= tree.no_where;
        self.ddl |= form.class == StatementClass::Ddl;
        self.copy |= form.copy.is_some();
    }

    /// The text for the server, where references are withheld from it; what cannot be withheld is not proven.
    pub(super) fn withhold(
        &mut self,
        sql: &str,
        withheld: &Withheld,
        names: &mut Names<'_>,
        masks: &Masks<'_>,
    ) -> Option<Mapped> {
        if self.unproven.is_some() || withheld.is_empty() {
            return None;
        }
        withhold(sql, withheld, names, masks)
            .map_err(|cause| self.unproven = Some(cause))
            .ok()
    }

    pub(super) fn facts(mut self, statements: &[Statement]) -> Result<Facts, AnalysisError> {
        if statements.is_empty() {
            self.accesses.insert(Access(Action::Session, None));
        }
        if self.accesses.len() > ACCESSES_MAX {
            return Err(AnalysisError::TooWide {
                accesses: self.accesses.len(),
            });
        }
        // Where the session knows what a name stands for, that takes its place.
        let by_name = |one: &Statement| matches!(&one.named, Some(Named::Execute { .. } | Named::Fetch { .. }));
        let grants = |one: &Statement| one.grants || by_name(one);
        let count = u64::try_from(statements.len()).unwrap_or(u64::MAX);
        let mut attributes = BTreeMap::from([
            (CLASS.to_owned(), Attribute::Text(class_of(statements).to_owned())),
            ("copy".to_owned(), Attribute::Bool(self.copy)),
            ("custom_operators".to_owned(), Attribute::Bool(self.custom_operators)),
            ("ddl".to_owned(), Attribute::Bool(self.ddl)),
            (GRANTS.to_owned(), Attribute::Bool(statements.iter().any(grants))),
            ("no_where".to_owned(), Attribute::Bool(self.no_where)),
            ("statements".to_owned(), Attribute::Integer(count)),
        ]);
        if let Some(patients) = self.patients {
            attributes.insert(PATIENTS.to_owned(), Attribute::Bool(patients));
        }
        if let Some(cause) = self.unproven {
            attributes.insert(UNPROVEN.to_owned(), Attribute::Text(cause));
        }
        Ok(Facts {
            accesses: self.accesses.into_iter().collect(),
            attributes,
            columns: Some(touched::stated(self.columns)),
        })
    }
}

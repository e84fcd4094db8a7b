//! `[[patients]]` of a policy file: which columns of which targets identify patients, and the domain of their tokens.
//!
//! A column is named in full, without patterns, so that the policy alone says whether a relation holds records of patients.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Over, PolicyError, Rule, Snapshot, known};

/// An element as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PatientsText {
    pub(super) name: String,
    targets: Vec<String>,
    resources: Vec<String>,
    domain: Option<String>,
}

/// The column of a relation that identifies patients.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    resource: String,
    domain: String,
    /// Which element of the file names it.
    element: usize,
}

/// The columns that identify patients, by target and relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Patients(BTreeMap<String, BTreeMap<String, Column>>);

/// Reads the elements.
pub(super) fn check(texts: Vec<PatientsText>, targets: &BTreeSet<String>) -> Result<Patients, PolicyError> {
    let mut patients = Patients::default();
    for (element, text) in texts.into_iter().enumerate() {
        let place = format!("patients `{}`", text.name);
        let broken = |rule| PolicyError::Rule {
            place: place.clone(),
            rule,
        };
        if text.targets.is_empty() || text.resources.is_empty() {
            return Err(broken("targets and resources each name at least one"));
        }
        known(&place, "target", &text.targets, targets)?;
        let domain = text.domain.unwrap_or_else(|| text.name.clone());
        // It begins the message of a token, and a zero byte ends it there.
        if domain.is_empty() || domain.contains('\0') {
            return Err(broken("a domain is not empty and holds no zero byte"));
        }
        for resource in &text.resources {
            let parts = parts(resource).ok_or(broken(
                "a resource is the whole name of a column, `schema.relation.column`, without `*`",
            ))?;
            let [schema, relation, column] = parts.each_ref().map(|part| quoted(part));
            let relation = format!("{schema}.{relation}");
            for target in &text.targets {
                let column = Column {
                    resource: format!("{relation}.{column}"),
                    domain: domain.clone(),
                    element,
                };
                let relations = patients.0.entry(target.clone()).or_default();
                if relations.insert(relation.clone(), column).is_some() {
                    return Err(broken("a relation has one column that identifies patients"));
                }
            }
        }
    }
    Ok(patients)
}

impl Patients {
    /// Refuses a rule that counts patients of a target of which none are named: it would never match.
    pub(super) fn counted(&self, rules: &[Rule]) -> Result<(), PolicyError> {
        let unnamed = |rule: &&Rule| {
            let counts = rule.over.is_some_and(Over::counts_patients);
            counts && rule.targets.iter().any(|target| !self.0.contains_key(target))
        };
        match rules.iter().find(unnamed) {
            None => Ok(()),
            Some(rule) => Err(PolicyError::Rule {
                place: format!("rule `{}`", rule.name),
                rule: "it counts patients, and the policy names no patients of a target of the rule",
            }),
        }
    }
}

/// The parts of the name of a column, without their quotes.
fn parts(resource: &str) -> Option<[String; 3]> {
    let mut parts = Vec::new();
    let mut rest = resource;
    loop {
        let (part, after) = if let Some(inner) = rest.strip_prefix('"') {
            unquoted(inner)?
        } else {
            let (part, after) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
            (is_plain(part).then(|| part.to_owned())?, after)
        };
        parts.push(part);
        match after.strip_prefix('.') {
            Some(after) => rest = after,
            None if after.is_empty() => return parts.try_into().ok(),
            None => return None,
        }
    }
}

/// A quoted name up to its closing quote, and what follows that.
fn unquoted(inner: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut letters = inner.char_indices();
    while let Some((place, letter)) = letters.next() {
        if letter != '"' {
            name.push(letter);
            continue;
        }
        match inner.get(place + 1..)? {
            after if after.starts_with('"') => {
                letters.next();
                name.push('"');
            }
            after => return (!name.is_empty()).then_some((name, after)),
        }
    }
    None
}

/// Whether a name stands in a resource without quotes.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(['.', '"', '*', '?']) && !name.contains(char::is_control)
}

fn quoted(name: &str) -> String {
    if is_plain(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

impl Snapshot {
    /// Whether the policy names columns of a target that identify patients.
    pub fn names_patients(&self, target: &str) -> bool {
        self.patients.0.contains_key(target)
    }

    /// The column of a relation (`schema.relation`) of a target that identifies patients; `None` of a relation that holds no
    /// records of patients.
    pub fn identifying(&self, target: &str, relation: &str) -> Option<&str> {
        let column = self.patients.0.get(target)?.get(relation)?;
        Some(&column.resource)
    }

    /// The domain of the tokens that a column (`schema.relation.column`) of a target names patients by; `None` for every other
    /// column.
    pub fn patients_domain(&self, target: &str, column: &str) -> Option<&str> {
        let relations = self.patients.0.get(target)?.values();
        let mut named = relations.filter(|known| known.resource == column);
        named.next().map(|known| known.domain.as_str())
    }

    /// The domains of the tokens that a target's patients are named by.
    pub fn patients_domains(&self, target: &str) -> BTreeSet<&str> {
        let relations = self.patients.0.get(target).into_iter().flatten();
        relations.map(|(_, column)| column.domain.as_str()).collect()
    }

    /// The columns that identify patients: which element of the file names them, target and column.
    pub fn patients(&self) -> impl Iterator<Item = (usize, &str, &str)> {
        let targets = self.patients.0.iter();
        targets.flat_map(|(target, relations)| {
            let columns = relations.values();
            columns.map(move |column| (column.element, target.as_str(), column.resource.as_str()))
        })
    }

    /// Whether it names the patients of a target as another policy does, so that what was proven of a statement under one holds
    /// under both.
    pub(super) fn identifies_like(&self, other: &Self, target: &str) -> bool {
        let own = |policy: &Self| -> Vec<(String, String)> {
            let columns = policy.patients.0.get(target).into_iter().flat_map(BTreeMap::values);
            columns
                .map(|column| (column.resource.clone(), column.domain.clone()))
                .collect()
        };
        own(self) == own(other)
    }
}

#[cfg(test)]
mod tests {
    use crate::snapshot::Snapshot;

    fn parse(section: &str) -> Result<Snapshot, String> {
        let text = format!(
            "version = 1\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n[[targets]]\nname = \"other\"\nprotocol = \
             \"postgres\"\n{section}"
        );
        Snapshot::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    fn named(resources: &str) -> Result<Snapshot, String> {
        parse(&format!(
            "[[patients]]\nname = \"patient\"\ntargets = [\"clinic\"]\nresources = [{resources}]\n"
        ))
    }

    #[test]
    fn a_relation_holds_records_of_patients_where_a_column_of_it_is_named() {
        let policy = named("\"public.patients.id\", \"public.claims.patient_id\"").unwrap();
        assert!(policy.names_patients("clinic"));
        assert!(!policy.names_patients("other"));
        assert_eq!(
            policy.identifying("clinic", "public.claims"),
            Some("public.claims.patient_id")
        );
        assert_eq!(policy.identifying("clinic", "public.drugs"), None);
        assert_eq!(policy.identifying("other", "public.claims"), None);
        assert_eq!(policy.patients_domain("clinic", "public.patients.id"), Some("patient"));
        assert_eq!(policy.patients_domain("clinic", "public.patients.ssn"), None);
        assert_eq!(policy.patients_domain("other", "public.patients.id"), None);
        assert_eq!(
            policy.patients_domains("clinic").into_iter().collect::<Vec<_>>(),
            ["patient"]
        );
        assert!(policy.patients_domains("other").is_empty());
    }

    #[test]
    fn a_name_is_what_catalogs_call_it_however_it_is_quoted() {
        let policy = named(r#"'public."patients".id', 'public."a.b"."c""d"'"#).unwrap();
        assert_eq!(
            policy.identifying("clinic", "public.patients"),
            Some("public.patients.id")
        );
        assert_eq!(
            policy.identifying("clinic", "public.\"a.b\""),
            Some("public.\"a.b\".\"c\"\"d\"")
        );
    }

    #[test]
    fn what_is_no_column_is_refused_with_its_line() {
        for resource in [
            "public.patients",
            "public.*.id",
            "a.b.c.d",
            "public..id",
            "",
            "public.patients.",
            "public.\\\"x.id",
            "public.\\\"\\\".id",
            "public.\\\"x\\\"y.id",
        ] {
            let error = named(&format!("\"{resource}\"")).unwrap_err();
            assert!(
                error.contains("line 8: patients `patient`: a resource is the whole name"),
                "{resource}: {error}"
            );
        }
        let twice = named("\"public.patients.id\", \"public.patients.mrn\"").unwrap_err();
        assert!(twice.contains("one column"), "{twice}");
        let target =
            parse("[[patients]]\nname = \"x\"\ntargets = [\"clinics\"]\nresources = [\"a.b.c\"]\n").unwrap_err();
        assert!(
            target.contains("line 8: patients `x` names target `clinics`"),
            "{target}"
        );
        let domain =
            parse("[[patients]]\nname = \"x\"\ntargets = [\"clinic\"]\nresources = [\"a.b.c\"]\ndomain = \"\"\n");
        assert!(domain.unwrap_err().contains("a domain is not empty"));
    }

    #[test]
    fn a_portal_outlives_a_policy_that_names_the_same_patients_alone() {
        let one = named("\"public.patients.id\"").unwrap();
        let other = named("\"public.patients.mrn\"").unwrap();
        assert!(one.masks_like(&one, "clinic"));
        assert!(!one.masks_like(&other, "clinic"));
        assert!(one.masks_like(&other, "other"));
    }
}

//! `[[masks]]` of a policy file: a technique, what it takes, and nothing that it does not.
//!
//! | technique | takes |
//! | --- | --- |
//! | `redact`, `null`, `year`, `zip3`, `age`, `detect` | nothing |
//! | `partial` | `keep`, 1 to 8 |
//! | `token` | `domain`; the mask's name when left out |
//! | `date_shift` | `domain` as `token`; `days`, 1 to 3650, 365 when left out; `person`, a column of the same relation |
//! | `ff1` | `domain` as `token`; `alphabet`: `digits` (when left out), `letters`, `alphanumeric` |
//! | `paths` | `paths`: each a `path` (a JSON Pointer; `*` is every member or element) and a technique with what it takes; `rest`: `keep`, `redact`, `null` or `detect` for all other values |
//!
//! Beside its technique a mask says with `predicates` whether values may be tried on its columns ([`crate::probe`]): `deny`
//! (when left out), `ask` with an `approval`, or `equality`; with the last two `probes_per_hour`, 1 to 1000, 10 when left out.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Mask, PolicyError, known, patterns, table};
use crate::mask::ff1::Alphabet;
use crate::mask::path::{PATHS_MAX, Path, PathMask};
use crate::mask::{Technique, shift};
use crate::probe::{PROBES_PER_HOUR, PROBES_PER_HOUR_MAX, Predicates};

/// A mask as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MaskText {
    pub(super) name: String,
    targets: Vec<String>,
    resources: Vec<String>,
    technique: String,
    keep: Option<usize>,
    domain: Option<String>,
    days: Option<u32>,
    person: Option<String>,
    alphabet: Option<String>,
    #[serde(default, deserialize_with = "table::some_each")]
    paths: Option<Vec<PathText>>,
    rest: Option<String>,
    predicates: Option<String>,
    approval: Option<String>,
    probes_per_hour: Option<u64>,
}

/// A path of a mask as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PathText {
    path: String,
    technique: String,
    keep: Option<usize>,
    domain: Option<String>,
    days: Option<u32>,
    alphabet: Option<String>,
}

/// What a technique may take.
#[derive(Default)]
struct Parameters {
    keep: Option<usize>,
    domain: Option<String>,
    days: Option<u32>,
    person: Option<String>,
    alphabet: Option<String>,
    paths: Option<Vec<PathText>>,
    rest: Option<String>,
}

impl Parameters {
    /// Whether anything is given that a technique which takes `taken` does not take.
    fn other_than(&self, taken: &[&str]) -> bool {
        let given = [
            ("keep", self.keep.is_some()),
            ("domain", self.domain.is_some()),
            ("days", self.days.is_some()),
            ("person", self.person.is_some()),
            ("alphabet", self.alphabet.is_some()),
            ("paths", self.paths.is_some()),
            ("rest", self.rest.is_some()),
        ];
        given.iter().any(|(name, given)| *given && !taken.contains(name))
    }
}

impl MaskText {
    pub(super) fn check(self, targets: &BTreeSet<String>, approvals: &BTreeSet<String>) -> Result<Mask, PolicyError> {
        let place = Place(format!("mask `{}`", self.name));
        if self.targets.is_empty() || self.resources.is_empty() {
            return Err(place.broken("targets and resources each name at least one"));
        }
        known(&place.0, "target", &self.targets, targets)?;
        let parameters = Parameters {
            keep: self.keep,
            domain: self.domain,
            days: self.days,
            person: self.person,
            alphabet: self.alphabet,
            paths: self.paths,
            rest: self.rest,
        };
        known(&place.0, "approval", self.approval.as_slice(), approvals)?;
        let technique = place.technique(&self.technique, &self.name, parameters)?;
        Ok(Mask {
            predicates: place.predicates(&technique, self.predicates, self.approval, self.probes_per_hour)?,
            technique,
            targets: self.targets.into_iter().collect(),
            resources: patterns(&place.0, &self.resources)?,
            name: self.name,
        })
    }
}

/// Where a technique stands in the file.
struct Place(String);

impl Place {
    fn broken(&self, rule: &'static str) -> PolicyError {
        PolicyError::Rule {
            place: self.0.clone(),
            rule,
        }
    }

    /// The technique of that word. `name` is the domain where none is given.
    fn technique(&self, word: &str, name: &str, given: Parameters) -> Result<Technique, PolicyError> {
        let words = Technique::WORDS.map(str::to_owned).into();
        known(&self.0, "technique", &[word.to_owned()], &words)?;
        let (taken, rule): (&[&str], _) = match word {
            "partial" => (&["keep"], "partial takes keep = 1 to 8 and nothing else"),
            "token" => (&["domain"], "token takes a domain and nothing else"),
            "date_shift" => (
                &["domain", "days", "person"],
                "date_shift takes a domain, days and a person and nothing else; a path takes no person",
            ),
            "ff1" => (
                &["domain", "alphabet"],
                "ff1 takes a domain and an alphabet and nothing else",
            ),
            "paths" => (&["paths", "rest"], "paths takes paths and rest and nothing else"),
            _ => (
                &[],
                "only partial takes keep; only token, ff1 and date_shift take a domain; this one takes nothing",
            ),
        };
        if given.other_than(taken) {
            return Err(self.broken(rule));
        }
        Ok(match (word, given.keep) {
            ("redact", _) => Technique::Redact,
            ("null", _) => Technique::Null,
            ("year", _) => Technique::Year,
            ("zip3", _) => Technique::Zip3,
            ("age", _) => Technique::Age,
            ("detect", _) => Technique::Detect,
            ("partial", Some(keep @ 1..=8)) => Technique::Partial { keep },
            ("token", _) => Technique::Token {
                domain: self.domain(given.domain, name)?,
            },
            ("date_shift", _) => Technique::DateShift {
                domain: self.domain(given.domain, name)?,
                days: self.days(given.days)?,
                person: given.person,
            },
            ("ff1", _) => Technique::Ff1 {
                domain: self.domain(given.domain, name)?,
                alphabet: self.alphabet(given.alphabet)?,
            },
            ("paths", _) => self.paths(name, given.paths, given.rest.as_deref())?,
            _ => return Err(self.broken(rule)),
        })
    }

    /// What the mask says of conditions, where that makes sense beside what its technique leaves to see.
    fn predicates(
        &self,
        technique: &Technique,
        word: Option<String>,
        approval: Option<String>,
        per_hour: Option<u64>,
    ) -> Result<Predicates, PolicyError> {
        let word = word.unwrap_or_else(|| Predicates::Deny.as_str().to_owned());
        let words = Predicates::WORDS.map(str::to_owned).into();
        known(&self.0, "predicates", std::slice::from_ref(&word), &words)?;
        if word == Predicates::Deny.as_str() {
            return match (approval, per_hour) {
                (None, None) => Ok(Predicates::Deny),
                _ => {
                    Err(self.broken("approval and probes_per_hour go with predicates = \"ask\" or \"equality\" alone"))
                }
            };
        }
        let per_hour = per_hour.unwrap_or(PROBES_PER_HOUR);
        if !(1..=PROBES_PER_HOUR_MAX).contains(&per_hour) {
            return Err(self.broken("probes_per_hour is 1 to 1000"));
        }
        match (technique, word.as_str(), approval) {
            (Technique::Paths { .. } | Technique::Detect, ..) => Err(self.broken(
                "paths and detect mask parts of a value, and a value is compared as a whole; leave predicates out",
            )),
            (
                Technique::Year | Technique::Age | Technique::Zip3 | Technique::DateShift { .. },
                "equality",
                _,
            ) => Err(self.broken(
                "what year, age, zip3 and date_shift show leaves so few values that trying them finds the right one; use predicates = \"ask\"",
            )),
            (_, "ask", Some(approval)) => Ok(Predicates::Ask { approval, per_hour }),
            (_, "equality", None) => Ok(Predicates::Equality { per_hour }),
            _ => Err(self.broken("a mask names an approval exactly when its predicates are \"ask\"")),
        }
    }

    fn domain(&self, given: Option<String>, name: &str) -> Result<String, PolicyError> {
        let domain = given.unwrap_or_else(|| name.to_owned());
        // It begins the message of a token, and a zero byte ends it there.
        if domain.is_empty() || domain.contains('\0') {
            return Err(self.broken("a domain is not empty and holds no zero byte"));
        }
        Ok(domain)
    }

    fn days(&self, given: Option<u32>) -> Result<u32, PolicyError> {
        match given.unwrap_or(shift::DAYS) {
            days @ 1..=shift::DAYS_MAX => Ok(days),
            _ => Err(self.broken("days are 1 to 3650")),
        }
    }

    fn alphabet(&self, given: Option<String>) -> Result<Alphabet, PolicyError> {
        let given = given.unwrap_or_else(|| Alphabet::Digits.as_str().to_owned());
        let words = Alphabet::ALL.map(|one| one.as_str().to_owned()).into();
        known(&self.0, "alphabet", std::slice::from_ref(&given), &words)?;
        let mut all = Alphabet::ALL.into_iter();
        Ok(all.find(|one| one.as_str() == given).unwrap_or(Alphabet::Digits))
    }

    fn paths(&self, name: &str, given: Option<Vec<PathText>>, rest: Option<&str>) -> Result<Technique, PolicyError> {
        let given = given.unwrap_or_default();
        if !(1..=PATHS_MAX).contains(&given.len()) {
            return Err(self.broken("paths has 1 to 256 paths"));
        }
        let rest = match rest {
            Some("keep") => None,
            Some("redact") => Some(Box::new(Technique::Redact)),
            Some("null") => Some(Box::new(Technique::Null)),
            Some("detect") => Some(Box::new(Technique::Detect)),
            _ => return Err(self.broken("rest says what becomes of all other values: keep, redact, null or detect")),
        };
        let mut paths = Vec::with_capacity(given.len());
        for one in given {
            let place = Self(format!("{}, path `{}`", self.0, one.path));
            let path = Path::parse(&one.path)
                .ok_or(place.broken("a path is a JSON Pointer such as /name/*/family of at most 127 tokens"))?;
            let parameters = Parameters {
                keep: one.keep,
                domain: one.domain,
                days: one.days,
                alphabet: one.alphabet,
                ..Parameters::default()
            };
            if one.technique == "paths" {
                return Err(place.broken("a path has a technique for its values, not paths"));
            }
            paths.push(PathMask {
                path,
                technique: place.technique(&one.technique, name, parameters)?,
            });
        }
        Ok(Technique::Paths { paths, rest })
    }
}

#[cfg(test)]
mod tests {
    use crate::mask::Technique;
    use crate::probe::Predicates;
    use crate::snapshot::{Mask, Snapshot};

    fn mask(text: &str) -> Result<Mask, String> {
        let policy = format!(
            "version = 1\n[[targets]]\nname = \"t\"\nprotocol = \"postgres\"\n\
             [[approvals]]\nname = \"dba\"\ngroups = [\"dba\"]\npeople = 1\nexpires_s = 60\n\
             [[masks]]\nname = \"m\"\ntargets = [\"t\"]\nresources = [\"a.b.c\"]\ntechnique = {text}\n"
        );
        let snapshot = Snapshot::parse(policy.as_bytes()).map_err(|error| error.to_string())?;
        Ok(snapshot.mask("t", "a.b.c").unwrap().clone())
    }

    fn technique(text: &str) -> Result<Technique, String> {
        mask(text).map(|mask| mask.technique)
    }

    #[test]
    fn each_technique_takes_what_is_its_own() {
        for (text, parameters) in [
            ("'redact'", "{}"),
            ("'zip3'", "{}"),
            ("'age'", "{}"),
            ("'partial'\nkeep = 4", r#"{"keep":4}"#),
            ("'token'", r#"{"domain":"m"}"#),
            ("'token'\ndomain = 'd'", r#"{"domain":"d"}"#),
            ("'date_shift'", r#"{"days":365,"domain":"m","person":null}"#),
            (
                "'date_shift'\ndomain = 'd'\ndays = 3650\nperson = 'patient_id'",
                r#"{"days":3650,"domain":"d","person":"patient_id"}"#,
            ),
            ("'ff1'", r#"{"alphabet":"digits","domain":"m"}"#),
            ("'ff1'\nalphabet = 'letters'", r#"{"alphabet":"letters","domain":"m"}"#),
            (
                "'paths'\nrest = 'detect'\npaths = [{ path = '/a/*', technique = 'token' }, { path = '', technique = 'year' }]",
                r#"{"paths":[{"domain":"m","path":"/a/*","technique":"token"},{"path":"","technique":"year"}],"rest":"detect"}"#,
            ),
        ] {
            let found = technique(text).unwrap();
            let found = serde_json::Value::from(found.parameters()).to_string();
            let sorted = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
            assert_eq!(sorted(&found), sorted(parameters), "{text}");
        }
    }

    #[test]
    fn predicates_are_denied_unless_a_mask_says_otherwise() {
        for (text, wanted) in [
            ("'redact'", Predicates::Deny),
            ("'redact'\npredicates = 'deny'", Predicates::Deny),
            (
                "'token'\npredicates = 'equality'",
                Predicates::Equality { per_hour: 10 },
            ),
            (
                "'partial'\nkeep = 4\npredicates = 'equality'\nprobes_per_hour = 1000",
                Predicates::Equality { per_hour: 1_000 },
            ),
            (
                "'year'\npredicates = 'ask'\napproval = 'dba'\nprobes_per_hour = 1",
                Predicates::Ask {
                    approval: "dba".to_owned(),
                    per_hour: 1,
                },
            ),
        ] {
            assert_eq!(mask(text).unwrap().predicates, wanted, "{text}");
        }
        for (text, wanted) in [
            (
                "'redact'\npredicates = 'equal'",
                "mask `m` names predicates `equal`, which is not defined; the nearest is `equality`",
            ),
            (
                "'redact'\nprobes_per_hour = 3",
                "mask `m`: approval and probes_per_hour go with",
            ),
            (
                "'redact'\napproval = 'dba'",
                "mask `m`: approval and probes_per_hour go with",
            ),
            (
                "'redact'\npredicates = 'deny'\nprobes_per_hour = 3",
                "go with predicates",
            ),
            (
                "'redact'\npredicates = 'ask'",
                "mask `m`: a mask names an approval exactly when",
            ),
            (
                "'redact'\npredicates = 'ask'\napproval = 'dab'",
                "mask `m` names approval `dab`, which is not defined; the nearest is `dba`",
            ),
            (
                "'redact'\npredicates = 'equality'\napproval = 'dba'",
                "a mask names an approval exactly when",
            ),
            (
                "'redact'\npredicates = 'equality'\nprobes_per_hour = 0",
                "mask `m`: probes_per_hour is 1 to 1000",
            ),
            (
                "'redact'\npredicates = 'equality'\nprobes_per_hour = 1001",
                "mask `m`: probes_per_hour is 1 to 1000",
            ),
            (
                "'year'\npredicates = 'equality'",
                "mask `m`: what year, age, zip3 and date_shift show",
            ),
            ("'zip3'\npredicates = 'equality'", "leaves so few values"),
            ("'age'\npredicates = 'equality'", "leaves so few values"),
            ("'date_shift'\npredicates = 'equality'", "leaves so few values"),
            (
                "'detect'\npredicates = 'ask'\napproval = 'dba'",
                "mask `m`: paths and detect mask parts",
            ),
            (
                "'paths'\nrest = 'redact'\npaths = [{ path = '/a', technique = 'year' }]\npredicates = 'equality'",
                "paths and detect mask parts",
            ),
        ] {
            let error = mask(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn what_a_technique_does_not_take_is_refused() {
        for (text, wanted) in [
            ("'tokens'", "nearest is `token`"),
            ("'token'\ndomain = ''", "a domain is not empty"),
            ("'token'\ndomain = \"a\\u0000b\"", "holds no zero byte"),
            ("'redact'\nkeep = 4", "only partial takes keep"),
            ("'zip3'\ndomain = 'd'", "takes nothing"),
            ("'partial'", "keep = 1 to 8"),
            ("'partial'\nkeep = 0", "keep = 1 to 8"),
            ("'partial'\nkeep = 9", "keep = 1 to 8"),
            ("'partial'\nkeep = 4\ndomain = 'd'", "keep = 1 to 8"),
            ("'token'\nkeep = 4", "token takes a domain"),
            ("'token'\nperson = 'p'", "token takes a domain"),
            ("'date_shift'\ndays = 0", "1 to 3650"),
            ("'date_shift'\ndays = 3651", "1 to 3650"),
            ("'date_shift'\nalphabet = 'digits'", "date_shift takes"),
            ("'ff1'\nalphabet = 'digit'", "nearest is `digits`"),
            ("'ff1'\ndays = 3", "ff1 takes"),
            ("'paths'", "1 to 256 paths"),
            ("'paths'\npaths = []\nrest = 'keep'", "1 to 256 paths"),
            ("'paths'\npaths = [{ path = '/a', technique = 'year' }]", "rest says"),
            (
                "'paths'\nrest = 'token'\npaths = [{ path = '/a', technique = 'year' }]",
                "rest says",
            ),
            (
                "'paths'\nrest = 'keep'\npaths = [{ path = 'a', technique = 'year' }]",
                "a JSON Pointer",
            ),
            (
                "'paths'\nrest = 'keep'\npaths = [{ path = '/a', technique = 'years' }]",
                "path `/a` names technique `years`",
            ),
            (
                "'paths'\nrest = 'keep'\npaths = [{ path = '/a', technique = 'paths' }]",
                "not paths",
            ),
            (
                "'paths'\nrest = 'keep'\npaths = [{ path = '/a', technique = 'date_shift', person = 'p' }]",
                "unknown field",
            ),
            ("'year'\npaths = [{ path = '/a', technique = 'year' }]", "takes nothing"),
        ] {
            let error = technique(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}

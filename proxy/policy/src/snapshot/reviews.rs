//! `[[reviews]]` of a policy file: who has to review what, and how often.

use std::collections::BTreeSet;

use exhibit_schemas::review::Scope;
use serde::Deserialize;

use super::{PolicyError, known};
use crate::hours::zone;
use crate::review::{Every, Own, Schedule, WITHIN_DAYS_MAX};

/// A schedule as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReviewText {
    pub(super) name: String,
    scope: String,
    every: String,
    zone: Option<String>,
    within_days: u64,
    groups: Vec<String>,
    own: Option<String>,
}

impl ReviewText {
    pub(super) fn check(self) -> Result<Schedule, PolicyError> {
        let place = format!("review `{}`", self.name);
        let word =
            |kind, word: &String, words: BTreeSet<String>| known(&place, kind, std::slice::from_ref(word), &words);
        word("scope", &self.scope, words(Scope::ALL, Scope::as_str))?;
        word("period", &self.every, words(Every::ALL, Every::as_str))?;
        let own = self.own.unwrap_or_else(|| Own::Deny.as_str().to_owned());
        word("word for `own`", &own, words(Own::ALL, Own::as_str))?;
        let broken = |rule| PolicyError::Rule {
            place: place.clone(),
            rule,
        };
        if self.groups.is_empty() {
            return Err(broken("name at least one group"));
        }
        if !(1..=WITHIN_DAYS_MAX).contains(&self.within_days) {
            return Err(broken("within_days is 1 to 366"));
        }
        let name = self.zone.unwrap_or_else(|| "UTC".to_owned());
        let time_zone = zone(&name).map_err(|error| PolicyError::Zone {
            place: place.clone(),
            error,
        })?;
        Ok(Schedule {
            scope: Scope::from_word(&self.scope).expect("it was held against the words"),
            every: Every::from_word(&self.every).expect("it was held against the words"),
            own: Own::from_word(&own).expect("it was held against the words"),
            name: self.name,
            zone: name,
            within_days: self.within_days,
            groups: self.groups,
            time_zone,
        })
    }
}

fn words<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> BTreeSet<String> {
    all.iter().map(|value| word(*value).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use crate::review::{Every, Own};
    use crate::snapshot::Snapshot;

    fn parse(section: &str) -> Result<Snapshot, String> {
        let text = format!("version = 1\n[[reviews]]\n{section}");
        Snapshot::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_is_utc_and_nobody_reviews_alone_what_is_its_own() {
        let short = "name = \"r\"\nscope = \"commands\"\nevery = \"month\"\nwithin_days = 10\ngroups = [\"privacy\"]\n";
        let snapshot = parse(short).unwrap();
        let [schedule] = snapshot.reviews() else {
            panic!("there is one")
        };
        assert_eq!((schedule.zone.as_str(), schedule.own), ("UTC", Own::Deny));
        assert_eq!((schedule.every, schedule.within_days), (Every::Month, 10));
        let snapshot = parse(&format!("{short}zone = \"Europe/Vienna\"\nown = \"allow\"\n")).unwrap();
        assert_eq!(snapshot.reviews()[0].zone, "Europe/Vienna");
        assert_eq!(snapshot.reviews()[0].own, Own::Allow);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let right = [
            ("name", "\"r\""),
            ("scope", "\"all\""),
            ("every", "\"week\""),
            ("within_days", "7"),
            ("groups", "[\"privacy\"]"),
        ];
        for (key, value, wanted) in [
            (
                "scope",
                "\"command\"",
                "line 2: review `r` names scope `command`, which is not defined; the nearest is `commands`",
            ),
            (
                "every",
                "\"months\"",
                "names period `months`, which is not defined; the nearest is `month`",
            ),
            ("own", "\"denied\"", "the nearest is `deny`"),
            ("groups", "[]", "line 2: review `r`: name at least one group"),
            ("within_days", "0", "within_days is 1 to 366"),
            ("within_days", "367", "within_days is 1 to 366"),
            ("within_days", "-1", "invalid value"),
            (
                "zone",
                "\"Europe/Wien\"",
                "line 2: review `r`: `Europe/Wien` is not in the time zone database",
            ),
            ("zone", "\"vienna\"", "line 2: review `r`: `vienna` is no zone"),
            ("people", "2", "unknown field `people`"),
        ] {
            let mut lines: Vec<_> = right.into_iter().filter(|(other, _)| *other != key).collect();
            lines.push((key, value));
            let lines: Vec<_> = lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
            let error = parse(&lines.concat()).unwrap_err();
            assert!(error.contains(wanted), "{key} = {value}: {error}");
        }
        let twice = parse(
            "name = \"r\"\nscope = \"all\"\nevery = \"day\"\nwithin_days = 1\ngroups = [\"g\"]\n[[reviews]]\nname = \"r\"\nscope = \"all\"\nevery = \"day\"\nwithin_days = 1\ngroups = [\"g\"]\n",
        );
        assert!(twice.unwrap_err().contains("line 8: review `r` is defined twice"));
    }
}

//! `[[nets]]` of a policy file: categories that detectors look for, how sure they must be, and what a finding does.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{PolicyError, known, patterns};
use crate::detect::{Category, Confidence};
use crate::net::Net;

/// A net as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetText {
    pub(super) name: String,
    targets: Vec<String>,
    categories: Vec<String>,
    floor: Option<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    ends_session: bool,
}

/// Nets; a category stands in one net of a target, so that every finding has one.
pub(super) fn check(nets: Vec<NetText>, targets: &BTreeSet<String>) -> Result<Vec<Net>, PolicyError> {
    let nets: Vec<Net> = nets
        .into_iter()
        .map(|net| net.check(targets))
        .collect::<Result<_, _>>()?;
    let mut seen = BTreeSet::new();
    for net in &nets {
        for target in &net.targets {
            for category in &net.categories {
                if !seen.insert((target, category)) {
                    return Err(PolicyError::Rule {
                        place: format!("net `{}`", net.name),
                        rule: "another net of one of its targets names one of its categories, too",
                    });
                }
            }
        }
    }
    Ok(nets)
}

impl NetText {
    fn check(self, targets: &BTreeSet<String>) -> Result<Net, PolicyError> {
        let place = format!("net `{}`", self.name);
        if self.targets.is_empty() || self.categories.is_empty() {
            return Err(PolicyError::Rule {
                place,
                rule: "targets and categories each name at least one",
            });
        }
        known(&place, "target", &self.targets, targets)?;
        let words = Category::ALL.map(|category| category.as_str().to_owned()).into();
        known(&place, "category", &self.categories, &words)?;
        let floors = Confidence::ALL.map(|floor| floor.as_str().to_owned()).into();
        known(&place, "floor", self.floor.as_slice(), &floors)?;
        let categories = self.categories.iter().filter_map(|word| Category::from_word(word));
        let floor = self.floor.as_deref().and_then(Confidence::from_word);
        Ok(Net {
            ends_session: self.ends_session,
            floor: floor.unwrap_or(Confidence::Likely),
            categories: categories.collect(),
            targets: self.targets.into_iter().collect(),
            except: patterns(&place, &self.except)?,
            name: self.name,
        })
    }
}

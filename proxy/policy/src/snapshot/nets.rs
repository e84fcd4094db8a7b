//! `[[nets]]` of a policy file: categories that detectors look for, how sure they must be, and what a finding does.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Mask, PolicyError, Target, known, patterns};
use crate::detect::{Category, Confidence};
use crate::document::OBJECTS;
use crate::mask::Technique;
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

/// Holds that a net reaches everything that it is to reach: a document that is masked by path is not searched, so what a mask keeps
/// of it has to be searched by the mask, or passed over by name. Documents of objects are searched, whatever their masks keep.
pub(super) fn reach(nets: &[Net], masks: &[Mask], targets: &[Target]) -> Result<(), PolicyError> {
    let has_columns = |name: &String| {
        let mut targets = targets.iter();
        !targets.any(|target| target.name == *name && target.protocol == OBJECTS)
    };
    let keeps = |mask: &&Mask| matches!(mask.technique, Technique::Paths { rest: None, .. });
    for mask in masks.iter().filter(keeps) {
        let passed_over = |net: &Net| {
            let mut resources = mask.resources.iter();
            resources.all(|resource| net.except().any(|except| except == resource.as_str()))
        };
        let over = |net: &&Net| net.targets.intersection(&mask.targets).any(has_columns) && !passed_over(net);
        if nets.iter().any(|net| over(&net)) {
            return Err(PolicyError::Rule {
                place: format!("mask `{}`", mask.name),
                rule: "a net does not search what it keeps: give rest = \"detect\", \"redact\" or \"null\", or name its resources in \
                       the net's `except`",
            });
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use crate::snapshot::Snapshot;

    #[test]
    fn what_a_mask_by_path_keeps_is_not_out_of_a_net_s_reach_unsaid() {
        let parse = |target: &str, rest: &str, except: &str| {
            let text = format!(
                "version = 1\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n[[targets]]\nname = \"other\"\nprotocol = \
                 \"postgres\"\n[[masks]]\nname = \"m\"\ntargets = [\"clinic\"]\nresources = [\"public.a.b\", \"public.c.d\"]\n\
                 technique = \"paths\"\nrest = \"{rest}\"\npaths = [{{ path = \"/x\", technique = \"redact\" }}]\n[[nets]]\nname = \
                 \"n\"\ntargets = [\"{target}\"]\ncategories = [\"ssn\"]\nexcept = [{except}]\n"
            );
            Snapshot::parse(text.as_bytes())
                .map(drop)
                .map_err(|error| error.to_string())
        };
        let refused = parse("clinic", "keep", "").unwrap_err();
        assert!(
            refused.contains("mask `m`: a net does not search what it keeps"),
            "{refused}"
        );
        assert!(parse("clinic", "keep", "\"public.a.b\"").is_err());
        assert_eq!(parse("clinic", "keep", "\"public.c.d\", \"public.a.b\""), Ok(()));
        for rest in ["detect", "redact", "null"] {
            assert_eq!(parse("clinic", rest, ""), Ok(()));
        }
        assert_eq!(parse("other", "keep", ""), Ok(()));
        // What a mask keeps of an object is searched all the same; a mask that is for rows, too, is held to them.
        let objects = |rows: &str| {
            let text = format!(
                "version = 1\n[[targets]]\nname = \"lake\"\nprotocol = \"s3\"\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n\
                 [[masks]]\nname = \"m\"\ntargets = [\"lake\"{rows}]\nresources = [\"d\"]\ntechnique = \"paths\"\nrest = \"keep\"\npaths = [{{ \
                 path = \"/x\", technique = \"redact\" }}]\n[[nets]]\nname = \"n\"\ntargets = [\"lake\"{rows}]\ncategories = [\"ssn\"]\n"
            );
            Snapshot::parse(text.as_bytes()).is_ok()
        };
        assert!(objects("") && !objects(", \"clinic\""));
    }
}

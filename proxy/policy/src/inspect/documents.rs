//! Documents that are for nothing or whose objects are all refused, and masks that name no place that a document can have.

use std::collections::BTreeSet;

use exhibit_schemas::event::access::Action;

use super::{Kind, Place, Reach, Warning, reach};
use crate::document::{Document, OBJECTS};
use crate::mask::Technique;
use crate::pattern::{Pattern, covered};
use crate::snapshot::{Mask, Snapshot};

/// Everything that is weak about documents.
pub(super) fn warnings(snapshot: &Snapshot) -> Vec<Warning> {
    let mut warnings = shadowed(snapshot);
    warnings.extend(bare(snapshot));
    warnings.extend(tried(snapshot));
    for (element, mask) in snapshot.masks().iter().enumerate() {
        warnings.extend(nothing(snapshot, mask, element));
    }
    warnings
}

/// Documents, or objects of them, that earlier ones are for.
fn shadowed(snapshot: &Snapshot) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (element, document) in snapshot.documents().iter().enumerate() {
        let earlier = snapshot.documents().get(..element).unwrap_or_default();
        let dead = |pattern: &&Pattern| {
            document.targets().all(|target| {
                let before = earlier.iter().filter(|other| other.is_for(target));
                covered(pattern, &before.flat_map(|other| &other.resources).collect::<Vec<_>>())
            })
        };
        let names: Vec<String> = document.resources().iter().filter(dead).map(quoted).collect();
        if names.is_empty() {
            continue;
        }
        let what = if names.len() == document.resources().len() {
            "no object".to_owned()
        } else {
            format!("no object by {}", names.join(", "))
        };
        let text = format!(
            "document `{}` is for {what}: documents before it are for all of that",
            document.name
        );
        warnings.push(warning(Kind::ShadowedDocument, "documents", element, text));
    }
    warnings
}

/// Documents with PHI that no mask is for, whatever nets are: their objects are refused.
fn bare(snapshot: &Snapshot) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (element, document) in snapshot.documents().iter().enumerate() {
        let is_bare = |target: &&str| {
            let mut masks = snapshot.masks().iter().filter(|mask| mask.is_for(target));
            let masked = masks.any(|mask| mask.resources().iter().any(|pattern| document.can_be_named_by(pattern)));
            !masked
        };
        for target in document.targets().filter(is_bare).filter(|_| document.phi) {
            let text = format!(
                "objects of target `{target}` that document `{}` is for are refused: they may hold PHI, and no mask is for them",
                document.name
            );
            warnings.push(warning(Kind::NothingMasked, "documents", element, text));
        }
    }
    warnings
}

/// Masks of which whoever writes an object of guesses and reads it again learns the token of each: a mask that gives one value the same token
/// everywhere is a dictionary to who may do both.
fn tried(snapshot: &Snapshot) -> Vec<Warning> {
    let reached = reach(snapshot);
    let mut warnings = Vec::new();
    for (element, mask) in snapshot.masks().iter().enumerate() {
        let (Technique::Token { domain } | Technique::Ff1 { domain, .. } | Technique::DateShift { domain, .. }) =
            &mask.technique
        else {
            continue;
        };
        for document in snapshot.documents() {
            let named = mask.resources().iter().any(|pattern| document.can_be_named_by(pattern));
            for target in document.targets().filter(|target| named && mask.is_for(target)) {
                let both = roles(&reached, target, document, Action::Write);
                let both = &both & &roles(&reached, target, document, Action::Read);
                for role in both {
                    let text = format!(
                        "role `{role}` reads and writes objects of document `{}` on target `{target}` without an approval: who writes guesses \
                         there and reads them again knows what mask `{}` shows for each, wherever the domain `{domain}` is",
                        document.name, mask.name
                    );
                    warnings.push(warning(Kind::Guessable, "masks", element, text));
                }
            }
        }
    }
    warnings
}

/// Roles that reach objects of a document with an action.
fn roles<'a>(reached: &'a [Reach], target: &str, document: &Document, action: Action) -> BTreeSet<&'a str> {
    let meets = |reach: &&Reach| {
        let Some(resources) = &reach.resources else { return true };
        let patterns = resources.iter().filter_map(|text| Pattern::new(text).ok());
        patterns.into_iter().any(|pattern| {
            let mut own = document.resources().iter();
            own.any(|own| covered(own, &[&pattern]) || covered(&pattern, &[own]))
        })
    };
    let of = reached
        .iter()
        .filter(|reach| reach.target == target && reach.action == action);
    of.filter(meets).map(|reach| reach.role.as_str()).collect()
}

/// Resources of a mask for objects alone that no place of any document can have.
fn nothing(snapshot: &Snapshot, mask: &Mask, element: usize) -> Vec<Warning> {
    let of_objects = |name: &str| {
        let mut targets = snapshot.targets().iter();
        targets.any(|target| target.name == name && target.protocol == OBJECTS)
    };
    if !mask.targets().all(of_objects) {
        return Vec::new();
    }
    let documents = snapshot
        .documents()
        .iter()
        .filter(|document| mask.targets().any(|target| document.is_for(target)));
    let documents: Vec<_> = documents.collect();
    let mut warnings = Vec::new();
    for pattern in mask.resources() {
        let text = pattern.as_str();
        let mut named = documents
            .iter()
            .filter(|document| document.can_be_named_by(pattern))
            .peekable();
        let cause = if named.peek().is_none() {
            "no document of its targets is called so"
        } else if !named.any(|document| document.may_have(text)) {
            "the format of the document has no such place"
        } else {
            continue;
        };
        let text = format!("mask `{}` masks nothing by `{text}`: {cause}", mask.name);
        warnings.push(warning(Kind::MaskedNothing, "masks", element, text));
    }
    warnings
}

fn quoted(pattern: &Pattern) -> String {
    format!("`{}`", pattern.as_str())
}

const fn warning(kind: Kind, list: &'static str, element: usize, text: String) -> Warning {
    Warning {
        kind,
        place: Place { list, element },
        text,
    }
}

#[cfg(test)]
mod tests {
    use crate::inspect::inspect;
    use crate::snapshot::Snapshot;

    /// The warnings about documents of a policy, each as kind and text.
    fn check(rest: &str, wanted: &[(&str, &str)]) {
        let text = format!("version = 1\n[[targets]]\nname = \"lake\"\nprotocol = \"s3\"\n{rest}");
        let snapshot = Snapshot::parse(text.as_bytes()).unwrap();
        let found = super::warnings(&snapshot);
        assert!(
            found
                .iter()
                .all(|warning| inspect(&snapshot, &|_| None).contains(warning))
        );
        let found: Vec<_> = found.iter().map(|one| (one.kind.as_str(), one.text.as_str())).collect();
        assert_eq!(found.len(), wanted.len(), "{found:?}");
        for ((kind, text), (wanted_kind, part)) in found.iter().zip(wanted) {
            assert!(kind == wanted_kind && text.contains(part), "{kind}: {text}");
        }
    }

    fn document(name: &str, resources: &str, format: &str) -> String {
        format!(
            "[[documents]]\nname = \"{name}\"\ntargets = [\"lake\"]\nresources = [{resources}]\nformat = \"{format}\"\n"
        )
    }

    fn mask(resources: &str) -> String {
        format!("[[masks]]\nname = \"m\"\ntargets = [\"lake\"]\nresources = [{resources}]\ntechnique = \"redact\"\n")
    }

    #[test]
    fn documents_behind_others_are_told() {
        let all = mask("\"*\"");
        check(
            &(document("a", "\"x/*\"", "csv") + &document("b", "\"y/*\"", "csv") + &all),
            &[],
        );
        let behind = document("a", "\"x/*\"", "csv") + &document("b", "\"x/y*\", \"z\"", "csv") + &all;
        check(
            &behind,
            &[("shadowed-document", "document `b` is for no object by `x/y*`")],
        );
        let behind = document("a", "\"*\"", "csv") + &document("b", "\"x/y*\"", "csv") + &all;
        check(&behind, &[("shadowed-document", "document `b` is for no object: ")]);
    }

    #[test]
    fn documents_without_masks_are_told() {
        let told = ("nothing-masked", "document `a` is for are refused: they may hold PHI");
        check(&document("a", "\"*\"", "csv"), &[told]);
        check(&(document("a", "\"*\"", "csv") + "phi = false\n"), &[]);
        check(&(document("a", "\"*\"", "csv") + &mask("\"a.ssn\"")), &[]);
        let net = "[[nets]]\nname = \"n\"\ntargets = [\"lake\"]\ncategories = [\"ssn\"]\n";
        check(&(document("a", "\"*\"", "csv") + net), &[told]);
    }

    #[test]
    fn masks_of_no_place_are_told() {
        let absent = ("masked-nothing", "no document of its targets is called so");
        let unfit = ("masked-nothing", "has no such place");
        for (format, resource, wanted) in [
            ("csv", "b.ssn", Some(absent)),
            ("csv", "*.ssn", None),
            ("csv", "a.anything at all", None),
            ("csv", "a", Some(unfit)),
            ("csv\"\nheader = false\n# \"", "a.3", None),
            ("csv\"\nheader = false\n# \"", "a.ssn", Some(unfit)),
            ("csv\"\nheader = false\n# \"", "a.0", Some(unfit)),
            ("json", "a", None),
            ("json", "a.ssn", Some(unfit)),
            ("text", "a.x", Some(unfit)),
            ("fhir", "a.Patient", None),
            ("fhir", "a", Some(unfit)),
            ("fhir", "a.Patient.name", Some(unfit)),
            ("hl7", "a.PID-5", None),
            ("hl7", "a.PID-5.1.2", None),
            ("hl7", "a.PID-*", None),
            ("hl7", "a.PID.5", Some(unfit)),
            ("hl7", "a.PID-0", Some(unfit)),
            ("hl7", "a.PID-5.1.2.3", Some(unfit)),
            ("hl7", "a.pid-5", Some(unfit)),
        ] {
            let quiet = mask("\"a.*\"").replace("\"m\"", "\"quiet\"");
            check(
                &(document("a", "\"*\"", format) + &mask(&format!("\"{resource}\"")) + &quiet),
                wanted.as_slice(),
            );
        }
    }
}

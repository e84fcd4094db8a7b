//! `[[documents]]` of a policy file: which objects are read, and as what.
//!
//! | key | |
//! | --- | --- |
//! | `name` | what masks call it; no `.` and no `*`, which mean something in a mask's resources |
//! | `targets`, `resources` | of targets of the protocol s3, which objects, as `bucket/key` by pattern; the first document that names an object is for it |
//! | `format` | `csv`, `tsv`, `json`, `ndjson`, `fhir`, `fhir-ndjson`, `hl7`, `text` |
//! | `header` | of `csv` and `tsv`: whether the first record names the columns; true when left out |
//! | `phi` | whether an object that cannot be read so is refused; true when left out; no mask can name a document without |
//! | `keep_length` | whether masked values are as long as what they stand for, in stars where they are not; false when left out |

use serde::Deserialize;

use super::{Mask, PolicyError, Target, known, patterns};
use crate::document::{Document, Format, OBJECTS};

/// A document as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DocumentText {
    pub(super) name: String,
    targets: Vec<String>,
    resources: Vec<String>,
    format: String,
    header: Option<bool>,
    phi: Option<bool>,
    #[serde(default)]
    keep_length: bool,
}

impl DocumentText {
    pub(super) fn check(self, targets: &[Target]) -> Result<Document, PolicyError> {
        let place = format!("document `{}`", self.name);
        let broken = |rule| {
            Err(PolicyError::Rule {
                place: place.clone(),
                rule,
            })
        };
        if self.name.is_empty() || self.name.contains(['.', '*', '`']) {
            return broken(
                "a document's name is not empty and has no `.`, no `*` and no backtick: masks name places in it",
            );
        }
        if self.targets.is_empty() || self.resources.is_empty() {
            return broken("targets and resources each name at least one");
        }
        let names = targets.iter().map(|target| target.name.clone()).collect();
        known(&place, "target", &self.targets, &names)?;
        let has_rows = |target: &Target| target.protocol != OBJECTS && self.targets.contains(&target.name);
        if targets.iter().any(has_rows) {
            return broken("a document is for objects, and one of its targets has another protocol than s3");
        }
        let words = Format::ALL.map(|format| format.as_str().to_owned()).into();
        known(&place, "format", std::slice::from_ref(&self.format), &words)?;
        let Some(format) = Format::from_word(&self.format) else {
            return broken("a document has a format");
        };
        if self.header.is_some() && !format.is_table() {
            return broken("only csv and tsv have a header or none");
        }
        Ok(Document {
            format,
            header: format.is_table() && self.header.unwrap_or(true),
            phi: self.phi.unwrap_or(true),
            keep_length: self.keep_length,
            targets: self.targets.into_iter().collect(),
            resources: patterns(&place, &self.resources)?,
            name: self.name,
        })
    }
}

/// Holds that no mask can name a document that is said to hold no PHI: an object of it that cannot be read may be passed on as it is, and
/// a mask says that it holds what nobody may read.
pub(super) fn open(documents: &[Document], masks: &[Mask]) -> Result<(), PolicyError> {
    for document in documents.iter().filter(|document| !document.phi) {
        let named = masks.iter().find(|mask| {
            let mut resources = mask.resources.iter();
            !mask.targets.is_disjoint(&document.targets) && resources.any(|pattern| document.can_be_named_by(pattern))
        });
        if let Some(mask) = named {
            return Err(PolicyError::MaskedOpen {
                place: format!("document `{}`", document.name),
                mask: mask.name.clone(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::document::{Document, Format, Reading};
    use crate::snapshot::Snapshot;

    fn document(text: &str) -> Result<Document, String> {
        let policy = format!(
            "version = 1\n[[targets]]\nname = \"lake\"\nprotocol = \"s3\"\n[[documents]]\ntargets = [\"lake\"]\n{text}\n"
        );
        let snapshot = Snapshot::parse(policy.as_bytes()).map_err(|error| error.to_string())?;
        Ok(snapshot
            .reading("lake", "exports/2026/a.csv")
            .document()
            .unwrap()
            .clone())
    }

    #[test]
    fn what_is_left_out_is_the_safer_choice() {
        let found = document("name = \"d\"\nresources = [\"exports/*\"]\nformat = \"csv\"").unwrap();
        assert_eq!((found.format, found.header, found.phi), (Format::Csv, true, true));
        let found =
            document("name = \"d\"\nresources = [\"*\"]\nformat = \"tsv\"\nheader = false\nphi = false").unwrap();
        assert_eq!((found.format, found.header, found.phi), (Format::Tsv, false, false));
        for format in Format::ALL {
            let found = document(&format!(
                "name = \"d\"\nresources = [\"*.csv\"]\nformat = \"{}\"",
                format.as_str()
            ));
            assert_eq!(found.unwrap().format, format);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_place() {
        for (text, wanted) in [
            (
                "name = \"\"\nresources = [\"*\"]\nformat = \"csv\"",
                "a document's name",
            ),
            (
                "name = \"a.b\"\nresources = [\"*\"]\nformat = \"csv\"",
                "line 5: document `a.b`: a document's name",
            ),
            (
                "name = \"a*\"\nresources = [\"*\"]\nformat = \"csv\"",
                "a document's name",
            ),
            (
                "name = \"d\"\nresources = []\nformat = \"csv\"",
                "line 5: document `d`: targets and resources",
            ),
            (
                "name = \"d\"\nresources = [\"\"]\nformat = \"csv\"",
                "document `d`: a pattern has",
            ),
            (
                "name = \"d\"\nresources = [\"*\"]\nformat = \"cvs\"",
                "the nearest is `csv`",
            ),
            ("name = \"d\"\nresources = [\"*\"]", "missing field `format`"),
            (
                "name = \"d\"\nresources = [\"*\"]\nformat = \"json\"\nheader = true",
                "only csv and tsv",
            ),
            (
                "name = \"d\"\nresources = [\"*\"]\nformat = \"json\"\nheaders = true",
                "unknown field",
            ),
        ] {
            let error = document(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        let twice = "name = \"d\"\nresources = [\"*\"]\nformat = \"csv\"\n[[documents]]\ntargets = [\"lake\"]\nname = \"d\"\n\
                     resources = [\"a\"]\nformat = \"csv\"";
        assert!(document(twice).unwrap_err().contains("document `d` is defined twice"));
    }

    #[test]
    fn what_no_document_names_is_refused_and_only_what_is_said_to_hold_no_phi_may_pass() {
        let text = "version = 1\n[[targets]]\nname = \"lake\"\nprotocol = \"s3\"\n[[targets]]\nname = \"bare\"\nprotocol = \"s3\"\n\
                    [[documents]]\ntargets = [\"lake\"]\nname = \"open\"\nresources = [\"open/*\"]\nformat = \"text\"\nphi = false\n\
                    [[documents]]\ntargets = [\"lake\"]\nname = \"strict\"\nresources = [\"strict/*\", \"open/*\"]\nformat = \"text\"\n";
        let policy = Snapshot::parse(text.as_bytes()).unwrap();
        let [open, strict] = policy.documents() else {
            panic!("two documents")
        };
        for (target, object, wanted) in [
            ("lake", "open/a", Reading::ReadOrPassed(open)),
            ("lake", "strict/a", Reading::Read(strict)),
            ("lake", "other/a", Reading::Refused),
            ("bare", "open/a", Reading::Refused),
            ("none", "open/a", Reading::Refused),
        ] {
            assert_eq!(policy.reading(target, object), wanted, "{target} {object}");
        }
        assert_eq!(Reading::Refused.document(), None);
    }

    #[test]
    fn a_document_is_for_targets_with_objects() {
        let text = "version = 1\n[[targets]]\nname = \"lake\"\nprotocol = \"s3\"\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n\
                    [[documents]]\ntargets = [\"lake\", \"clinic\"]\nname = \"d\"\nresources = [\"*\"]\nformat = \"text\"\n";
        assert_eq!(
            Snapshot::parse(text.as_bytes()).unwrap_err().to_string(),
            "line 8: document `d`: a document is for objects, and one of its targets has another protocol than s3"
        );
        assert!(Snapshot::parse(text.replace(", \"clinic\"", "").as_bytes()).is_ok());
    }

    #[test]
    fn no_mask_can_name_a_document_without_phi() {
        let with = |document_more: &str, resource: &str, target: &str| {
            let text = format!(
                "name = \"d\"\nresources = [\"*\"]\nformat = \"csv\"\n{document_more}\n[[targets]]\nname = \"other\"\nprotocol = \
                 \"s3\"\n[[masks]]\nname = \"m\"\ntargets = [\"{target}\"]\nresources = [\"x.y\", \"{resource}\"]\ntechnique = \"redact\""
            );
            document(&text).map(drop)
        };
        for resource in ["d", "d.ssn", "*.ssn", "d*", "*"] {
            assert_eq!(
                with("phi = false", resource, "lake").unwrap_err(),
                "line 5: document `d` says phi = false, and mask `m` can name it or a place in it"
            );
            assert_eq!(with("", resource, "lake"), Ok(()));
            assert_eq!(with("phi = false", resource, "other"), Ok(()));
        }
        for resource in ["e.ssn", "dd.ssn", "e*"] {
            assert_eq!(with("phi = false", resource, "lake"), Ok(()));
        }
    }

    #[test]
    fn the_first_document_that_names_an_object_is_for_it() {
        let two = "name = \"first\"\nresources = [\"exports/*.csv\"]\nformat = \"csv\"\n[[documents]]\ntargets = [\"lake\"]\n\
                   name = \"second\"\nresources = [\"*\"]\nformat = \"text\"";
        assert_eq!(document(two).unwrap().name, "first");
    }
}

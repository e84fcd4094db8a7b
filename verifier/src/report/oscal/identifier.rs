//! UUIDs of version 5 (RFC 9562 section 5.5): SHA-1 of a name space and a name, so that the same report gives the same ones.
//!
//! A document's own name space is made from what the document is about. OSCAL wants a document's UUID to change with its content,
//! so everything that the content depends on is in it.

use serde::Serialize;
use uuid::{Uuid, uuid};

use crate::report::Report;

/// Exhibit's name space, drawn once: of UUIDs, and as a URN of the names of our properties.
const EXHIBIT: Uuid = uuid!("1385ab13-2f58-40bb-a9f0-2744a4f293e7");

/// [`EXHIBIT`] as the `ns` of properties and parts that OSCAL does not define.
pub(super) const NAMESPACE: &str = "urn:uuid:1385ab13-2f58-40bb-a9f0-2744a4f293e7";

/// A UUID of something in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identifier(Uuid);

impl Identifier {
    /// The reference to it from within its document.
    pub(super) fn reference(self) -> String {
        format!("#{self}")
    }
}

impl std::fmt::Display for Identifier {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl Serialize for Identifier {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// What names things in one document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names(Uuid);

impl Names {
    /// Of a report: from the log's name, size and root, and where no root is proven from the findings; and from what else tells
    /// two reports of one log apart.
    pub(super) fn of_report(report: &Report<'_>) -> Self {
        let cover = &report.cover;
        let findings = if cover.root.is_some() { &[] } else { &*report.findings };
        let about = (
            (&cover.origin, cover.size, &cover.root, findings),
            (&cover.period, &cover.entity, cover.verifier),
            (cover.result, cover.heads, cover.errors, cover.notes),
        );
        Self::of(&("assessment-results", about))
    }

    /// Of whatever determines a document.
    pub(super) fn of(about: &impl Serialize) -> Self {
        let about = serde_json::to_vec(about).expect("strings, numbers and lists are JSON");
        Self(Uuid::new_v5(&EXHIBIT, &about))
    }

    /// The UUID of something, by a name that nothing else in the document has.
    pub(super) fn identifier(self, name: &str) -> Identifier {
        Identifier(Uuid::new_v5(&self.0, name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::{EXHIBIT, NAMESPACE, Names};

    #[test]
    fn the_two_forms_of_the_name_space_are_one() {
        assert_eq!(NAMESPACE, format!("urn:uuid:{EXHIBIT}"));
    }

    #[test]
    fn names_give_uuids_of_version_5() {
        // From Python: uuid.uuid5(uuid.uuid5(uuid.UUID("1385ab13-…"), '["a"]'), "b").
        let identifier = Names::of(&["a"]).identifier("b");
        assert_eq!(identifier.to_string(), "f60347a8-c000-5dba-9e60-d1ba897f909c");
        assert_ne!(Names::of(&["a"]).identifier("c"), identifier);
        assert_ne!(Names::of(&["b"]).identifier("b"), identifier);
    }
}

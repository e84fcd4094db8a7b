//! What the documents of a report in other formats share: whose log they are of, and the names that we give to things.
//!
//! Names are `urn:exhibit:KIND:NAME`. Nobody has registered that namespace; the names mean something beside the log alone.
//!
//! Not here: what the documents say ([`super::fhir`], [`super::ocsf`]).

use std::fmt::Write as _;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::merkle::Index;

/// What stands on each document and sheet of the report of a scoped bundle.
pub(super) const SCOPED_LABEL: &str = "of a scoped bundle, not of a whole log";

/// What all documents of a report share.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The log's name.
    pub origin: &'a str,
    /// The root that was verified, in hexadecimal digits.
    pub root: &'a str,
    /// Whose evidence it is, as the caller says; nothing proves it.
    pub entity: Option<&'a str>,
    /// Version of the verifier.
    pub verifier: &'a str,
    /// Whether the bundle is a scoped one, so that no document is taken for one of a whole log.
    pub scoped: bool,
}

impl About<'_> {
    /// The id of a document, 64 hexadecimal digits: SHA-256 of the format, the root, the index of the entry and `part`, which
    /// tells apart the documents of one entry. The same log gives the same ids.
    pub(super) fn id(&self, format: &str, entry: Index, part: &str) -> String {
        self.id_of(format, &entry.0.to_string(), part)
    }

    /// The id of a document that stands on several entries or on none, by the word of what it stands on.
    pub(super) fn id_of(&self, format: &str, standing: &str, part: &str) -> String {
        Digest::of(format!("{format}\n{}\n{standing}\n{part}", self.root).as_bytes()).to_string()
    }

    /// The name of an entry: the log's, and the index.
    pub(super) fn entry(&self, entry: Index) -> String {
        format!("{}/{}", self.origin, entry.0)
    }
}

/// The name `urn:exhibit:KIND:NAME`, with every byte of `name` that a URN does not take as it is written `%XX` (RFC 3986
/// section 2.1).
pub(super) fn urn(kind: &str, name: &str) -> String {
    let mut urn = format!("urn:exhibit:{kind}:");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            urn.push(char::from(byte));
        } else {
            let _ = write!(urn, "%{byte:02X}"); // a String takes everything
        }
    }
    urn
}

/// First and last index as people write them.
pub(super) fn span((first, last): (Index, Index)) -> String {
    format!("{}-{}", first.0, last.0)
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::merkle::Index;

    use super::{About, urn};

    #[test]
    fn an_id_changes_with_everything_that_it_stands_for() {
        let about = About {
            origin: "log.example/clinic",
            root: "00",
            entity: None,
            verifier: "1",
            scoped: false,
        };
        let id = about.id("fhir", Index(7), "token");
        assert_eq!(id.len(), 64);
        assert_eq!(id, about.id("fhir", Index(7), "token"));
        let other = About { root: "01", ..about };
        for changed in [
            about.id("ocsf", Index(7), "token"),
            about.id("fhir", Index(8), "token"),
            about.id("fhir", Index(7), "other"),
            other.id("fhir", Index(7), "token"),
        ] {
            assert_ne!(changed, id);
        }
    }

    #[test]
    fn a_urn_holds_nothing_that_a_urn_does_not_take() {
        assert_eq!(urn("target", "clinic-1.db_~"), "urn:exhibit:target:clinic-1.db_~");
        assert_eq!(urn("target", "a b/ü:"), "urn:exhibit:target:a%20b%2F%C3%BC%3A");
    }
}

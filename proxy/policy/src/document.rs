//! Documents: objects of a target, by how they are read and where masks find something in them.
//!
//! A document of the policy (`[[documents]]`) is for objects a relation: it has a name, and places in it have names as columns
//! do, so `[[masks]]` and the `except` of nets name them by the same patterns.
//!
//! | format | what a mask names | for example |
//! | --- | --- | --- |
//! | `csv`, `tsv` | a column, by the name in its header, or its number where it has none | `patients.ssn`, `feed.3` |
//! | `json`, `ndjson` | the document, or each line; where in it says the technique `paths` | `claims` |
//! | `fhir`, `fhir-ndjson` | the resources of a type, the same | `bulk.Patient` |
//! | `hl7` | a field, a component or a subcomponent of a segment | `adt.PID-5`, `adt.PID-3.1`, `adt.PID-3.4.1` |
//! | `text` | the text | `letters` |
//!
//! Not here: reading them (the crate `exhibit-documents`), and what becomes of a value ([`crate::mask::document`]).

use std::collections::BTreeSet;

use crate::pattern::Pattern;

/// The protocol of targets that have objects, for which masks name places in documents alone.
pub(crate) const OBJECTS: &str = "s3";

/// How an object is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180).
    Csv,
    /// The same, separated by tabs.
    Tsv,
    /// One JSON document (RFC 8259).
    Json,
    /// A JSON document to a line.
    Ndjson,
    /// A resource or a bundle of FHIR R4 as JSON.
    Fhir,
    /// A resource of FHIR to a line, as its bulk exports have them.
    FhirNdjson,
    /// Messages of HL7 version 2, alone or in a batch.
    Hl7,
    /// Plain text.
    Text,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Csv,
        Self::Tsv,
        Self::Json,
        Self::Ndjson,
        Self::Fhir,
        Self::FhirNdjson,
        Self::Hl7,
        Self::Text,
    ];

    /// The word in policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Fhir => "fhir",
            Self::FhirNdjson => "fhir-ndjson",
            Self::Hl7 => "hl7",
            Self::Text => "text",
        }
    }

    /// The format of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// Whether its first record can name columns.
    pub const fn is_table(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv)
    }
}

/// Documents of a policy: which objects of which targets, and how they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What masks call it.
    pub name: String,
    /// How its objects are read.
    pub format: Format,
    /// Of a table, whether its first record names its columns.
    pub header: bool,
    /// Whether an object that cannot be read as its format is refused, because it may hold what masks are for.
    pub phi: bool,
    /// Whether every masked value has the length of what it stands for, so that the object has its own length.
    pub keep_length: bool,
    pub(crate) targets: BTreeSet<String>,
    pub(crate) resources: Vec<Pattern>,
}

/// How an object of a target is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading<'a> {
    /// It is read as this document says, and refused where it cannot be.
    Read(&'a Document),
    /// The same, but an object that was refused before its first byte was released may be passed on as it is: the policy says of this
    /// document that nothing in it has to be masked.
    ReadOrPassed(&'a Document),
    /// It is refused: no document of the policy names it, so nobody can say what in it has to be masked.
    Refused,
}

impl<'a> Reading<'a> {
    /// The document as which it is read.
    pub const fn document(self) -> Option<&'a Document> {
        match self {
            Self::Read(document) | Self::ReadOrPassed(document) => Some(document),
            Self::Refused => None,
        }
    }
}

impl Document {
    /// Whether it is for a target.
    pub fn is_for(&self, target: &str) -> bool {
        self.targets.contains(target)
    }

    /// Its targets, sorted.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(String::as_str)
    }

    /// The objects that it names, as `bucket/key`.
    pub fn resources(&self) -> &[Pattern] {
        &self.resources
    }

    /// Whether a resource of a mask without a star can be this document or a place in it; with one it may.
    pub fn may_have(&self, resource: &str) -> bool {
        if resource.contains('*') {
            return true;
        }
        let place = resource.strip_prefix(self.name.as_str()).unwrap_or(resource);
        let Some(place) = place.strip_prefix('.') else {
            return matches!(self.format, Format::Json | Format::Ndjson | Format::Text);
        };
        let is_number = |text: &str| {
            text.parse::<u32>()
                .is_ok_and(|number| number > 0 && text == number.to_string())
        };
        match self.format {
            Format::Csv | Format::Tsv => self.header || is_number(place),
            Format::Fhir | Format::FhirNdjson => place.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            Format::Hl7 => {
                let (segment, parts) = place.split_once('-').unwrap_or_default();
                let parts: Vec<&str> = parts.split('.').collect();
                segment.len() == 3
                    && segment
                        .bytes()
                        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
                    && parts.len() <= 3
                    && parts.into_iter().all(is_number)
            }
            Format::Json | Format::Ndjson | Format::Text => false,
        }
    }

    /// Whether a pattern of a mask can match it, or a place in it.
    pub fn can_be_named_by(&self, pattern: &Pattern) -> bool {
        pattern.matches(&self.name) || pattern.can_match_below(&format!("{}.", self.name))
    }

    /// The resource of a place in it, as masks name it.
    pub fn resource(&self, place: &str) -> String {
        format!("{}.{place}", self.name)
    }
}

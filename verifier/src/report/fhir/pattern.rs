//! Patterns of IHE BALP 1.1.4 (Basic Audit Log Patterns): what each interaction is in FHIR's codes.
//!
//! What is neither a search nor a read nor a change has no pattern of BALP's and is FHIR's own `operation`.

use serde_json::Value;

use super::code::{self, coding};
use crate::report::interaction::Interaction;

impl Interaction {
    /// The profile that a successful event of it keeps to.
    pub(super) fn profile(self, of_patient: bool) -> Option<String> {
        let name = match self {
            Self::Query => "Query",
            Self::Read => "Read",
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Delete => "Delete",
            Self::Operation => return None,
        };
        let patient = if of_patient { "Patient" } else { "" };
        Some(format!("{}{patient}{name}", code::PROFILES))
    }

    /// FHIR's word among the interactions of REST.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Query => "search",
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Operation => "operation",
        }
    }

    /// The letter of FHIR's actions.
    pub(super) const fn action(self) -> &'static str {
        match self {
            Self::Query | Self::Operation => "E",
            Self::Read => "R",
            Self::Create => "C",
            Self::Update => "U",
            Self::Delete => "D",
        }
    }

    /// Whether it has the statement as an entity of its own, and no object.
    pub(super) const fn is_query(self) -> bool {
        matches!(self, Self::Query | Self::Operation)
    }

    /// What the client is. BALP tells the ends apart by the way of what is named in the pattern: a query flows to the server,
    /// the object of a read from it.
    pub(super) fn client(self) -> Value {
        match self {
            Self::Read => code::destination(),
            Self::Delete => coding(code::DICOM, "110150", "Application"),
            Self::Query | Self::Create | Self::Update | Self::Operation => code::source(),
        }
    }

    /// What the server is.
    pub(super) fn server(self) -> Value {
        match self {
            Self::Read => code::source(),
            Self::Delete => coding(code::PARTICIPANT, "custodian", "Custodian"),
            Self::Query | Self::Create | Self::Update | Self::Operation => code::destination(),
        }
    }

    /// What the user is: who gets what is read, or the author of what is changed.
    pub(super) fn user(self) -> Value {
        match self {
            Self::Query | Self::Read | Self::Operation => coding(code::PARTICIPATION, "IRCP", "information recipient"),
            Self::Create | Self::Update | Self::Delete => coding(code::PARTICIPATION, "AUT", "author (originator)"),
        }
    }
}

//! The control matrix: fourteen controls of 45 CFR Part 164, what of each this evidence can carry, and which findings are
//! exceptions to it.
//!
//! The rows are those of the audit protocol that a gateway has something to say of. Each is tested on its whole population; what
//! cannot be tested says why. A row never says more than its `strength`.

use serde::Serialize;

use crate::finding::{Code, Severity};

/// How far a gateway's evidence can carry a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// What the control asks for is in the log.
    Strong,
    /// A part of it is; the rest is named.
    Partial,
    /// Nothing of it is.
    None,
}

impl Strength {
    /// The word in outputs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::Partial => "partial",
            Self::None => "none",
        }
    }
}

/// What a control is, and how it is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The word by which programs and `--control` name it.
    pub id: &'static str,
    /// Cite in 45 CFR Part 164.
    pub cite: &'static str,
    /// Its name.
    pub title: &'static str,
    /// What one of its population is, in words.
    pub population: &'static str,
    /// The same as a query over the events.
    pub query: &'static str,
    /// What is tested of each.
    pub test: &'static str,
    /// How far this evidence carries it.
    pub strength: Strength,
    /// What the ledger cannot show of it.
    pub cannot_show: &'static str,
}

macro_rules! controls {
    ($( $variant:ident { id: $id:literal, cite: $cite:literal, title: $title:literal, population: $population:literal,
        query: $query:literal, test: $test:literal, strength: $strength:ident, cannot_show: $cannot:literal $(,)? } )*) => {
        /// A control.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Control { $( #[doc = $title] $variant, )* }

        impl Control {
            /// All of them, in the order of the report.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// What it is.
            pub const fn definition(self) -> Definition {
                match self { $( Self::$variant => Definition {
                    id: $id, cite: $cite, title: $title, population: $population, query: $query, test: $test,
                    strength: Strength::$strength, cannot_show: $cannot,
                }, )* }
            }
        }
    };
}

controls! {
    Access {
        id: "312.a.1", cite: "164.312(a)(1)", title: "Access control",
        population: "decisions: commands, questions to people, and replies at a threshold",
        query: "kind in (command, approval-requested, threshold-decided)",
        test: "decided again from the recorded facts with the policy snapshot that was in force, which the log holds",
        strength: Strong,
        cannot_show: "access that goes round the gateway; whether the policy grants what it should"
    }
    Identity {
        id: "312.a.2.i", cite: "164.312(a)(2)(i), 164.312(d)", title: "Unique identification and authentication",
        population: "sessions", query: "kind = session-opened",
        test: "names a subject, an issuer and the digest of a credential that had not expired; no credential is of two subjects",
        strength: Strong,
        cannot_show: "how the identity provider proofs people; accounts that are shared at the provider"
    }
    Emergency {
        id: "312.a.2.ii", cite: "164.312(a)(2)(ii)", title: "Emergency access",
        population: "uses of emergency access",
        query: "kind in (command, threshold-decided) and a decision that it names has the verdict emergency",
        test: "signed with a reason by one person whom the policy lists for it, with a key in force and not the requester, for this command alone and for as long as the policy says; reviewed in time, over everything of it, by somebody else of those who have to",
        strength: Strong,
        cannot_show: "that it was an emergency; that a written procedure exists"
    }
    Logoff {
        id: "312.a.2.iii", cite: "164.312(a)(2)(iii)", title: "Automatic logoff",
        population: "sessions", query: "kind = session-opened",
        test: "between two events of it, while nothing was under way, no more time than the policy's limit lets an agent be silent, and from its opening to its close no more than its limit of a session, each with a minute of grace; of one without a close until the end of the log",
        strength: Partial,
        cannot_show: "messages that run no command leave no event and keep a session alive; workstations"
    }
    Audit {
        id: "312.b", cite: "164.312(b)", title: "Audit controls",
        population: "sessions", query: "kind = session-opened",
        test: "events numbered without a gap under an unbroken chain of seals, grown only by appending since each kept checkpoint that was given, open and close paired, each command that passed with the end of its response",
        strength: Strong,
        cannot_show: "that the log was not written anew before the first checkpoint that somebody kept; systems that are not behind the gateway; the count that a source itself would give is not compared"
    }
    Review {
        id: "308.a.1.ii.D", cite: "164.308(a)(1)(ii)(D)", title: "Review of activity",
        population: "periods that a policy in force wanted reviewed, but for those that may still be signed in time, and reviews",
        query: "each period of the schedules of the policies in force; kind = review-signed",
        test: "signed before its deadline by somebody of the groups that the policy names, over the root of exactly the events of the period, which are counted again, and not by people alone who have a part in them",
        strength: Strong,
        cannot_show: "the reviewer's diligence"
    }
    Integrity {
        id: "312.c.2", cite: "164.312(c)(2)", title: "Integrity of the evidence",
        population: "entries of the log", query: "every entry, in or out of the period",
        test: "in the tree of the signed root, and under the seal of a key in force then",
        strength: Strong,
        cannot_show: "the integrity of the source's own data; entries cut off behind the last, without a checkpoint kept elsewhere"
    }
    Authorization {
        id: "308.a.4", cite: "164.308(a)(4)", title: "Authorisation of access by people",
        population: "commands and replies that passed by approval",
        query: "kind in (command, threshold-decided) and outcome = approved",
        test: "signed by enough distinct people of the right groups, with keys in force, not the requester, before the execution, for this command or within a grant's terms, and not taken back; of emergency access instead what 164.312(a)(2)(ii) is tested for",
        strength: Strong,
        cannot_show: "that a key was used only by its holder"
    }
    Termination {
        id: "308.a.3.ii.C", cite: "164.308(a)(3)(ii)(C)", title: "Termination of access",
        population: "keys that were revoked", query: "kind = key-revoked",
        test: "nothing stands under the key afterwards",
        strength: Partial,
        cannot_show: "when somebody left: no feed of terminations is read, so the time from the end to the revocation is not known"
    }
    LoginMonitoring {
        id: "308.a.5.ii.C", cite: "164.308(a)(5)(ii)(C)", title: "Log-in monitoring",
        population: "refused log-ins", query: "sum of count over kind = login-refused",
        test: "each states its address, what was shown, why it was refused, and how many there were from when",
        strength: Partial,
        cannot_show: "who was told of them, and what was done: alerts are not events"
    }
    MinimumNecessary {
        id: "502.b", cite: "164.502(b), 164.514(d)", title: "Minimum necessary",
        population: "replies that released rows", query: "kind = response-end and rows > 0",
        test: "every column under the mask that the policy puts on it, each cell as its mask leaves it, the counts those of the chunks, rows within what thresholds and people let out, patients counted where the policy counts them",
        strength: Partial,
        cannot_show: "what is legally necessary; the purpose of an access"
    }
    Deidentification {
        id: "514.b", cite: "164.514(b)", title: "Extracts whose identifiers were removed",
        population: "extracts that are labelled so", query: "none: the gateway labels no extract",
        test: "none",
        strength: None,
        cannot_show: "actual knowledge, expert opinion; masked values may still be protected health information"
    }
    Retention {
        id: "316.b.2.i", cite: "164.316(b)(2)(i)", title: "Retention of policies",
        population: "policies that the log holds", query: "each digest of kind = policy-snapshot",
        test: "its exact bytes are in this bundle, whole; to be kept for six years from when it was last in force",
        strength: Partial,
        cannot_show: "policies on paper; that the bundle itself is kept"
    }
    Disclosures {
        id: "528", cite: "164.528", title: "Input to an accounting of disclosures",
        population: "disclosures", query: "none: no event says that an access was a disclosure",
        test: "none",
        strength: None,
        cannot_show: "which accesses were disclosures, their purpose, and what did not go through the gateway"
    }
}

impl Control {
    /// The control of an id.
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|control| control.definition().id == id)
    }

    /// The control to which a finding is an exception. `None` for what is told to the reader and speaks against no control.
    ///
    /// Exhaustive, so that every new code is given its row.
    #[allow(
        clippy::too_many_lines,
        reason = "one arm to a row; in parts it would not be exhaustive any more"
    )]
    pub const fn of(code: Code) -> Option<Self> {
        use Code as C;
        Some(match code {
            C::FileMissing
            | C::FileUnknown
            | C::FileDuplicate
            | C::FileLink
            | C::FileUnreadable
            | C::ManifestFormat
            | C::ManifestEntry
            | C::ManifestHash
            | C::ManifestHead
            | C::TrustDiffers
            | C::CheckpointSignature
            | C::CheckpointRoot
            | C::EntryBundle
            | C::TileHash
            | C::ReceiptSignature
            | C::ReceiptInconsistent
            | C::GenesisAnchors
            | C::ScopeFile
            | C::ScopeProof
            | C::ScopeOutside
            | C::ScopeMissing
            | C::SealFormat
            | C::SealCount
            | C::SealRoot
            | C::SealSignature
            | C::KeyNotInForce
            | C::KeyRole
            | C::KeyEvent
            | C::EventFormat
            | C::EventUnsealed
            | C::PolicyDigest
            | C::CatalogDigest
            | C::ReadAuthor
            | C::ReadTwice
            | C::ReadCount
            | C::RevealCopy
            | C::MaskKeyOrder => Self::Integrity,
            C::SealChain
            | C::TimeOrder
            | C::SessionChain
            | C::SessionTotals
            | C::SessionOpen
            | C::ScopeTail
            | C::CommandData
            | C::CopyMissing
            | C::CopyUnasked
            | C::CopyPart
            | C::CopyForm
            | C::ResponseCommand
            | C::ResponseChunk
            | C::ResponseTotals
            | C::ResponseOpen => Self::Audit,
            C::LoginCount => Self::LoginMonitoring,
            C::SessionExpired
            | C::PolicyUnsaid
            | C::PolicyMissing
            | C::PolicyNotInForce
            | C::PolicyUnsigned
            | C::PolicySignature
            | C::DecisionDiffers
            | C::DecisionTime
            | C::ProbeCount
            | C::ProbeLimit
            | C::FirstSeen
            | C::OutcomeDiffers
            | C::ResponseDenied => Self::Access,
            C::PolicyIncomplete => Self::Retention,
            C::ApprovalMissing
            | C::ApprovalBinding
            | C::ApprovalRequirement
            | C::ApprovalAsker
            | C::PreviewUnasked
            | C::PreviewMissing
            | C::PreviewUnrun
            | C::PreviewLate
            | C::PreviewUnfollowed
            | C::ApprovalLate
            | C::ApprovalSigner
            | C::ApprovalGroup
            | C::ApprovalRequester
            | C::ApprovalReused
            | C::ApprovalPeople
            | C::ApprovalRefused
            | C::ApprovalHours
            | C::ApprovalRevoked
            | C::ApprovalRows
            | C::ApprovalStopped
            | C::GrantScope
            | C::GrantUses
            | C::GrantLate => Self::Authorization,
            C::EmergencyPolicy
            | C::EmergencyInitiator
            | C::EmergencyReason
            | C::EmergencyOver
            | C::EmergencyUnreviewed
            | C::EmergencyReviewLate
            | C::EmergencyReviewOwn => Self::Emergency,
            C::ReviewLog
            | C::ReviewPopulation
            | C::ReviewUnchecked
            | C::ReviewOwn
            | C::ReviewOverdue
            | C::ReviewLate
            | C::ReviewLater => Self::Review,
            C::ResponseColumns
            | C::MaskKeyNotInForce
            | C::MaskMissing
            | C::MaskValue
            | C::MaskCount
            | C::ObjectRefused
            | C::ObjectDocument
            | C::ObjectForm
            | C::ObjectValue
            | C::ObjectCount
            | C::ObjectMask
            | C::ObjectUnread
            | C::DetectionNet
            | C::DetectionCount
            | C::DetectionEnd
            | C::ThresholdDecided
            | C::ThresholdPassed
            | C::PatientsMissing
            | C::PatientsCount
            | C::PatientsUnasked => Self::MinimumNecessary,
            C::TimeApart
            | C::PolicySignatureUncounted
            | C::GrantTerms
            | C::EmergencyUsed
            | C::ApprovalUncounted
            | C::CopyOpen
            | C::SignOffFalse
            | C::MaskKeyUnnamed => return None,
        })
    }
}

/// Whether a finding says that the record itself is not sound, so that nothing may be read from it. Every other error is about
/// what was done, and the record shows it.
pub const fn breaks_record(code: Code) -> bool {
    matches!(code.severity(), Severity::Error)
        && matches!(Control::of(code), Some(Control::Integrity | Control::Audit) | None)
}

/// Findings that are told once of many that are alike: where one stands others may, too.
const TOLD_ONCE: [Code; 6] = [
    Code::PolicyMissing,
    Code::PolicyNotInForce,
    Code::PolicyUnsaid,
    Code::MaskKeyNotInForce,
    Code::ProbeLimit,
    Code::SessionExpired,
];

/// Whether an exception of this cause may stand for more than one.
pub fn is_told_once(cause: &str) -> bool {
    TOLD_ONCE.iter().any(|code| code.as_str() == cause)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Control, breaks_record};
    use crate::finding::{Code, Severity};

    #[test]
    fn there_are_fourteen_rows_with_ids_of_their_own() {
        let ids: BTreeSet<_> = Control::ALL.iter().map(|control| control.definition().id).collect();
        assert_eq!((Control::ALL.len(), ids.len()), (14, 14));
        for control in Control::ALL {
            assert_eq!(Control::of_id(control.definition().id), Some(*control));
        }
        assert_eq!(Control::of_id("312"), None);
    }

    #[test]
    fn every_error_is_an_exception_to_some_control() {
        for code in Code::ALL {
            if code.severity() == Severity::Error {
                assert!(Control::of(*code).is_some(), "{}", code.as_str());
            }
        }
    }

    #[test]
    fn notes_break_no_record() {
        for code in [Code::SessionOpen, Code::ResponseOpen, Code::TimeApart] {
            assert!(!breaks_record(code), "{}", code.as_str());
        }
        for code in [Code::SealRoot, Code::SessionChain, Code::CheckpointRoot] {
            assert!(breaks_record(code), "{}", code.as_str());
        }
        for code in [Code::DecisionDiffers, Code::ApprovalRequester, Code::MaskMissing] {
            assert!(!breaks_record(code), "{}", code.as_str());
        }
    }
}

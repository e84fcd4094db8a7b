//! Findings: what is wrong, where, and what that means in plain words.
//!
//! A code is a stable word that programs may compare. Details name keys, sessions, indexes, files and rules, and never a
//! value, a cell or a literal.

use exhibit_schemas::merkle::Index;

use crate::plain::in_one_line;

/// Findings that are kept; the ones after that are only counted, so that a ruined bundle cannot fill the memory.
pub const FINDINGS_MAX: usize = 10_000;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The bundle does not prove what it must prove.
    Error,
    /// Something that happens in honest operation and that a reader must know.
    Note,
}

impl Severity {
    /// The word in outputs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Note => "note",
        }
    }
}

macro_rules! codes {
    ($( $variant:ident $word:literal $severity:ident $meaning:literal, )*) => {
        /// What kind of thing a finding is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $( #[doc = $meaning] $variant, )* }

        impl Code {
            /// Every code, in the order in which the verifier's checks stand.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The stable word.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self { $( Self::$variant => Severity::$severity, )* }
            }

            /// What it means, in plain words.
            pub const fn meaning(self) -> &'static str {
                match self { $( Self::$variant => $meaning, )* }
            }
        }
    };
}

codes! {
    FileMissing "file-missing" Error "a file that a bundle of this size must hold is not there",
    FileUnknown "file-unknown" Error "a file that does not belong into a bundle of this size",
    FileDuplicate "file-duplicate" Error "the archive holds two files of one name",
    FileLink "file-link" Error "a link or special file where only plain files may be",
    FileUnreadable "file-unreadable" Error "a file is longer than its kind may be, or cannot be read as its kind",
    ManifestFormat "manifest-format" Error "the manifest cannot be read, or is not written in its one form",
    ManifestEntry "manifest-entry" Error "the manifest and the files that are there do not match",
    ManifestHash "manifest-hash" Error "a file is not the one whose size and SHA-256 the manifest states",
    ManifestHead "manifest-head" Error "the manifest states another log, size or root than the checkpoint",
    TrustDiffers "trust-differs" Error "the bundle's copy of the trust anchors is not what you trust",
    CheckpointSignature "checkpoint-signature" Error "the checkpoint is not signed by the log key that you trust",
    CheckpointRoot "checkpoint-root" Error "the entries do not have the root that the log signed",
    EntryBundle "entry-bundle" Error "a file of entries breaks off or does not hold the entries of its width",
    TileHash "tile-hash" Error "a hash that the log published is not that of the entries",
    ReceiptSignature "receipt-signature" Error "a kept checkpoint is not signed by the log key that you trust",
    ReceiptInconsistent "receipt-inconsistent" Error "this log does not begin with the log of a kept checkpoint",
    GenesisAnchors "genesis-anchors" Error "the log does not begin with the name, key and administrators that you trust",
    SealFormat "seal-format" Error "a seal cannot be read, so nothing vouches for the events before it",
    SealCount "seal-count" Error "a seal states more events than stand before it",
    SealRoot "seal-root" Error "the events before a seal are not the ones that were signed",
    SealSignature "seal-signature" Error "a seal is not signed by the key that it names",
    SealChain "seal-chain" Error "a seal does not follow the seal before it: seals are missing, moved or repeated",
    KeyNotInForce "key-not-in-force" Error "a key was used that was not enrolled, or that had ended",
    KeyRole "key-role" Error "a key made an event that its role may not make",
    KeyEvent "key-event" Error "an enrolment, rotation or revocation cannot be",
    EventFormat "event-format" Error "an entry is not the one encoding of an event of a known kind",
    EventUnsealed "event-unsealed" Error "an event stands under no seal of its own emitter",
    TimeOrder "time-order" Error "an emitter's event is dated before its event before",
    TimeApart "time-apart" Note "what people signed is dated more than ten minutes before what stands before it in the log, or after what stands behind it; told once of a key",
    SessionChain "session-chain" Error "a session's events are missing, repeated, out of order, or of another emitter",
    SessionTotals "session-totals" Error "a session's close states other totals than were recorded",
    SessionExpired "session-expired" Error "a command passed after what its session was opened with had expired, and the policy ends sessions then",
    LoginCount "login-count" Error "a refused log-in counts nobody, or began after it was recorded",
    SessionOpen "session-open" Note "a session has no close: its proxy was stopped, or the log ends before",
    PolicyDigest "policy-digest" Error "a policy snapshot is not the policy whose digest it states, or cannot be read",
    PolicyMissing "policy-missing" Error "a policy is named whose snapshot does not stand before in the log",
    PolicyIncomplete "policy-incomplete" Note "a snapshot was begun and not ended",
    PolicyNotInForce "policy-not-in-force" Error "a session was opened, a command decided or people asked by another policy than the one that the proxy had said was in force",
    PolicyUnsigned "policy-unsigned" Error "a policy came into force that fewer people had signed by then than the trust anchors ask for",
    PolicySignature "policy-signature" Error "a signature under a policy is for another log",
    PolicySignatureUncounted "policy-signature-uncounted" Note "a policy was signed with a key whose signatures the trust anchors do not count",
    PolicyUnsaid "policy-unsaid" Note "nothing says which policy was in force at a proxy: it is of an older version",
    CatalogDigest "catalog-digest" Error "a catalog snapshot is not the catalog whose digest it states",
    DecisionDiffers "decision-differs" Error "deciding again from the recorded facts gives another decision",
    DecisionTime "decision-time" Error "a command passed, or people were asked, by the time of another moment, and rules of its policy have hours",
    ProbeCount "probe-count" Error "a command states fewer values tried on masked columns in the hour before than its proxy had recorded",
    ProbeLimit "probe-limit" Note "all proxies together tried more values on masked columns in an hour than the policy allows one",
    FirstSeen "first-seen" Error "a command claims that one like it had passed before at its proxy, and the log has none",
    OutcomeDiffers "outcome-differs" Error "what became of a command does not follow from its decision and its approvals",
    ApprovalMissing "approval-missing" Error "a command passed as approved without its request or its decisions before it",
    ApprovalBinding "approval-binding" Error "an approval was used for another command, session, target or policy",
    ApprovalRequirement "approval-requirement" Error "a request asks for other people, or another time, than its policy",
    ApprovalAsker "approval-asker" Error "a request for approval names somebody else than the principal of its session",
    PreviewUnasked "preview-unasked" Error "a command was run and rolled back, or people were shown what that changes, and the policy asks for no preview of it",
    PreviewMissing "preview-missing" Error "people were asked without a preview, and without the reason why there is none, and the policy asks for one",
    PreviewUnrun "preview-unrun" Error "people were shown how many rows a command changes, and no run of it stands before",
    PreviewLate "preview-late" Error "people were shown how many rows a command changes, by a run too long before",
    PreviewUnfollowed "preview-unfollowed" Error "a command was run and rolled back, and people were not asked about that command then",
    ApprovalLate "approval-late" Error "an approval was made, or used, after its request had ended",
    ApprovalSigner "approval-signer" Error "an approval was signed by a key that is not a person's",
    ApprovalGroup "approval-group" Error "an approval was signed by a person of none of the groups that may approve",
    ApprovalRequester "approval-requester" Error "a requester approved its own command",
    ApprovalReused "approval-reused" Error "an approval was used twice",
    ApprovalPeople "approval-people" Error "fewer distinct people approved than the policy asks for, or nobody of a group that must be there",
    ApprovalRefused "approval-refused" Error "a command passed although a person had refused it",
    ApprovalHours "approval-hours" Error "an approval was given or used outside of the hours in which approvals count",
    ApprovalRevoked "approval-revoked" Error "a command passed by an approval that had been taken back",
    ApprovalRows "approval-rows" Error "more rows were released by an approval than people approved",
    ApprovalStopped "approval-stopped" Error "a session's close says that what people approved let no more out, and nothing in the log does",
    GrantScope "grant-scope" Error "a command passed by a grant that does not cover it",
    GrantUses "grant-uses" Error "more commands passed by a grant than it is for",
    GrantLate "grant-late" Error "a command passed by a grant that had ended",
    GrantTerms "grant-terms" Note "a person granted more than the policy lets people grant; the narrower holds",
    EmergencyPolicy "emergency-policy" Error "something passed as an emergency, and the policy lets nobody do that, or not for other commands, too",
    EmergencyInitiator "emergency-initiator" Error "something passed as an emergency by a person of none of the groups that may use that",
    EmergencyReason "emergency-reason" Error "something passed as an emergency, and nobody said in words which one",
    EmergencyOver "emergency-over" Error "something passed, or was released, by an emergency that was over",
    EmergencyUsed "emergency-used" Note "something passed in an emergency, without the people who would have had to approve",
    EmergencyUnreviewed "emergency-unreviewed" Note "a use of emergency access was not reviewed by its deadline, by somebody who had no part in it",
    EmergencyReviewLate "emergency-review-late" Note "a use of emergency access was reviewed after its deadline",
    EmergencyReviewOwn "emergency-review-own" Note "a use of emergency access was reviewed by a person who let it pass, or asked for it: that counts for nothing",
    ApprovalUncounted "approval-uncounted" Note "a person's decision does not count for any request, or takes none back",
    CommandData "command-data" Error "data of no open command that passed, or parts of it are missing, repeated or out of order",
    CopyMissing "copy-missing" Error "a command has no whole sealed copy, and its policy asks for one",
    CopyUnasked "copy-unasked" Error "a sealed copy of a command whose policy asks for none",
    CopyPart "copy-part" Error "a part of a sealed copy that does not follow its command or the part before it",
    CopyForm "copy-form" Error "a sealed copy is no age file to as many recipients as its policy names, or too long",
    CopyOpen "copy-open" Note "the log, or its proxy, ended within a sealed copy: its command did not pass by then",
    RevealCopy "reveal-copy" Error "a person says to have opened a sealed copy that does not stand before in the log",
    ReadAuthor "read-author" Error "the ledger says that somebody read the evidence, and neither a statement of that person's key nor a token says so, or it says something else",
    ReadTwice "read-twice" Error "one statement of a reader stands for two readings",
    ReadCount "read-count" Error "the event of a reading counts none, or is of another time",
    ReviewLog "review-log" Note "a review counts for nothing: it names no scope that there is, a period that cannot be, or another log than the one before it",
    ReviewPopulation "review-population" Note "a review counts for nothing: it signs off other events than those of its period and scope",
    ReviewUnchecked "review-unchecked" Note "a review was not counted again, as its signer has too many, and counts for nothing; or there are more schedules or periods than are looked at",
    ReviewOwn "review-own" Note "a reviewer signed off what the reviewer has a part in: own readings, decisions, reviews, sessions or keys",
    SignOffFalse "sign-off-false" Note "what a person signed about a report counts for nothing: it is of another log than the one before it, or cites what does not stand there",
    ReviewOverdue "review-overdue" Note "a review that a policy in force asks for was not signed by its deadline, or events came after it that nobody has reviewed",
    ReviewLate "review-late" Note "a review that a policy in force asks for was signed after its deadline",
    ReviewLater "review-later" Note "events of a reviewed period stand behind the log that was reviewed",
    ResponseCommand "response-command" Error "a response to no command of its session that is still open",
    ResponseChunk "response-chunk" Error "parts of a response are missing, repeated or out of order",
    ResponseTotals "response-totals" Error "a response's end states other totals than were recorded",
    ResponseOpen "response-open" Note "a command has no end of its response",
    ResponseDenied "response-denied" Error "rows, or an object, were released to a command that did not pass",
    ResponseColumns "response-columns" Error "rows were released that do not fit a description of their columns",
    MaskKeyOrder "mask-key-order" Error "a proxy announced a key of masks that it had replaced, that does not say that it replaces the one before, or in the middle of a run",
    MaskKeyNotInForce "mask-key-not-in-force" Error "a session masks under a key that its proxy had not announced, or had replaced",
    MaskKeyUnnamed "mask-key-unnamed" Note "keyed values were released, and nothing says under which key: the proxy is of an older version",
    MaskMissing "mask-missing" Error "a column was released without the mask that the policy puts on it",
    MaskValue "mask-value" Error "a cell of a masked column does not look as its mask leaves it",
    MaskCount "mask-count" Error "the counts of masked cells are not those of the released columns",
    ObjectRefused "object-refused" Error "an object was read that no document of the policy names, so nobody can say what in it has to be masked",
    ObjectDocument "object-document" Error "a command reads an object, and does not say that it is read as the document that the policy says",
    ObjectForm "object-form" Error "an object that the policy masks was released in a form that masked ones do not have",
    ObjectValue "object-value" Error "a value at a masked place of an object does not look as its mask leaves it",
    ObjectCount "object-count" Error "fewer values are stated as masked than stand at masked places of the object",
    ObjectMask "object-mask" Error "a response states a mask that no place of its object can have",
    ObjectUnread "object-unread" Note "an object was released that cannot be read again as its document, so the log does not show whether it was masked",
    DetectionNet "detection-net" Error "a detection does not follow from a net of its policy, or says nothing",
    DetectionCount "detection-count" Error "a response's end states other counts of findings than its detections",
    ThresholdDecided "threshold-decided" Error "a decision about a threshold does not follow from its command, or its session went on against it",
    ThresholdPassed "threshold-passed" Error "rows were released past a threshold, and neither policy nor people let them out",
    PatientsMissing "patients-missing" Error "rows that may be records of patients were released, and nothing says whose they are",
    PatientsCount "patients-count" Error "the records of patients that a response counts do not fit its rows",
    PatientsUnasked "patients-unasked" Error "a response names patients, and its policy or its command says that it names none",
    ScopeFile "scope-file" Error "a file of a scoped bundle that is not in its form, or not with its proof",
    ScopeProof "scope-proof" Error "the proof of a disclosed event does not show that it stands there, in this log",
    ScopeOutside "scope-outside" Error "an event is disclosed that is not of the scope that the bundle states",
    ScopeMissing "scope-missing" Error "an event is withheld that every bundle of this scope holds",
    ScopeTail "scope-tail" Note "a session has no close here, and later events of its proxy are withheld: events of it may be among them",
    DetectionEnd "detection-end" Error "a session went on after a detection that ends it, or its close gives another reason",
}

/// Where a finding is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The bundle as a whole.
    Bundle,
    /// A file of the bundle, by its path.
    File(String),
    /// A kept checkpoint, as the caller named it.
    Receipt(String),
    /// An entry.
    Entry(Index),
    /// Entries from the first to the last.
    Entries(Index, Index),
}

impl Place {
    /// One entry, or several.
    pub fn entries(first: Index, last: Index) -> Self {
        if first == last {
            Self::Entry(first)
        } else {
            Self::Entries(first, last)
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bundle => formatter.write_str("bundle"),
            Self::File(path) => formatter.write_str(&in_one_line(path)),
            Self::Receipt(name) => write!(formatter, "kept {}", in_one_line(name)),
            Self::Entry(index) => write!(formatter, "#{index}"),
            Self::Entries(first, last) => write!(formatter, "#{first}..#{last}"),
        }
    }
}

/// One thing that is wrong, or that a reader must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// Where.
    pub place: Place,
    /// What exactly, without values.
    pub detail: String,
}

/// Everything that was found, in the order in which it was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    errors: u64,
    notes: u64,
}

impl Findings {
    /// Adds one; past [`FINDINGS_MAX`] it is only counted.
    pub fn add(&mut self, code: Code, place: Place, detail: impl Into<String>) {
        match code.severity() {
            Severity::Error => self.errors += 1,
            Severity::Note => self.notes += 1,
        }
        if self.kept.len() < FINDINGS_MAX {
            self.kept.push(Finding {
                code,
                place,
                detail: detail.into(),
            });
        }
    }

    /// The ones that were kept.
    pub fn list(&self) -> &[Finding] {
        &self.kept
    }

    /// Errors, kept or not.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// Notes, kept or not.
    pub fn notes(&self) -> u64 {
        self.notes
    }

    /// Findings that were only counted.
    pub fn not_kept(&self) -> u64 {
        let kept = u64::try_from(self.kept.len()).unwrap_or(u64::MAX);
        (self.errors + self.notes).saturating_sub(kept)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Code, FINDINGS_MAX, Findings, Place};

    #[test]
    fn words_are_distinct_and_plain() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for word in words {
            assert!(
                word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{word}"
            );
        }
    }

    #[test]
    fn past_the_limit_findings_are_counted_and_not_kept() {
        let mut findings = Findings::default();
        for _ in 0..=FINDINGS_MAX {
            findings.add(Code::SealRoot, Place::Bundle, "x");
        }
        findings.add(Code::SessionOpen, Place::Bundle, "x");
        assert_eq!(findings.list().len(), FINDINGS_MAX);
        assert_eq!(
            (findings.errors(), findings.notes(), findings.not_kept()),
            (10_001, 1, 2)
        );
    }
}

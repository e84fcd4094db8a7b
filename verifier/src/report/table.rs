//! The tables of a report: what each lists, the file that holds it whole, and its columns.
//!
//! A table is one CSV file and one sheet of the workbook, with the same columns and the same cells ([`super::cells`]).

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// What the report is of.
    Cover,
    /// The control matrix.
    Controls,
    /// What speaks against controls.
    Exceptions,
    /// What is new since an earlier report.
    Changes,
    /// What the checks found.
    Findings,
    /// Sessions.
    Sessions,
    /// Who was not let in.
    RefusedLogins,
    /// Commands with their decisions and responses.
    Commands,
    /// Fields that were touched, and how they were masked.
    Fields,
    /// Commands by day.
    Days,
    /// What people were asked.
    Approvals,
    /// What people decided.
    Decisions,
    /// What nets caught.
    Detections,
    /// Sealed copies that were opened.
    Reveals,
    /// Readings of the evidence.
    Readings,
    /// Who read the evidence.
    Readers,
    /// Reviews.
    Reviews,
    /// Signatures under reports.
    ReportSignatures,
    /// Notes of exceptions.
    ExceptionNotes,
    /// Ends of exceptions.
    ExceptionCloses,
    /// What people signed that counts for nothing.
    Void,
    /// What policies in force wanted reviewed.
    ReviewSchedules,
    /// Periods to be reviewed.
    ReviewPeriods,
    /// Uses of emergency access.
    Emergencies,
    /// Rules that were only observed.
    ObservedRules,
    /// Policies.
    Policies,
    /// Masks of policies.
    PolicyMasks,
    /// Policies in force.
    PolicyTerms,
    /// Keys.
    Keys,
    /// Keys of masks.
    MaskKeys,
}

impl Table {
    /// All of them, in the order of the workbook.
    pub const ALL: &'static [Self] = &[
        Self::Cover,
        Self::Controls,
        Self::Exceptions,
        Self::Changes,
        Self::Findings,
        Self::Sessions,
        Self::RefusedLogins,
        Self::Commands,
        Self::Fields,
        Self::Days,
        Self::Approvals,
        Self::Decisions,
        Self::Detections,
        Self::Reveals,
        Self::Readings,
        Self::Readers,
        Self::Reviews,
        Self::ReportSignatures,
        Self::ExceptionNotes,
        Self::ExceptionCloses,
        Self::Void,
        Self::ReviewSchedules,
        Self::ReviewPeriods,
        Self::Emergencies,
        Self::ObservedRules,
        Self::Policies,
        Self::PolicyMasks,
        Self::PolicyTerms,
        Self::Keys,
        Self::MaskKeys,
    ];

    /// Its name, of its file and its sheet.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cover => "cover",
            Self::Controls => "controls",
            Self::Exceptions => "exceptions",
            Self::Changes => "changes",
            Self::Findings => "findings",
            Self::Sessions => "sessions",
            Self::RefusedLogins => "refused-logins",
            Self::Commands => "commands",
            Self::Fields => "fields",
            Self::Days => "days",
            Self::Approvals => "approvals",
            Self::Decisions => "approval-decisions",
            Self::Detections => "detections",
            Self::Reveals => "reveals",
            Self::Readings => "readings",
            Self::Readers => "readers",
            Self::Reviews => "reviews",
            Self::ReportSignatures => "report-signatures",
            Self::ExceptionNotes => "exception-notes",
            Self::ExceptionCloses => "exception-closes",
            Self::Void => "void-statements",
            Self::ReviewSchedules => "review-schedules",
            Self::ReviewPeriods => "review-periods",
            Self::Emergencies => "emergencies",
            Self::ObservedRules => "observed-rules",
            Self::Policies => "policies",
            Self::PolicyMasks => "policy-masks",
            Self::PolicyTerms => "policies-in-force",
            Self::Keys => "keys",
            Self::MaskKeys => "mask-keys",
        }
    }

    /// Path of its file in the report.
    pub fn path(self) -> String {
        format!("tables/{}.csv", self.name())
    }

    /// What it lists, in words.
    pub const fn population(self) -> &'static str {
        match self {
            Self::Cover => "what the report is of, and what it does not claim",
            Self::Controls => "the control matrix, whatever can be said of each row",
            Self::Exceptions => "what speaks against each control, as far as it is listed",
            Self::Changes => "what is new since the earlier report, where one was given",
            Self::Findings => "what the checks found in the whole log",
            Self::Sessions => "sessions that were opened in the period, in the order in which they ended",
            Self::RefusedLogins => "refused log-ins that were recorded in the period, alike ones of a minute together",
            Self::Commands => "commands that were recorded in the period, in the order in which their responses ended",
            Self::Fields => {
                "fields that commands of the period touched whose replies had rows, by the rule that let them pass"
            }
            Self::Days => "commands of each day of the period that has any, in UTC",
            Self::Approvals => "questions to people, of the whole log",
            Self::Decisions => "decisions of people about questions that the log holds, of the whole log",
            Self::Detections => "what nets caught in the period",
            Self::Reveals => "sealed copies that people said they opened in the period",
            Self::Readings => "readings of the evidence that were recorded in the period",
            Self::Readers => "who read the evidence, as recorded in the period",
            Self::Void => {
                "decisions, revocations and reviews that people signed and that count for nothing, of the whole log"
            }
            Self::ReviewSchedules => "what policies in force wanted reviewed, of the whole log",
            Self::Reviews => "reviews that people signed and that are what they say, of the whole log",
            Self::ReportSignatures => "signatures of people under reports, of the whole log",
            Self::ExceptionNotes => "notes of people about exceptions, of the whole log",
            Self::ExceptionCloses => "what people signed that ends exceptions, of the whole log",
            Self::ReviewPeriods => "periods that policies in force wanted reviewed, of the whole log",
            Self::Emergencies => "uses of emergency access, of the whole log",
            Self::ObservedRules => "rules that matched and were not enforced, of the whole log",
            Self::Policies => "policies that the log holds",
            Self::PolicyMasks => "masks of the policies that the log holds",
            Self::PolicyTerms => "policies in force at proxies, of the whole log",
            Self::Keys => "keys, of the whole log",
            Self::MaskKeys => "keys of masks, of the whole log",
        }
    }

    /// Its columns. A column called after an event holds that event's index.
    #[allow(
        clippy::too_many_lines,
        reason = "one list to a table; in parts it would not be exhaustive any more"
    )]
    pub const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Cover => &["item", "value"],
            Self::Controls => &[
                "id",
                "cite",
                "title",
                "population",
                "query",
                "count",
                "test",
                "strength",
                "cannot_show",
                "state",
                "result",
                "exceptions",
                "not_listed",
            ],
            Self::Exceptions => &[
                "control",
                "cite",
                "exception",
                "entry",
                "cause",
                "detail",
                "state",
                "noted",
                "noted_by",
                "earlier",
                "owner",
                "remediation",
                "due",
                "closed",
                "closed_by",
                "disposition",
                "statement",
                "own",
            ],
            Self::Changes => &["of", "name", "before", "after"],
            Self::Findings => &["severity", "code", "first", "last", "file", "meaning", "detail"],
            Self::Sessions => &[
                "session",
                "opened",
                "closed",
                "time",
                "ended",
                "target",
                "protocol",
                "method",
                "issuer",
                "subject",
                "evidence",
                "run",
                "expires",
                "transport",
                "peer",
                "mask_key",
                "reason",
                "commands",
                "patients",
            ],
            Self::RefusedLogins => &[
                "refused", "since", "time", "target", "peer", "method", "reason", "user", "named", "count",
            ],
            Self::Commands => &[
                "command",
                "time",
                "session",
                "subject",
                "target",
                "statement",
                "accesses",
                "columns",
                "probes",
                "effect",
                "rule",
                "observed",
                "policy",
                "outcome",
                "request",
                "approvals",
                "copy_first",
                "copy_last",
                "thresholds",
                "released_first",
                "released_last",
                "ended",
                "status",
                "code",
                "rows",
                "bytes",
                "patients",
                "masks",
                "masked",
            ],
            Self::Fields => &["rule", "field", "mask", "technique", "replies", "rows"],
            Self::Days => &["day", "allowed", "approved", "denied"],
            Self::Approvals => &[
                "request",
                "time",
                "session",
                "requester",
                "statement",
                "approval",
                "people",
                "asks",
                "preview",
                "expires",
                "decisions",
                "revocations",
                "rows",
                "grant_scopes",
                "grant_ends",
                "grant_uses",
                "grant_used",
            ],
            Self::Decisions => &[
                "request",
                "decision",
                "time",
                "after_s",
                "person",
                "groups",
                "verdict",
                "reason",
                "terms",
                "enrolled",
                "requester",
            ],
            Self::Detections => &[
                "detection",
                "time",
                "command",
                "net",
                "channel",
                "column",
                "findings",
                "ends",
            ],
            Self::Reveals => &[
                "reveal", "time", "person", "groups", "reason", "command", "copy", "enrolled",
            ],
            Self::Readings => &[
                "read",
                "since",
                "until",
                "reader",
                "method",
                "issuer",
                "subject",
                "role",
                "operation",
                "scope",
                "count",
                "times",
            ],
            Self::Readers => &["reader", "method", "issuer", "subject", "readings", "first", "last"],
            Self::Void => &[
                "entry", "time", "kind", "person", "groups", "about", "verdict", "words", "why",
            ],
            Self::ReviewSchedules => &[
                "schedule",
                "first",
                "scope",
                "every",
                "zone",
                "within_days",
                "groups",
                "own",
                "from",
                "until",
            ],
            Self::Reviews => &[
                "review",
                "time",
                "person",
                "groups",
                "from",
                "to",
                "scope",
                "emergency",
                "counts",
                "population",
                "finding",
                "own",
                "later",
            ],
            Self::ReportSignatures => &[
                "signed",
                "time",
                "person",
                "groups",
                "manifest",
                "size",
                "root",
                "statement",
                "uncounted",
            ],
            Self::ExceptionNotes => &[
                "noted",
                "time",
                "person",
                "groups",
                "control",
                "cause",
                "entry",
                "detail",
                "size",
                "owner",
                "remediation",
                "due",
                "closes",
                "uncounted",
            ],
            Self::ExceptionCloses => &[
                "closed",
                "time",
                "person",
                "groups",
                "note",
                "disposition",
                "statement",
                "own",
                "uncounted",
            ],
            Self::ReviewPeriods => &[
                "schedule",
                "first",
                "scope",
                "from",
                "to",
                "deadline",
                "state",
                "reviews",
                "uncounted",
            ],
            Self::Emergencies => &[
                "used",
                "time",
                "request",
                "decision",
                "signed",
                "person",
                "groups",
                "reason",
                "subject",
                "target",
                "session",
                "statement",
                "rows",
                "ends",
                "deadline",
                "reviewers",
                "state",
                "reviews",
                "uncounted",
            ],
            Self::ObservedRules => &[
                "policy", "rule", "effect", "approval", "commands", "passed", "who", "first", "last",
            ],
            Self::Policies => &["policy", "snapshot", "bytes", "last_in_force", "keep_until"],
            Self::PolicyMasks => &["policy", "mask", "technique", "keyed", "targets", "resources"],
            Self::PolicyTerms => &[
                "policy",
                "proxy",
                "from",
                "since",
                "until",
                "ended",
                "sessions",
                "commands",
                "signatures",
                "signed",
            ],
            Self::Keys => &["key", "role", "name", "groups", "enrolled", "ended"],
            Self::MaskKeys => &["key", "proxy", "announced", "ended", "sessions"],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Table;

    #[test]
    fn names_fit_a_sheet_and_are_told_apart() {
        let names: BTreeSet<_> = Table::ALL.iter().map(|table| table.name()).collect();
        assert_eq!(names.len(), Table::ALL.len());
        // A sheet's name has 31 characters at the most, two of which tell its parts apart.
        assert!(names.iter().all(|name| name.len() <= 28));
        for table in Table::ALL {
            let columns: BTreeSet<_> = table.columns().iter().collect();
            assert_eq!(columns.len(), table.columns().len(), "{table:?}");
        }
    }
}

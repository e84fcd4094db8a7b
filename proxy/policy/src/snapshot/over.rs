//! Thresholds: rules about replies that have come to more than so many rows, bytes or patients, and about commands of which so
//! many rows are estimated.
//!
//! Not here: when they are asked (the gate, before what is more is handed over), and what is known of a command before it runs
//! ([`crate::estimate`]).

use exhibit_schemas::event::access::{Attribute, Effect, Facts};
use serde::Deserialize;

use super::Snapshot;
use crate::estimate;
use crate::patients::PATIENTS_MAX;

/// How many rows a reply comes to.
const REPLY_ROWS: &str = "reply_rows";

/// How many bytes a reply comes to.
const REPLY_BYTES: &str = "reply_bytes";

/// How many rows all replies of the session come to.
const SESSION_ROWS: &str = "session_rows";

/// How many bytes all replies of the session come to.
const SESSION_BYTES: &str = "session_bytes";

/// How many different patients a reply has records of.
const REPLY_PATIENTS: &str = "reply_patients";

/// How many all replies of the session have records of.
const SESSION_PATIENTS: &str = "session_patients";

/// The attributes of what replies come to; they are the gate's, and no protocol's.
pub(super) const COUNTS: [&str; 6] = [
    REPLY_ROWS,
    REPLY_BYTES,
    SESSION_ROWS,
    SESSION_BYTES,
    REPLY_PATIENTS,
    SESSION_PATIENTS,
];

/// What a reply, and with it its session, comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows of the reply.
    pub rows: u64,
    /// Bytes of the reply: of cells with their lengths ([`with_cells`]), and of messages that are not rows.
    pub bytes: u64,
    /// Rows of all replies of the session.
    pub session_rows: u64,
    /// Bytes of all replies of the session.
    pub session_bytes: u64,
    /// Different patients of the reply, those who are not known by rows; `None` where the policy does not name patients of the
    /// target.
    pub patients: Option<u64>,
    /// Different patients of all replies of the session.
    pub session_patients: Option<u64>,
}

impl Counts {
    /// More than any threshold lets out.
    pub const MAX: Self = Self {
        rows: u64::MAX,
        bytes: u64::MAX,
        session_rows: u64::MAX,
        session_bytes: u64::MAX,
        patients: Some(u64::MAX),
        session_patients: Some(u64::MAX),
    };
}

/// A threshold: more than any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Over {
    /// Rows of the reply.
    pub rows: Option<u64>,
    /// Bytes of the reply.
    pub bytes: Option<u64>,
    /// Rows of all replies of the session.
    pub session_rows: Option<u64>,
    /// Bytes of all replies of the session.
    pub session_bytes: Option<u64>,
    /// Different patients of the reply.
    pub patients: Option<u64>,
    /// Different patients of all replies of the session.
    pub session_patients: Option<u64>,
    /// Rows that the target expects the command to read out or to change, before it runs; what is not known is more.
    pub estimated_rows: Option<u64>,
}

impl Over {
    /// Why a rule cannot have it.
    pub(super) fn unfit(self, effect: Effect) -> Option<&'static str> {
        if !self.is_of_replies() && self.estimated_rows.is_none() {
            return Some(
                "`over` names rows, bytes or patients, of the reply or with `session_` before of the session, or `estimated_rows`",
            );
        }
        if [self.patients, self.session_patients]
            .into_iter()
            .flatten()
            .any(|limit| limit > PATIENTS_MAX)
        {
            return Some("no more than 100000 patients are counted");
        }
        // What nobody was asked about at the beginning would be let out because it is much.
        (effect == Effect::Allow).then_some("a rule about more rows, bytes or patients asks or denies")
    }

    /// Whether it is about what replies come to, and not about what is estimated alone.
    pub(crate) fn is_of_replies(self) -> bool {
        self.limits().iter().any(|(_, limit)| limit.is_some())
    }

    /// Whether it is about patients.
    pub(super) const fn counts_patients(self) -> bool {
        self.patients.is_some() || self.session_patients.is_some()
    }

    const fn limits(self) -> [(&'static str, Option<u64>); 6] {
        [
            (REPLY_PATIENTS, self.patients),
            (SESSION_PATIENTS, self.session_patients),
            (REPLY_ROWS, self.rows),
            (REPLY_BYTES, self.bytes),
            (SESSION_ROWS, self.session_rows),
            (SESSION_BYTES, self.session_bytes),
        ]
    }

    /// Whether a reply of these facts is over it, or a command of these facts by its estimate; a request without a reply is not
    /// over what replies come to.
    pub(crate) fn holds(self, facts: &Facts) -> bool {
        let more = |(name, limit): (&str, Option<u64>)| match (limit, facts.attributes.get(name)) {
            (Some(limit), Some(Attribute::Integer(count))) => *count > limit,
            _ => false,
        };
        self.limits().into_iter().any(more) || self.estimated_rows.is_some_and(|limit| estimate::is_over(facts, limit))
    }

    fn is_passed(self, counts: Counts) -> bool {
        let more = |(name, limit): (&str, Option<u64>)| {
            counts
                .named(name)
                .zip(limit)
                .is_some_and(|(count, limit)| count > limit)
        };
        self.limits().into_iter().any(more)
    }
}

impl std::fmt::Display for Over {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = [
            (self.rows, "rows"),
            (self.bytes, "bytes"),
            (self.session_rows, "rows of the session"),
            (self.session_bytes, "bytes of the session"),
            (self.patients, "patients"),
            (self.session_patients, "patients of the session"),
            (self.estimated_rows, "estimated rows"),
        ];
        let named = words
            .iter()
            .filter_map(|(limit, word)| Some(format!("{} {word}", (*limit)?)));
        write!(formatter, "more than {}", named.collect::<Vec<_>>().join(" or "))
    }
}

impl Counts {
    /// Whether an attribute of this name is one of them.
    pub fn are_in(name: &str) -> bool {
        COUNTS.contains(&name)
    }

    /// What the facts of a reply say; `None` of those of a command.
    pub fn of(facts: &Facts) -> Option<Self> {
        let count = |name: &str| match facts.attributes.get(name) {
            Some(Attribute::Integer(count)) => Some(*count),
            _ => None,
        };
        Some(Self {
            rows: count(REPLY_ROWS)?,
            bytes: count(REPLY_BYTES)?,
            session_rows: count(SESSION_ROWS)?,
            session_bytes: count(SESSION_BYTES)?,
            patients: count(REPLY_PATIENTS),
            session_patients: count(SESSION_PATIENTS),
        })
    }

    fn named(self, name: &str) -> Option<u64> {
        match name {
            REPLY_ROWS => Some(self.rows),
            REPLY_BYTES => Some(self.bytes),
            SESSION_ROWS => Some(self.session_rows),
            SESSION_BYTES => Some(self.session_bytes),
            REPLY_PATIENTS => self.patients,
            _ => self.session_patients,
        }
    }

    /// The same, of which the session counts nothing where the reply has no rows: what prepares, completes or fails is not asked
    /// about because other replies were long. Nor does it count patients where the reply has records of none.
    #[must_use]
    pub const fn of_rows(self) -> Self {
        let session_patients = match self.patients {
            Some(0) => Some(0),
            _ => self.session_patients,
        };
        match self.rows {
            0 => Self {
                session_rows: 0,
                session_bytes: 0,
                session_patients,
                ..self
            },
            _ => Self {
                session_patients,
                ..self
            },
        }
    }

    /// The greater of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            rows: self.rows.max(other.rows),
            bytes: self.bytes.max(other.bytes),
            session_rows: self.session_rows.max(other.session_rows),
            session_bytes: self.session_bytes.max(other.session_bytes),
            patients: self.patients.max(other.patients),
            session_patients: self.session_patients.max(other.session_patients),
        }
    }
}

impl Snapshot {
    /// Whether any rule is about what a reply comes to.
    pub fn has_thresholds(&self) -> bool {
        self.index.over().any(Over::is_of_replies)
    }

    /// Whether a reply that was decided about when it came to `before`, and comes to `after`, passes a threshold of any rule in
    /// between, so that it has to be decided again. Nothing was decided before its first rows: then `before` is nothing, also of
    /// the session.
    pub fn crosses(&self, before: Counts, after: Counts) -> bool {
        self.index
            .over()
            .any(|over| over.is_passed(after) && !over.is_passed(before))
    }
}

/// Bytes that a cell costs beside its value: whether it is empty or NULL tells something, too. It is what PostgreSQL sends.
const CELL_BYTES: u64 = 4;

/// Bytes with what so many cells cost beside their values.
pub const fn with_cells(bytes: u64, cells: u64) -> u64 {
    bytes.saturating_add(cells.saturating_mul(CELL_BYTES))
}

/// The facts of a command whose reply comes to that.
pub fn facts_at(facts: &Facts, counts: Counts) -> Facts {
    let mut facts = facts.clone();
    for name in COUNTS {
        if let Some(count) = counts.named(name) {
            facts.attributes.insert(name.to_owned(), Attribute::Integer(count));
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::access::{Access, Action, Effect, Facts, Principal};

    use super::{Counts, facts_at};
    use crate::decide::decide;
    use crate::snapshot::Snapshot;

    const POLICY: &str = r#"
version = 1

[[roles]]
name = "ci"
match = { method = "api-key" }

[[targets]]
name = "clinic"
protocol = "postgres"

[[approvals]]
name = "privacy"
groups = ["privacy"]
people = 2
expires_s = 900

[[rules]]
name = "never"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
over = { rows = 100, bytes = 5000 }
effect = "deny"

[[rules]]
name = "bulk"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
over = { rows = 10 }
effect = "ask"
approval = "privacy"

[[rules]]
name = "reads"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
effect = "allow"
"#;

    fn reads() -> Facts {
        Facts {
            accesses: vec![Access(Action::Read, Some("public.patients".to_owned()))],
            attributes: [].into(),
            columns: None,
        }
    }

    fn counts(rows: u64, bytes: u64) -> Counts {
        Counts {
            rows,
            bytes,
            session_rows: rows,
            session_bytes: bytes,
            ..Counts::default()
        }
    }

    #[test]
    fn a_rule_about_replies_holds_past_its_rows_or_bytes_alone() {
        let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
        let principal = Principal {
            method: "api-key".to_owned(),
            issuer: "keys".to_owned(),
            subject: "ci".to_owned(),
            client_id: None,
            groups: Vec::new(),
            evidence: exhibit_schemas::digest::Digest([0; 32]),
            run: None,
        };
        let ruled = |facts: &Facts| {
            let decision = decide(&snapshot, &principal, "clinic", facts);
            (decision.effect, decision.rule.unwrap_or_default())
        };
        assert_eq!(ruled(&reads()), (Effect::Allow, "reads".to_owned()));
        let twelve = facts_at(&reads(), counts(12, 34));
        assert_eq!(
            (Counts::of(&twelve), Counts::of(&reads())),
            (Some(counts(12, 34)), None)
        );
        let at = |rows, bytes| ruled(&facts_at(&reads(), counts(rows, bytes)));
        assert_eq!(at(10, 5000), (Effect::Allow, "reads".to_owned()));
        assert_eq!(at(11, 0), (Effect::Ask, "bulk".to_owned()));
        assert_eq!(at(100, 0), (Effect::Ask, "bulk".to_owned()));
        assert_eq!(at(101, 0), (Effect::Deny, "never".to_owned()));
        assert_eq!(at(0, 5001), (Effect::Deny, "never".to_owned()));
    }

    #[test]
    fn a_reply_is_decided_again_where_it_passes_a_threshold() {
        let snapshot = Snapshot::parse(POLICY.as_bytes()).unwrap();
        assert!(snapshot.has_thresholds());
        assert!(!snapshot.crosses(counts(0, 0), counts(10, 5000)));
        assert!(snapshot.crosses(counts(10, 100), counts(11, 100)));
        assert!(!snapshot.crosses(counts(11, 100), counts(100, 5000)));
        assert!(snapshot.crosses(counts(11, 100), counts(11, 5001)));
        assert!(!snapshot.crosses(counts(101, 100), counts(1000, 10_000)));
        let session = POLICY.replacen("{ rows = 10 }", "{ session_rows = 10 }", 1);
        let session = Snapshot::parse(session.as_bytes()).unwrap();
        // A reply that begins when the session is past it already.
        let first = Counts {
            rows: 1,
            session_rows: 12,
            ..Counts::default()
        };
        assert!(session.crosses(Counts::default(), first));
        assert!(!session.crosses(
            first,
            Counts {
                rows: 2,
                session_rows: 13,
                ..first
            }
        ));
    }

    #[test]
    fn patients_are_counted_where_the_policy_names_them() {
        let policy = POLICY.replacen("{ rows = 10 }", "{ patients = 2, session_patients = 5 }", 1)
            + "[[patients]]\nname = \"p\"\ntargets = [\"clinic\"]\nresources = [\"public.patients.id\"]\n";
        let snapshot = Snapshot::parse(policy.as_bytes()).unwrap();
        let at = |patients, session_patients| Counts {
            patients: Some(patients),
            session_patients: Some(session_patients),
            ..counts(1, 1)
        };
        assert!(!snapshot.crosses(at(0, 0), at(2, 5)));
        assert!(snapshot.crosses(at(2, 5), at(3, 5)));
        assert!(snapshot.crosses(at(2, 5), at(2, 6)));
        assert!(!snapshot.crosses(at(3, 6), at(9, 9)));
        assert!(!snapshot.crosses(Counts::default(), counts(9, 9)));
        // A reply with records of nobody is not asked about because others had many.
        assert!(!snapshot.crosses(Counts::default(), at(0, 9).of_rows()));
        assert!(snapshot.crosses(Counts::default(), at(1, 9).of_rows()));
        let facts = facts_at(&reads(), at(3, 7));
        assert_eq!(Counts::of(&facts), Some(at(3, 7)));
        assert!(
            !facts_at(&reads(), counts(3, 7))
                .attributes
                .contains_key("reply_patients")
        );
    }

    #[test]
    fn a_threshold_that_says_nothing_or_loosens_is_refused() {
        let refused = |from: &str, to: &str, wanted: &str| {
            let error = Snapshot::parse(POLICY.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.to_string().contains(wanted), "{error}");
        };
        refused("{ rows = 10 }", "{}", "`over` names rows");
        refused("{ rows = 10 }", "{ lines = 10 }", "unknown field");
        refused(
            "{ rows = 10 }",
            "{ patients = 10 }",
            "the policy names no patients of a target of the rule",
        );
        refused("{ rows = 10 }", "{ session_patients = 100001 }", "no more than 100000");
        refused("effect = \"deny\"", "effect = \"allow\"", "asks or denies");
        refused("over = { rows = 10 }", "when = { reply_rows = 10 }", "write `over");
    }
}

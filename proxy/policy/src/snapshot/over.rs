//! Thresholds: rules about replies that have come to more than so many rows or bytes.
//!
//! Not here: when they are asked (the gate, before what is more is handed over).

use exhibit_schemas::event::access::{Attribute, Effect, Facts};
use serde::Deserialize;

use super::Snapshot;

/// How many rows a reply comes to.
const REPLY_ROWS: &str = "reply_rows";

/// How many bytes a reply comes to.
const REPLY_BYTES: &str = "reply_bytes";

/// How many rows all replies of the session come to.
const SESSION_ROWS: &str = "session_rows";

/// How many bytes all replies of the session come to.
const SESSION_BYTES: &str = "session_bytes";

/// The attributes of what replies come to; they are the gate's, and no protocol's.
pub(super) const COUNTS: [&str; 4] = [REPLY_ROWS, REPLY_BYTES, SESSION_ROWS, SESSION_BYTES];

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
}

/// A threshold: more than any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
}

impl Over {
    /// Why a rule cannot have it.
    pub(super) fn unfit(self, effect: Effect) -> Option<&'static str> {
        if self.limits().iter().all(|(_, limit)| limit.is_none()) {
            return Some("`over` names rows, bytes, session_rows or session_bytes");
        }
        // What nobody was asked about at the beginning would be let out because it is much.
        (effect == Effect::Allow).then_some("a rule about more rows or bytes asks or denies")
    }

    const fn limits(self) -> [(&'static str, Option<u64>); 4] {
        [
            (REPLY_ROWS, self.rows),
            (REPLY_BYTES, self.bytes),
            (SESSION_ROWS, self.session_rows),
            (SESSION_BYTES, self.session_bytes),
        ]
    }

    /// Whether a reply of these facts is over it; a request without a reply is not.
    pub(crate) fn holds(self, facts: &Facts) -> bool {
        let more = |(name, limit): (&str, Option<u64>)| match (limit, facts.attributes.get(name)) {
            (Some(limit), Some(Attribute::Integer(count))) => *count > limit,
            _ => false,
        };
        self.limits().into_iter().any(more)
    }

    fn is_passed(self, counts: Counts) -> bool {
        let more = |(name, limit): (&str, Option<u64>)| limit.is_some_and(|limit| counts.named(name) > limit);
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
        ];
        let named = words
            .iter()
            .filter_map(|(limit, word)| Some(format!("{} {word}", (*limit)?)));
        write!(formatter, "more than {}", named.collect::<Vec<_>>().join(" or "))
    }
}

impl Counts {
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
        })
    }

    fn named(self, name: &str) -> u64 {
        match name {
            REPLY_ROWS => self.rows,
            REPLY_BYTES => self.bytes,
            SESSION_ROWS => self.session_rows,
            _ => self.session_bytes,
        }
    }

    /// The same, of which the session counts nothing where the reply has no rows: what prepares, completes or fails is not asked
    /// about because other replies were long.
    #[must_use]
    pub const fn of_rows(self) -> Self {
        match self.rows {
            0 => Self {
                session_rows: 0,
                session_bytes: 0,
                ..self
            },
            _ => self,
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
        }
    }
}

impl Snapshot {
    /// Whether any rule is about what a reply comes to.
    pub fn has_thresholds(&self) -> bool {
        self.rules.iter().any(|rule| rule.over.is_some())
    }

    /// Whether a reply that was decided about when it came to `before`, and comes to `after`, passes a threshold of any rule in
    /// between, so that it has to be decided again. Nothing was decided before its first rows: then `before` is nothing, also of
    /// the session.
    pub fn crosses(&self, before: Counts, after: Counts) -> bool {
        let mut over = self.rules.iter().filter_map(|rule| rule.over);
        over.any(|over| over.is_passed(after) && !over.is_passed(before))
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
    let counted = COUNTS.map(|name| (name.to_owned(), Attribute::Integer(counts.named(name))));
    facts.attributes.extend(counted);
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
        }
    }

    fn counts(rows: u64, bytes: u64) -> Counts {
        Counts {
            rows,
            bytes,
            session_rows: rows,
            session_bytes: bytes,
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
    fn a_threshold_that_says_nothing_or_loosens_is_refused() {
        let refused = |from: &str, to: &str, wanted: &str| {
            let error = Snapshot::parse(POLICY.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.to_string().contains(wanted), "{error}");
        };
        refused("{ rows = 10 }", "{}", "`over` names rows");
        refused("{ rows = 10 }", "{ lines = 10 }", "unknown field");
        refused("effect = \"deny\"", "effect = \"allow\"", "asks or denies");
        refused("over = { rows = 10 }", "when = { reply_rows = 10 }", "write `over");
    }
}

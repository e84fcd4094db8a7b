//! A request for approval as a person sees it: read from the event itself, never from the ledger's words about it.
//!
//! Its id is the beginning of the event's leaf hash, so the ledger cannot show one event under the id of another.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use exhibit_policy::approval::in_hours;
use exhibit_policy::estimate::{ESTIMATED_ROWS, Estimate};
use exhibit_policy::hours::TIME;
use exhibit_policy::probe::columns;
use exhibit_policy::snapshot::Counts;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Access, Attribute, Facts, Principal};
use exhibit_schemas::event::approval::{
    ApprovalDecided, ApprovalRequested, ApprovalRevoked, Previewed, REASON_BYTES_MAX, Terms, Verdict,
};
use exhibit_schemas::event::{Body, Event, EventError, SessionPlace, Timestamp};
use exhibit_schemas::key::KeyId;
use serde_json::json;

use crate::observed::{observed, observed_json};
use crate::output::printable;

/// Hexadecimal digits of a leaf hash that people type as the id; 48 bits among the requests that wait.
pub(crate) const ID_DIGITS: usize = 12;

/// A request for approval, read from its event.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Index of the event in the log.
    pub(crate) index: u64,
    /// Leaf hash of the event.
    pub(crate) leaf: Digest,
    /// When the proxy made it.
    pub(crate) time: Timestamp,
    /// Key of the proxy that made it.
    pub(crate) proxy: KeyId,
    /// Its place in its session.
    pub(crate) place: SessionPlace,
    /// What it says.
    pub(crate) body: ApprovalRequested,
}

/// Why an entry is not the request that it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// It is no event.
    #[error("entry {index} is no event: {error}")]
    Event {
        /// The index.
        index: u64,
        /// Why.
        error: EventError,
    },
    /// It is another kind of event.
    #[error("entry {index} is no request for approval")]
    Kind {
        /// The index.
        index: u64,
    },
    /// It has another id.
    #[error("entry {index} is the request {found}, not {wanted}")]
    Other {
        /// The index.
        index: u64,
        /// The id that its bytes give.
        found: String,
        /// The id that was asked for.
        wanted: String,
    },
}

impl Request {
    /// Reads an entry as a request.
    ///
    /// # Errors
    /// [`RequestError`].
    pub(crate) fn read(index: u64, entry: &[u8]) -> Result<Self, RequestError> {
        let event = Event::decode(entry).map_err(|error| RequestError::Event { index, error })?;
        let (Body::ApprovalRequested(body), Some(place)) = (event.body, event.session) else {
            return Err(RequestError::Kind { index });
        };
        Ok(Self {
            index,
            leaf: Digest::leaf(entry),
            time: event.time,
            proxy: event.emitter.0,
            place,
            body,
        })
    }

    /// Checks that this is the request that a person named by `id`, the beginning of its leaf hash.
    ///
    /// # Errors
    /// [`RequestError::Other`].
    pub(crate) fn named(self, id: &str) -> Result<Self, RequestError> {
        if id.len() >= ID_DIGITS && self.leaf.to_string().starts_with(&id.to_ascii_lowercase()) {
            return Ok(self);
        }
        Err(RequestError::Other {
            index: self.index,
            found: self.id(),
            wanted: printable(id),
        })
    }

    /// The id that people type.
    pub(crate) fn id(&self) -> String {
        self.leaf.to_string().chars().take(ID_DIGITS).collect()
    }

    /// A decision that fits this request and no other; an approval may have terms.
    pub(crate) fn decide(&self, verdict: Verdict, reason: &str, terms: Option<Terms>) -> ApprovalDecided {
        ApprovalDecided {
            request: self.leaf,
            command: self.body.command,
            session: self.place.0,
            target: self.body.target.clone(),
            policy: self.body.decision.policy,
            expires: self.body.expires,
            verdict,
            reason: reason.to_owned(),
            terms,
        }
    }

    /// Why an approval with these terms would come to something else than they say.
    pub(crate) fn refuses(&self, terms: &Terms) -> Option<String> {
        let grant = terms.grant.as_ref()?;
        let Some(bounds) = &self.body.requirement.grants else {
            return Some(format!("nothing may be granted beside the request {}", self.id()));
        };
        let rows = |most: u64| terms.rows.is_some_and(|rows| rows > most);
        let more = !bounds.scopes.contains(&grant.scope)
            || grant.minutes > bounds.minutes
            || grant.uses > bounds.uses
            || bounds.rows.is_some_and(rows);
        more.then(|| format!("what may be granted is: {bounds}"))
    }

    /// A person's word that takes its approval back.
    pub(crate) fn revoke(&self, reason: &str) -> ApprovalRevoked {
        ApprovalRevoked {
            index: self.index,
            request: self.leaf,
            session: self.place.0,
            reason: reason.to_owned(),
        }
    }

    /// Whether it has expired at `now`.
    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        now > self.body.expires
    }

    /// Whether an approval at `now` counts, as far as hours go.
    pub(crate) fn in_hours(&self, now: Timestamp) -> bool {
        in_hours(&self.body.requirement, now)
    }

    /// Why nobody can let it pass in an emergency by this decision.
    pub(crate) fn refuses_emergency(&self, decision: &ApprovalDecided) -> Option<String> {
        if self.body.requirement.emergency.is_none() {
            return Some(format!("the policy lets nobody pass {} in an emergency", self.id()));
        }
        (!decision.gives_reason()).then(|| {
            format!("--reason says which emergency it is, in words and in {REASON_BYTES_MAX} bytes at the most")
        })
    }

    /// Several lines for a person; `now` gives the time that is left.
    pub(crate) fn describe(&self, now: Timestamp) -> String {
        let ApprovalRequested {
            target,
            statement,
            facts,
            decision,
            requirement,
            expires,
            held_until,
            requester,
            preview,
            ..
        } = &self.body;
        let mut text = format!("{}  on {}", self.id(), printable(target));
        let mut line = |name: &str, value: &str| {
            let _ = write!(
                text,
                "\n  {name:<10}{}",
                printable(value).replace('\n', "\n            ")
            );
        };
        match requester {
            Some(requester) => {
                line("who", &who(requester));
                if let Some(run) = &requester.run {
                    line("run", &run.to_string());
                }
            }
            None => line(
                "who",
                "its proxy is older and does not say; `exhibit replay SESSION` shows who opened the session",
            ),
        }
        line("statement", statement);
        line("does", &accesses(&facts.accesses));
        if let Some(columns) = facts.columns.as_ref().filter(|columns| !columns.is_empty()) {
            line("columns", &columns.join(", "));
        }
        let tried = tried(facts);
        if !tried.is_empty() {
            line("tries", &tried);
        }
        if let Some(estimate) = Estimate::of(facts) {
            line("estimated", &estimate.to_string());
        }
        if let Some(preview) = preview {
            line("preview", &preview.to_string());
        }
        if let Some(counts) = Counts::of(facts) {
            line("held at", &held_at(counts));
        }
        line("facts", &stated(facts));
        line("rule", decision.rule.as_deref().unwrap_or("none"));
        line("reason", &decision.reason);
        for observed in observed(decision) {
            line("observed", &observed);
        }
        line("asks for", &format!("{requirement} ({})", requirement.name));
        line("session", &self.place.0.to_string());
        line("event", &format!("{} by key {}", self.index, self.proxy));
        if let Some(until) = held_until {
            let left = until.0.saturating_sub(now.0) / 1_000_000;
            line(
                "waits",
                &format!(
                    "{left} s more; then the same statement, run again by the same agent, takes the approval up, once"
                ),
            );
        }
        let left = expires.0.saturating_sub(now.0) / 1_000_000;
        line(
            "expires",
            &if self.expired(now) {
                "expired".to_owned()
            } else {
                format!("in {left} s")
            },
        );
        text
    }

    /// One JSON object, of a stable shape.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        json!({
            "id": self.id(),
            "index": self.index,
            "leaf": self.leaf.to_string(),
            "time_us": self.time.0,
            "expires_us": self.body.expires.0,
            "held_until_us": self.body.held_until.map(|until| until.0),
            "session": self.place.0.to_string(),
            "target": self.body.target,
            "requester": self.body.requester.as_deref().map(requester_json),
            "statement": self.body.statement,
            "facts": self.body.facts.attributes.iter().map(|(name, stated)| (name, attribute_json(stated))).collect::<BTreeMap<_, _>>(),
            "accesses": accesses(&self.body.facts.accesses),
            "columns": self.body.facts.columns,
            "probes": columns(&self.body.facts).collect::<BTreeMap<_, _>>(),
            "estimated_rows": self.body.facts.attributes.get(ESTIMATED_ROWS),
            "preview": previewed_json(self.body.preview.as_ref()),
            "held": Counts::of(&self.body.facts).map(|counts| json!({
                "rows": counts.rows,
                "bytes": counts.bytes,
                "session_rows": counts.session_rows,
                "session_bytes": counts.session_bytes,
                "patients": counts.patients,
                "session_patients": counts.session_patients,
            })),
            "rule": self.body.decision.rule,
            "reason": self.body.decision.reason,
            "observed": observed_json(&self.body.decision),
            "policy": self.body.decision.policy.to_string(),
            "approval": self.body.requirement.name,
            "groups": self.body.requirement.groups,
            "people": self.body.requirement.people,
            "requester_may_approve": self.body.requirement.requester_may_approve,
            "all_groups": self.body.requirement.all_groups,
            "hours": self.body.requirement.hours.as_ref().map(ToString::to_string),
            "grants": self.body.requirement.grants.as_ref().map(|bounds| json!({
                "scopes": bounds.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
                "minutes": bounds.minutes,
                "uses": bounds.uses,
                "rows": bounds.rows,
            })),
            "emergency": self.body.requirement.emergency.as_ref().map(|emergency| json!({
                "groups": emergency.groups,
                "minutes": emergency.minutes,
                "reviewers": emergency.reviewers,
                "review_within_days": emergency.review_within_days,
            })),
            "proxy": self.proxy.to_string(),
        })
    }
}

/// `ci-nightly (api-key of exhibit, client app)`, and the groups.
fn who(requester: &Principal) -> String {
    let Principal {
        method,
        issuer,
        subject,
        client_id,
        groups,
        ..
    } = requester;
    let mut text = format!("{subject} ({method} of {issuer}");
    if let Some(client) = client_id {
        let _ = write!(text, ", client {client}");
    }
    text.push(')');
    if !groups.is_empty() {
        let _ = write!(text, ", of {}", groups.join(", "));
    }
    text
}

fn requester_json(requester: &Principal) -> serde_json::Value {
    json!({
        "method": requester.method,
        "issuer": requester.issuer,
        "subject": requester.subject,
        "client_id": requester.client_id,
        "groups": requester.groups,
        "run": requester.run.as_ref().map(|run| json!({
            "provider": run.provider,
            "repository": run.repository,
            "repository_id": run.repository_id,
            "reference": run.reference,
            "commit": run.commit,
            "workflow": run.workflow,
            "run_id": run.run_id,
            "actor": run.actor,
            "actor_id": run.actor_id,
            "trigger": run.trigger,
        })),
    })
}

/// `class update, no_where, statements 2`: the facts that hold. Counts and values that are tried have lines of their own, and
/// times are shown as such.
fn stated(facts: &Facts) -> String {
    let own = |name: &str| name.starts_with("probe") || name == TIME || Counts::are_in(name);
    let one = |(name, stated): (&String, &Attribute)| match stated {
        _ if own(name) => None,
        Attribute::Bool(false) => None,
        Attribute::Bool(true) => Some(name.clone()),
        Attribute::Integer(number) => Some(format!("{name} {number}")),
        Attribute::Text(word) => Some(format!("{name} {word}")),
    };
    let stated: Vec<String> = facts.attributes.iter().filter_map(one).collect();
    if stated.is_empty() {
        "none".to_owned()
    } else {
        stated.join(", ")
    }
}

/// What people are shown of a preview: rows, or why there are none; null where the policy asks for none.
pub(crate) fn previewed_json(preview: Option<&Previewed>) -> serde_json::Value {
    match preview {
        None => serde_json::Value::Null,
        Some(Previewed::Rows(rows)) => json!({ "rows": rows, "none": null }),
        Some(Previewed::Not(why)) => json!({ "rows": null, "none": why }),
    }
}

fn attribute_json(stated: &Attribute) -> serde_json::Value {
    match stated {
        Attribute::Bool(yes) => json!(yes),
        Attribute::Integer(number) => json!(number),
        Attribute::Text(word) => json!(word),
    }
}

/// `define public.claims, read public.patients`.
fn accesses(accesses: &[Access]) -> String {
    let one = |Access(action, resource): &Access| match resource {
        Some(resource) => format!("{action} {resource}"),
        None => action.to_string(),
    };
    accesses.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// `2 values on the masked column public.patients.ssn`, for each column on which values are tried.
fn tried(facts: &Facts) -> String {
    let one = |(column, values): (&str, u64)| {
        let values = match values {
            1 => "1 value".to_owned(),
            values => format!("{values} values"),
        };
        format!("{values} on the masked column {column}: the rows of the reply tell where they stand")
    };
    columns(facts).map(one).collect::<Vec<_>>().join("\n")
}

/// What a reply that is held, and its session, come to.
pub(crate) fn held_at(counts: Counts) -> String {
    let of = |patients: Option<u64>| {
        patients
            .map(|count| format!(" of {count} patients"))
            .unwrap_or_default()
    };
    format!(
        "{} rows{}, {} bytes; in all replies of the session {} rows{}, {} bytes",
        counts.rows,
        of(counts.patients),
        counts.bytes,
        counts.session_rows,
        of(counts.session_patients),
        counts.session_bytes
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use exhibit_schemas::digest::Digest;
    use exhibit_schemas::event::access::{Access, Action, Attribute, DecisionRecord, Effect, Facts, Principal};
    use exhibit_schemas::event::approval::{ApprovalRequested, Previewed, Requirement, Verdict};
    use exhibit_schemas::event::trust::Fault;
    use exhibit_schemas::event::{Emitter, Event, SessionId, SessionPlace, Timestamp};
    use exhibit_schemas::key::KeyId;

    use super::{Request, RequestError};

    fn event() -> Event {
        let body = ApprovalRequested {
            target: "clinic".into(),
            statement: "ALTER TABLE \u{1b}[2Jclaims ADD COLUMN paid boolean".into(),
            command: Digest([2; 32]),
            facts: Facts {
                accesses: vec![Access(Action::Define, Some("public.claims".into()))],
                attributes: BTreeMap::new(),
                columns: None,
            },
            decision: DecisionRecord {
                effect: Effect::Ask,
                policy: Digest([3; 32]),
                rule: Some("schema".into()),
                reason: "a schema change".into(),
                approval: Some("dba".into()),
                observed: None,
            },
            requirement: Requirement {
                name: "dba".into(),
                groups: vec!["dba".into()],
                people: 1,
                requester_may_approve: false,
                all_groups: None,
                hours: None,
                grants: None,
                emergency: None,
            },
            expires: Timestamp(2_000_000),
            held_until: None,
            preview: None,
            requester: None,
        };
        Event {
            time: Timestamp(1_000_000),
            emitter: Emitter(KeyId([1; 8]), 7),
            session: Some(SessionPlace(SessionId([9; 16]), 3)),
            body: body.into(),
        }
    }

    fn request() -> Request {
        Request::read(41, &event().encode().unwrap().0).unwrap()
    }

    #[test]
    fn an_id_names_the_bytes_of_one_event() {
        let request = request();
        let (id, leaf) = (request.id(), request.leaf.to_string());
        assert!(request.clone().named(&id).is_ok());
        assert!(request.clone().named(&leaf).is_ok());
        for wrong in ["", &id[..11], "000000000000", &format!("{leaf}0")] {
            assert!(
                matches!(request.clone().named(wrong), Err(RequestError::Other { .. })),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_decision_is_bound_to_every_field_of_its_request() {
        let request = request();
        let decided = request.decide(Verdict::Approve, "seen", None);
        let revoked = request.revoke("seen again");
        assert_eq!((revoked.index, revoked.request), (41, request.leaf));
        assert_eq!(revoked.session, SessionId([9; 16]));
        assert_eq!(decided.request, request.leaf);
        assert_eq!((decided.command, decided.policy), (Digest([2; 32]), Digest([3; 32])));
        assert_eq!(
            (decided.session, decided.target.as_str()),
            (SessionId([9; 16]), "clinic")
        );
        assert_eq!(decided.expires, Timestamp(2_000_000));
    }

    #[test]
    fn a_statement_cannot_steer_the_terminal_that_shows_it() {
        let text = request().describe(Timestamp(1_500_000));
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("define public.claims"), "{text}");
        assert!(request().expired(Timestamp(2_000_001)) && !request().expired(Timestamp(2_000_000)));
    }

    #[test]
    fn values_that_are_tried_are_shown_to_whoever_approves_them() {
        let mut request = request();
        assert!(!request.describe(Timestamp(1_500_000)).contains("tries"));
        let attributes = &mut request.body.facts.attributes;
        attributes.insert("probe:public.patients.ssn".into(), Attribute::Integer(2));
        attributes.insert("probe:public.claims.ssn".into(), Attribute::Integer(1));
        let text = request.describe(Timestamp(1_500_000));
        assert!(
            text.contains("tries     1 value on the masked column public.claims.ssn"),
            "{text}"
        );
        assert!(
            text.contains("2 values on the masked column public.patients.ssn"),
            "{text}"
        );
        assert_eq!(request.to_json()["probes"]["public.patients.ssn"], 2);
    }

    #[test]
    fn what_a_preview_has_shown_is_shown_to_whoever_approves() {
        let mut request = request();
        assert!(!request.describe(Timestamp(1_500_000)).contains("preview"));
        assert_eq!(request.to_json()["preview"], serde_json::Value::Null);
        for (preview, text, rows, none) in [
            (
                Previewed::Rows(12),
                "preview   12 rows, by a run that was rolled back",
                Some(12),
                None,
            ),
            (
                Previewed::Not("it stands in an open transaction".into()),
                "preview   none: it stands in an open transaction",
                None,
                Some("it stands in an open transaction"),
            ),
        ] {
            request.body.preview = Some(preview);
            let shown = request.describe(Timestamp(1_500_000));
            assert!(shown.contains(text), "{shown}");
            let wanted = serde_json::json!({ "rows": rows, "none": none });
            assert_eq!(request.to_json()["preview"], wanted);
        }
    }

    #[test]
    fn who_asks_and_what_is_known_of_the_command_is_shown() {
        let mut request = request();
        let text = request.describe(Timestamp(1_500_000));
        assert!(text.contains("older and does not say"), "{text}");
        assert!(text.contains("facts     none"), "{text}");
        request.body.requester = Some(Box::new(Principal {
            method: "oidc".into(),
            issuer: "https://token.example".into(),
            subject: "repo:octo/app\u{1b}[2J".into(),
            client_id: Some("app".into()),
            groups: vec!["pipelines".into()],
            evidence: Digest([4; 32]),
            run: None,
        }));
        let attributes = &mut request.body.facts.attributes;
        attributes.insert("no_where".into(), Attribute::Bool(true));
        attributes.insert("copy".into(), Attribute::Bool(false));
        attributes.insert("class".into(), Attribute::Text("update".into()));
        attributes.insert("statements".into(), Attribute::Integer(2));
        attributes.insert("reply_rows".into(), Attribute::Integer(7));
        let text = request.describe(Timestamp(1_500_000));
        assert!(
            text.contains(
                "who       repo:octo/app\\u{1b}[2J (oidc of https://token.example, client app), of pipelines"
            ),
            "{text}"
        );
        assert!(
            text.contains("facts     class update, no_where, statements 2\n"),
            "{text}"
        );
        let json = request.to_json();
        assert_eq!(json["requester"]["issuer"], "https://token.example");
        assert_eq!(json["requester_may_approve"], false);
        assert!(text.contains("asks for  1 of dba (dba)"), "{text}");
        request.body.requirement.requester_may_approve = true;
        let text = request.describe(Timestamp(1_500_000));
        assert!(text.contains("1 of dba, whoever asks may be among them"), "{text}");
        assert_eq!(json["facts"]["copy"], false);
    }

    #[test]
    fn other_events_are_no_requests() {
        let fault = Fault {
            place: "gate".into(),
            text: "stopped".into(),
        };
        let other = Event {
            session: None,
            body: fault.into(),
            ..event()
        };
        let bytes = other.encode().unwrap();
        assert!(matches!(
            Request::read(1, &bytes.0),
            Err(RequestError::Kind { index: 1 })
        ));
        assert!(matches!(Request::read(1, b"\xa0"), Err(RequestError::Event { .. })));
    }
}

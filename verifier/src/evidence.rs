//! Evidence: what the report lists, gathered while the entries pass.
//!
//! Each line cites the indexes of the events that it stands on. No line holds a released value.

use std::collections::{BTreeMap, BTreeSet};

use exhibit_policy::patients::Distinct;
use exhibit_policy::probe;
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{
    Command, Detection, LoginRefused, Outcome, ResponseEnd, SessionClosed, SessionOpened, ThresholdDecided,
};
use exhibit_schemas::event::trust::{EvidenceRead, MaskKeyId};
use exhibit_schemas::event::{Body, SessionId};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::reading::Reader;
use serde::Serialize;

use crate::approval::Approvals;
use crate::batch::{Batches, Placed};
use crate::emergency::EmergencyLine;
use crate::in_force::InForce;
use crate::observed::{self, Observations, ObservedLine};
use crate::period::Period;
use crate::policy::Policies;
use crate::reading::{ReadLine, ReaderLine};
use crate::review::ReviewLine;
use crate::schedule::{PeriodLine, ScheduleLine};
use crate::session::Pending;

pub use self::approvals::{ApprovalLine, DecisionLine, GrantLine, RevocationLine};

/// Lines of one table at the most; the rest is counted and the report says so.
pub const LINES_MAX: usize = 200_000;

/// A session.
#[derive(Clone, Debug, Serialize)]
pub struct SessionLine {
    /// Its id.
    pub session: String,
    /// Index of its opening.
    pub opened: Index,
    /// Index of its close, where there is one.
    pub closed: Option<Index>,
    /// When it was opened.
    pub time: String,
    /// Its target.
    pub target: String,
    /// Its protocol.
    pub protocol: String,
    /// How the caller proved who it is.
    pub method: String,
    /// Who vouches.
    pub issuer: String,
    /// Who it is.
    pub subject: String,
    /// Digest of the credential's public part.
    pub evidence: String,
    /// The pipeline's run that it is, in a line; absent for others.
    pub run: Option<String>,
    /// When the credential expires, where it does.
    pub expires: Option<String>,
    /// TLS of its connection.
    pub transport: String,
    /// The key that it masks under, as its proxy announced it.
    pub mask_key: Option<String>,
    /// Why it was closed.
    pub reason: Option<String>,
    /// Commands that it recorded, as its close states.
    pub commands: Option<u64>,
    /// Different patients of whom it released records, with one for every row of an unknown one; absent where it counted none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patients: Option<u64>,
}

/// A command with what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct CommandLine {
    /// Its session.
    pub session: String,
    /// Index of the command.
    pub command: Index,
    /// When it was recorded.
    pub time: String,
    /// The statement, literals replaced.
    pub statement: String,
    /// What it does: actions and resources.
    pub accesses: Vec<String>,
    /// Columns that it may touch, where something is known of columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Values that it tries on masked columns, by column; absent for most.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<String, u64>,
    /// The effect of the decision.
    pub effect: String,
    /// The rule that decided.
    pub rule: Option<String>,
    /// Rules that matched and were not enforced, each with what it would have done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<String>,
    /// Digest of the policy.
    pub policy: String,
    /// What the gate did.
    pub outcome: String,
    /// Index of the request for approval.
    pub request: Option<Index>,
    /// Indexes of the decisions that it names.
    pub approvals: Vec<Index>,
    /// First and last index of its sealed copy, where its policy asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<(Index, Index)>,
    /// Thresholds that its response came to.
    pub thresholds: Vec<ThresholdLine>,
    /// First and last index of what was released.
    pub released: Option<(Index, Index)>,
    /// Index of the end of its response.
    pub ended: Option<Index>,
    /// How it ended.
    pub status: Option<String>,
    /// Rows released.
    pub rows: u64,
    /// Bytes released, as its end states.
    pub bytes: u64,
    /// Different patients whose records it released, with one for every row of an unknown one; absent where it counted none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patients: Option<u64>,
    /// Masked columns: origin, mask and technique.
    pub masks: Vec<(String, String, String)>,
    /// Cells masked, by mask.
    pub masked: BTreeMap<String, u64>,
}

/// What was decided when a response came to more than a threshold.
#[derive(Clone, Debug, Serialize)]
pub struct ThresholdLine {
    /// Index of the decision.
    pub decided: Index,
    /// Rows that it would come to.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// The rule.
    pub rule: Option<String>,
    /// What came of it.
    pub outcome: String,
    /// Index of the request for approval.
    pub request: Option<Index>,
    /// Indexes of the decisions that let it go on.
    pub approvals: Vec<Index>,
}

/// What detectors found in what was about to be released; never a value.
#[derive(Clone, Debug, Serialize)]
pub struct DetectionLine {
    /// Index of the detection.
    pub detection: Index,
    /// When.
    pub time: String,
    /// Index of the command that was answered.
    pub command: Index,
    /// The net of the policy.
    pub net: String,
    /// Where: `cell`, `column`, `error`, `notice`, `notification`, `setting`.
    pub channel: String,
    /// The column, of a cell, as far as it was kept.
    pub column: Option<String>,
    /// Findings, by category.
    pub findings: BTreeMap<String, u64>,
    /// Whether the session ended for it.
    pub ends: bool,
}

/// A sealed copy that a person opened.
#[derive(Clone, Debug, Serialize)]
pub struct RevealLine {
    /// Index of the person's word.
    pub reveal: Index,
    /// When, by the person's clock.
    pub time: String,
    /// Name of the person.
    pub person: String,
    /// Groups of the person then.
    pub groups: Vec<String>,
    /// Why, in the person's words.
    pub reason: String,
    /// Index of the command.
    pub command: Index,
    /// Index of the copy's first part.
    pub copy: Index,
    /// Index of the event that enrolled the key.
    pub enrolled: Index,
}

/// A policy.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyLine {
    /// Its digest.
    pub policy: String,
    /// Index from which the log holds it.
    pub snapshot: Index,
    /// Its size.
    pub bytes: usize,
}

/// A policy in force at one proxy.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyTermLine {
    /// Its digest.
    pub policy: String,
    /// The proxy's key.
    pub proxy: String,
    /// Index of the event from which on it was in force.
    pub from: Index,
    /// Index of the proxy's event from which on another one was.
    pub until: Option<Index>,
    /// Sessions that were opened under it.
    pub sessions: u64,
    /// Commands that were decided by it.
    pub commands: u64,
    /// How many people had to have signed it then; absent where nobody had to.
    pub signatures: Option<usize>,
    /// Who had: names, and the index of each one's signature.
    pub signed: BTreeMap<String, Index>,
}

/// Who must have signed policies.
#[derive(Clone, Debug, Serialize)]
pub struct PolicySignersLine {
    /// Index from which on policies that come into force need them.
    pub from: Index,
    /// How many people.
    pub people: usize,
    /// Of whom.
    pub administrators: Vec<String>,
}

/// A key.
#[derive(Clone, Debug, Serialize)]
pub struct KeyLine {
    /// Its id.
    pub key: String,
    /// Its role.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Groups of a person.
    pub groups: Vec<String>,
    /// Index of its enrolment.
    pub enrolled: Index,
    /// Index of its end.
    pub ended: Option<Index>,
}

/// A key of masks of one proxy.
#[derive(Clone, Debug, Serialize)]
pub struct MaskKeyLine {
    /// Its id; equal ids of several proxies are one key.
    pub key: String,
    /// The proxy's key.
    pub proxy: String,
    /// Index from which the proxy masks under it.
    pub announced: Index,
    /// Index from which it masks under the next one.
    pub ended: Option<Index>,
    /// Sessions that were opened under it.
    pub sessions: u64,
}

/// Somebody who was not let in, or several who are alike.
#[derive(Clone, Debug, Serialize)]
pub struct RefusedLine {
    /// The event.
    pub refused: Index,
    /// When the first of them came.
    pub since: String,
    /// When it was recorded.
    pub time: String,
    /// The target.
    pub target: String,
    /// The address; `*` for several.
    pub peer: String,
    /// What they came with.
    pub method: String,
    /// Why they were refused.
    pub reason: String,
    /// The user name, where the proxy knows it.
    pub user: Option<String>,
    /// Keyed digest of the user name.
    pub named: String,
    /// How many.
    pub count: u64,
}

/// What the report lists.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Evidence {
    /// Events by kind.
    pub events: BTreeMap<&'static str, u64>,
    /// Seals.
    pub seals: u64,
    /// Commands that passed by approval, listed or not.
    pub approved: u64,
    /// Sessions in the order of their opening.
    pub sessions: Vec<SessionLine>,
    /// Commands in order.
    pub commands: Vec<CommandLine>,
    /// Rules that matched and were not enforced, by policy, in the order of their first commands.
    pub observed: Vec<ObservedLine>,
    /// Requests for approval in order.
    pub approvals: Vec<ApprovalLine>,
    /// What nets caught, in order.
    pub detections: Vec<DetectionLine>,
    /// Sealed copies that people opened, in order.
    pub reveals: Vec<RevealLine>,
    /// Readings of the evidence, in order.
    pub reads: Vec<ReadLine>,
    /// Who read, in the order of their first readings, listed above or not.
    pub readers: Vec<ReaderLine>,
    /// Reviews that people signed off, in order.
    pub reviews: Vec<ReviewLine>,
    /// Reviews that policies in force asked for.
    pub review_schedules: Vec<ScheduleLine>,
    /// Their periods that were over by the head, and how the review of each stands then.
    pub review_periods: Vec<PeriodLine>,
    /// Uses of emergency access, in the order of their requests, and how the review of each stands by the head.
    pub emergencies: Vec<EmergencyLine>,
    /// Policies in order.
    pub policies: Vec<PolicyLine>,
    /// Who must have signed policies, as the trust anchors say; nobody where it is empty.
    pub policy_signatures: Vec<PolicySignersLine>,
    /// Policies in force, in the order of the events that say so.
    pub policy_terms: Vec<PolicyTermLine>,
    /// Keys in the order of their enrolment.
    pub keys: Vec<KeyLine>,
    /// Keys of masks in the order of their announcement.
    pub mask_keys: Vec<MaskKeyLine>,
    /// Those who were not let in.
    pub refused_logins: Vec<RefusedLine>,
    /// How many they were, listed or not.
    pub refused: u64,
    /// Lines past [`LINES_MAX`], which are not listed.
    pub not_listed: u64,
    #[serde(skip)]
    period: Option<Period>,
    /// Observed rules, until the end.
    #[serde(skip)]
    observations: Observations,
    #[serde(skip)]
    open: BTreeMap<SessionId, usize>,
    /// Sessions by proxy and key of masks.
    #[serde(skip)]
    masked: BTreeMap<(KeyId, MaskKeyId), u64>,
}

impl Evidence {
    pub(crate) fn new(period: Option<Period>) -> Self {
        Self {
            period,
            ..Self::default()
        }
    }

    /// Counts an event.
    pub(crate) fn event(&mut self, placed: &Placed) {
        *self.events.entry(placed.event.kind().as_str()).or_default() += 1;
        if let Body::LoginRefused(refused) = &placed.event.body {
            self.login_refused(placed, refused);
        }
    }

    pub(crate) fn opened(&mut self, placed: &Placed, id: SessionId, body: &SessionOpened) {
        if let Some(key) = body.mask_key {
            *self.masked.entry((placed.event.emitter.0, key)).or_default() += 1;
        }
        if !self.is_of(placed) || !self.room(self.sessions.len()) {
            return;
        }
        self.open.insert(id, self.sessions.len());
        self.sessions.push(SessionLine {
            session: id.to_string(),
            opened: placed.index,
            closed: None,
            time: placed.event.time.to_string(),
            target: body.target.clone(),
            protocol: body.protocol.clone(),
            method: body.principal.method.clone(),
            issuer: body.principal.issuer.clone(),
            subject: body.principal.subject.clone(),
            evidence: body.principal.evidence.to_string(),
            run: body.principal.run.as_ref().map(ToString::to_string),
            expires: body.expires.map(|expires| expires.to_string()),
            transport: body.transport.clone(),
            mask_key: body.mask_key.map(|key| key.to_string()),
            reason: None,
            commands: None,
            patients: None,
        });
    }

    fn login_refused(&mut self, placed: &Placed, body: &LoginRefused) {
        if !self.is_of(placed) {
            return;
        }
        self.refused = self.refused.saturating_add(body.count);
        if self.room(self.refused_logins.len()) {
            self.refused_logins.push(RefusedLine {
                refused: placed.index,
                since: body.since.to_string(),
                time: placed.event.time.to_string(),
                target: body.target.clone(),
                peer: body.peer.clone(),
                method: body.method.clone(),
                reason: body.reason.clone(),
                user: body.user.clone(),
                named: body.named.to_string(),
                count: body.count,
            });
        }
    }

    pub(crate) fn closed(&mut self, id: SessionId, placed: &Placed, body: &SessionClosed, patients: &Distinct) {
        let line = self.open.remove(&id).and_then(|line| self.sessions.get_mut(line));
        if let Some(line) = line {
            line.closed = Some(placed.index);
            line.reason = Some(body.reason.clone());
            line.commands = Some(body.commands);
            line.patients = Some(patients.count()).filter(|count| *count > 0);
        }
    }

    /// Adds a command; gives its line, for its end.
    pub(crate) fn command(
        &mut self,
        placed: &Placed,
        id: SessionId,
        body: &Command,
        request: Option<Digest>,
        approvals: &Approvals,
    ) -> Option<usize> {
        self.approved += u64::from(body.outcome == Outcome::Approved);
        if !self.is_of(placed) || !self.room(self.commands.len()) {
            return None;
        }
        let access = |access: &exhibit_schemas::event::access::Access| match &access.1 {
            Some(resource) => format!("{} {resource}", access.0),
            None => access.0.to_string(),
        };
        let named = body.approvals.iter().flatten();
        self.commands.push(CommandLine {
            session: id.to_string(),
            command: placed.index,
            time: placed.event.time.to_string(),
            statement: body.statement.clone(),
            accesses: body.facts.accesses.iter().map(access).collect(),
            columns: body.facts.columns.clone(),
            probes: probe::columns(&body.facts)
                .map(|(column, values)| (column.to_owned(), values))
                .collect(),
            effect: body.decision.effect.to_string(),
            rule: body.decision.rule.clone(),
            observed: observed::each(&body.decision).collect(),
            policy: body.decision.policy.to_string(),
            outcome: body.outcome.to_string(),
            request: request.and_then(|leaf| approvals.request_index(leaf)),
            approvals: named.filter_map(|leaf| approvals.decision_index(*leaf)).collect(),
            copy: None,
            thresholds: Vec::new(),
            released: None,
            ended: None,
            status: None,
            rows: 0,
            bytes: 0,
            patients: None,
            masks: Vec::new(),
            masked: BTreeMap::new(),
        });
        Some(self.commands.len() - 1)
    }

    /// Adds a command to the observed rules that it matched.
    pub(crate) fn observed(&mut self, index: Index, body: &Command, opened: Option<&SessionOpened>) {
        if let Some(opened) = opened.filter(|_| self.period.is_some()) {
            self.observations.command(index, body, opened);
        }
    }

    /// Adds what was decided at a threshold to its command's line.
    pub(crate) fn threshold(
        &mut self,
        line: Option<usize>,
        index: Index,
        body: &ThresholdDecided,
        request: Option<Digest>,
        approvals: &Approvals,
    ) {
        self.approved += u64::from(body.outcome == Outcome::Approved);
        let Some(line) = line.and_then(|line| self.commands.get_mut(line)) else {
            return;
        };
        let named = body.approvals.iter().flatten();
        line.thresholds.push(ThresholdLine {
            decided: index,
            rows: body.rows,
            bytes: body.bytes,
            rule: body.decision.rule.clone(),
            outcome: body.outcome.to_string(),
            request: request.and_then(|leaf| approvals.request_index(leaf)),
            approvals: named.filter_map(|leaf| approvals.decision_index(*leaf)).collect(),
        });
    }

    /// Adds what a net caught in the reply to a command.
    pub(crate) fn detected(&mut self, placed: &Placed, command: Index, body: &Detection) {
        if !self.is_of(placed) || !self.room(self.detections.len()) {
            return;
        }
        self.detections.push(DetectionLine {
            detection: placed.index,
            time: placed.event.time.to_string(),
            command,
            net: body.net.clone(),
            channel: body.channel.clone(),
            column: body.column.clone(),
            findings: body.findings.clone(),
            ends: body.ends,
        });
    }

    /// Adds the whole copy of a command to its line.
    pub(crate) fn copied(&mut self, line: Option<usize>, first: Index, last: Index) {
        if let Some(line) = line.and_then(|line| self.commands.get_mut(line)) {
            line.copy = Some((first, last));
        }
    }

    /// Adds a review.
    pub(crate) fn reviewed(&mut self, line: ReviewLine) {
        if self.room(self.reviews.len()) {
            self.reviews.push(line);
        }
    }

    /// Adds what was to be reviewed.
    pub(crate) fn scheduled(&mut self, schedules: Vec<ScheduleLine>, periods: Vec<PeriodLine>) {
        if self.period.is_none() {
            return;
        }
        self.review_schedules = schedules;
        for line in periods {
            if self.room(self.review_periods.len()) {
                self.review_periods.push(line);
            }
        }
    }

    /// Adds that the ledger showed something.
    pub(crate) fn read(&mut self, placed: &Placed, read: &EvidenceRead, by: &Reader) {
        if !self.is_of(placed) {
            return;
        }
        if self.room(self.reads.len()) {
            self.reads.push(ReadLine::of(placed.index, read, by));
        }
        let same = |line: &&mut ReaderLine| {
            (&line.reader, &line.method, &line.issuer, &line.subject)
                == (&read.reader, &by.method, &by.issuer, &by.subject)
        };
        if let Some(line) = self.readers.iter_mut().find(same) {
            line.add(placed.index, read, by);
        } else if self.room(self.readers.len()) {
            let mut line = ReaderLine::of(placed.index, read, by);
            line.add(placed.index, read, by);
            self.readers.push(line);
        }
    }

    /// Adds that a person opens the copy of a command.
    pub(crate) fn revealed(&mut self, placed: &Placed, read: &EvidenceRead, command: Index) {
        let (Some(signer), Some(copy)) = (&placed.signer, &read.copy) else {
            return; // whose key it is was not known, which was said
        };
        if !self.is_of(placed) || !self.room(self.reveals.len()) {
            return;
        }
        self.reveals.push(RevealLine {
            reveal: placed.index,
            time: placed.event.time.to_string(),
            person: signer.name.clone(),
            groups: signer.groups.clone(),
            reason: read.scope.clone(),
            command,
            copy: copy.index,
            enrolled: signer.enrolled,
        });
    }

    pub(crate) fn ended(&mut self, index: Index, pending: &Pending, end: &ResponseEnd) {
        let Some(line) = pending.line.and_then(|line| self.commands.get_mut(line)) else {
            return;
        };
        let response = &pending.response;
        line.released = response.span;
        line.ended = Some(index);
        line.status = Some(end.status.clone());
        line.rows = end.rows;
        line.bytes = end.bytes;
        line.patients = pending
            .patients
            .as_ref()
            .map(Distinct::count)
            .filter(|count| *count > 0);
        line.masks = response.masks.iter().cloned().collect();
        line.masked.clone_from(&end.masked);
    }

    /// Adds what is only known at the end.
    pub(crate) fn finish(
        &mut self,
        anchors: &TrustAnchors,
        batches: &Batches,
        policies: &Policies,
        in_force: &InForce,
        approvals: &Approvals,
    ) {
        self.seals = batches.seals();
        if self.period.is_none() {
            return;
        }
        self.open.clear();
        self.observed = std::mem::take(&mut self.observations).into_lines();
        let mut keys: Vec<_> = batches.keyring().keys().collect();
        keys.sort_by_key(|(id, record)| (record.enrolled, **id));
        for (id, record) in keys {
            self.keys.push(KeyLine {
                key: id.to_string(),
                role: record.role.to_string(),
                name: record.name.clone(),
                groups: record.groups.clone(),
                enrolled: record.enrolled,
                ended: record.ended,
            });
        }
        self.list_mask_keys(batches);
        let mut whole: Vec<_> = policies.all().collect();
        whole.sort_by_key(|(_, policy)| policy.index);
        for (digest, policy) in whole {
            self.policies.push(PolicyLine {
                policy: digest.to_string(),
                snapshot: policy.index,
                bytes: policy.bytes,
            });
        }
        self.list_policy_terms(anchors, in_force);
        self.list_approvals(approvals);
    }

    fn list_policy_terms(&mut self, anchors: &TrustAnchors, in_force: &InForce) {
        for signers in &anchors.policy_signers {
            let names: BTreeSet<_> = signers.keys().iter().map(|(name, _)| name.clone()).collect();
            self.policy_signatures.push(PolicySignersLine {
                from: signers.from(),
                people: signers.people(),
                administrators: names.into_iter().collect(),
            });
        }
        let mut terms: Vec<_> = in_force.terms().collect();
        terms.sort_by_key(|(_, term)| term.from);
        for (proxy, term) in terms {
            self.policy_terms.push(PolicyTermLine {
                policy: term.policy.to_string(),
                proxy: proxy.to_string(),
                from: term.from,
                until: term.until,
                sessions: term.sessions,
                commands: term.commands,
                signatures: term.signed.as_ref().map(|signed| signed.wanted),
                signed: term.signed.iter().flat_map(|signed| signed.people.clone()).collect(),
            });
        }
    }

    fn list_mask_keys(&mut self, batches: &Batches) {
        for (proxy, record) in batches.keyring().keys() {
            // A rotation of the proxy's own key handed on what the key before it had announced.
            let own = record.mask_keys.iter().filter(|term| {
                term.ended.is_none_or(|ended| ended > record.enrolled)
                    && record.ended.is_none_or(|end| end > term.announced)
            });
            for term in own {
                self.mask_keys.push(MaskKeyLine {
                    key: term.key.to_string(),
                    proxy: proxy.to_string(),
                    announced: term.announced.max(record.enrolled),
                    ended: term.ended.or(record.ended),
                    sessions: self.masked.get(&(*proxy, term.key)).copied().unwrap_or(0),
                });
            }
        }
        self.mask_keys.sort_by_key(|line| line.announced);
    }

    fn room(&mut self, lines: usize) -> bool {
        let room = lines < LINES_MAX;
        if self.period.is_some() && !room {
            self.not_listed += 1;
        }
        self.period.is_some() && room
    }

    /// Whether an event is of the report's period.
    fn is_of(&self, placed: &Placed) -> bool {
        self.period.is_some_and(|period| period.holds(placed.event.time))
    }
}

mod approvals;

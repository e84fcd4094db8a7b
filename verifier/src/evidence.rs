//! Evidence: what the report lists, gathered while the entries pass.
//!
//! Each line cites the indexes of the events that it stands on. No line holds a released value.
//!
//! A line is handed out ([`Line`]) once nothing more can be added to it, so that all of a population can be written whatever its
//! size: a session's at its close, a command's at the end of its response, or at the close of its session where it has none. Of
//! each table the first [`LINES_MAX`] lines stay here, in the order of the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exhibit_policy::patients::Distinct;
use exhibit_policy::probe;
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{
    Command, Detection, LoginRefused, Outcome, ResponseEnd, SessionClosed, SessionOpened, ThresholdDecided,
};
use exhibit_schemas::event::trust::{EvidenceRead, MaskKeyId};
use exhibit_schemas::event::{Body, SessionId, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::reading::Reader;
use serde::Serialize;

use crate::approval::Approvals;
use crate::batch::{Batches, Placed};
use crate::census::OTHERS;
use crate::emergency::EmergencyLine;
use crate::in_force::InForce;
use crate::observed::{self, Observations, ObservedLine};
use crate::period::Period;
use crate::policy::Policies;
use crate::reading::{ReadLine, ReaderLine};
use crate::report::table::Table;
use crate::review::ReviewLine;
use crate::schedule::{PeriodLine, ScheduleLine};
use crate::session::Pending;
use crate::sign_off::{ExceptionCloseLine, ExceptionNoteLine, ReportSignatureLine};
use crate::void::VoidLine;

pub use self::approvals::{ApprovalLine, DecisionLine, GrantLine, RevocationLine};
pub use self::fields::FieldLine;
use self::fields::Fields;
pub use self::lines::{
    CommandLine, DetectionLine, KeyLine, MaskKeyLine, PolicyLine, PolicyMaskLine, PolicySignersLine, PolicyTermLine,
    RefusedLine, RevealLine, SessionLine, ThresholdLine,
};
pub use self::stream::{Line, Lines, Ran};

/// Lines of one table that are kept; the report names the file that has all of them.
pub const LINES_MAX: usize = 5_000;

/// Lines of a table by which a control's population is counted, at the most; past it the control cannot pass.
pub const COUNTED_MAX: usize = 200_000;

/// Readers that are told apart; readings of those past them stand together, under [`OTHERS`].
const READERS_MAX: usize = 1_000_000;

/// Number of a line of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LineNumber(u64);

impl LineNumber {
    fn is_kept(self) -> bool {
        usize::try_from(self.0).is_ok_and(|number| number < LINES_MAX)
    }
}

/// A session that is open.
#[derive(Clone, Debug)]
struct Open {
    line: Arc<SessionLine>,
    /// Absent where its opening is not of the period.
    number: Option<LineNumber>,
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
    /// Fields that commands of the period touched, by rule.
    pub fields: Vec<FieldLine>,
    /// Decisions of people in the period, by how long they took.
    pub time_to_decide: Vec<(&'static str, u64)>,
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
    /// The same until the end of the log, by what readers are told apart by.
    #[serde(skip)]
    read_by: BTreeMap<[String; 4], ReaderLine>,
    /// Reviews that people signed off, in order.
    pub reviews: Vec<ReviewLine>,
    /// Signatures under reports, in order; all of them.
    pub report_signatures: Vec<ReportSignatureLine>,
    /// Notes of exceptions, in order; all of them.
    pub exception_notes: Vec<ExceptionNoteLine>,
    /// Ends of exceptions, in order; all of them.
    pub exception_closes: Vec<ExceptionCloseLine>,
    /// What people signed that counts for nothing, in the order in which that was known.
    pub void: Vec<VoidLine>,
    /// Reviews that policies in force asked for.
    pub review_schedules: Vec<ScheduleLine>,
    /// Their periods that were over by the head, and how the review of each stands then.
    pub review_periods: Vec<PeriodLine>,
    /// Uses of emergency access, in the order of their requests, and how the review of each stands by the head.
    pub emergencies: Vec<EmergencyLine>,
    /// Policies in order.
    pub policies: Vec<PolicyLine>,
    /// Their masks.
    pub policy_masks: Vec<PolicyMaskLine>,
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
    /// Lines past [`LINES_MAX`], which are not listed here.
    pub not_listed: u64,
    /// Lines past [`COUNTED_MAX`] of tables by which populations are counted.
    #[serde(skip)]
    pub(crate) not_counted: u64,
    #[serde(skip)]
    period: Option<Period>,
    /// Observed rules, until the end.
    #[serde(skip)]
    observations: Observations,
    /// Lines by table, listed or not.
    pub lines: BTreeMap<&'static str, u64>,
    /// Sessions that are open, with their lines.
    #[serde(skip)]
    open: BTreeMap<SessionId, Open>,
    /// Commands of the period that may still get more, by their numbers.
    #[serde(skip)]
    under_way: BTreeMap<LineNumber, (SessionId, CommandLine)>,
    /// Of the first [`LINES_MAX`] those that have got everything.
    #[serde(skip)]
    finished_commands: BTreeMap<LineNumber, CommandLine>,
    /// The same of sessions.
    #[serde(skip)]
    finished_sessions: BTreeMap<LineNumber, SessionLine>,
    #[serde(skip)]
    touched: Fields,
    /// Numbers given to lines of sessions and of commands.
    #[serde(skip)]
    numbered: (u64, u64),
    /// Finished lines that nobody has taken yet.
    #[serde(skip)]
    finished: Vec<Line>,
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
        if self.period.is_none() || self.open.contains_key(&id) {
            return;
        }
        let number = self.is_of(placed).then(|| {
            let number = LineNumber(self.numbered.0);
            self.numbered.0 += 1;
            number
        });
        let line = Arc::new(SessionLine {
            session: id.to_string(),
            opened: placed.index,
            closed: None,
            time: placed.event.time.to_string(),
            ended: None,
            target: body.target.clone(),
            protocol: body.protocol.clone(),
            method: body.principal.method.clone(),
            issuer: body.principal.issuer.clone(),
            subject: body.principal.subject.clone(),
            evidence: body.principal.evidence.to_string(),
            run: body.principal.run.as_ref().map(ToString::to_string),
            expires: body.expires.map(|expires| expires.to_string()),
            transport: body.transport.clone(),
            peer: body.peer.clone(),
            mask_key: body.mask_key.map(|key| key.to_string()),
            reason: None,
            commands: None,
            patients: None,
        });
        self.open.insert(id, Open { line, number });
    }

    fn login_refused(&mut self, placed: &Placed, body: &LoginRefused) {
        if !self.is_of(placed) {
            return;
        }
        self.refused = self.refused.saturating_add(body.count);
        let line = RefusedLine {
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
        };
        if self.room(self.refused_logins.len()) {
            self.refused_logins.push(line.clone());
        }
        self.finished(Line::Refused(line));
    }

    /// Adds the close of a session, once [`Self::left`] has taken its commands without an end.
    pub(crate) fn closed(&mut self, id: SessionId, placed: &Placed, body: &SessionClosed, patients: &Distinct) {
        if let Some(mut open) = self.open.remove(&id) {
            let line = Arc::make_mut(&mut open.line);
            line.closed = Some(placed.index);
            line.ended = Some(placed.event.time.to_string());
            line.reason = Some(body.reason.clone());
            line.commands = Some(body.commands);
            line.patients = Some(patients.count()).filter(|count| *count > 0);
            self.session_finished(open);
        }
    }

    fn session_finished(&mut self, open: Open) {
        let Some(number) = open.number else { return };
        if number.is_kept() {
            self.finished_sessions.insert(number, SessionLine::clone(&open.line));
        } else {
            self.not_listed += 1;
        }
        self.finished(Line::Session(open.line));
    }

    /// Takes a command out to which nothing more will be added.
    fn left(&mut self, number: LineNumber, patients: Option<&Distinct>) {
        let Some((id, line)) = self.under_way.remove(&number) else {
            return;
        };
        if number.is_kept() {
            self.finished_commands.insert(number, line.clone());
        } else {
            self.not_listed += 1;
        }
        self.touched.command(&line);
        let session = self.open.get(&id).map(|open| Arc::clone(&open.line));
        let mut tokens: Vec<_> = patients
            .into_iter()
            .flat_map(Distinct::tokens)
            .map(|token| token.to_string())
            .collect();
        tokens.sort();
        let known = u64::try_from(tokens.len()).unwrap_or(u64::MAX);
        self.finished(Line::Command(Box::new(Ran {
            session,
            unknown: patients.map_or(0, |patients| patients.count().saturating_sub(known)),
            command: line,
            patients: tokens,
        })));
    }

    /// Adds a command; gives its line, for its end.
    pub(crate) fn command(
        &mut self,
        placed: &Placed,
        id: SessionId,
        body: &Command,
        request: Option<Digest>,
        approvals: &Approvals,
    ) -> Option<LineNumber> {
        self.approved += u64::from(body.outcome == Outcome::Approved);
        if !self.is_of(placed) {
            return None;
        }
        let access = |access: &exhibit_schemas::event::access::Access| match &access.1 {
            Some(resource) => format!("{} {resource}", access.0),
            None => access.0.to_string(),
        };
        let named = body.approvals.iter().flatten();
        let line = CommandLine {
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
            code: None,
            rows: 0,
            bytes: 0,
            patients: None,
            masks: Vec::new(),
            masked: BTreeMap::new(),
        };
        let number = LineNumber(self.numbered.1);
        self.numbered.1 += 1;
        self.under_way.insert(number, (id, line));
        Some(number)
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
        line: Option<LineNumber>,
        index: Index,
        body: &ThresholdDecided,
        request: Option<Digest>,
        approvals: &Approvals,
    ) {
        self.approved += u64::from(body.outcome == Outcome::Approved);
        let Some(line) = line
            .and_then(|line| self.under_way.get_mut(&line))
            .map(|(_, line)| line)
        else {
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
        if !self.is_of(placed) {
            return;
        }
        let line = DetectionLine {
            detection: placed.index,
            time: placed.event.time.to_string(),
            command,
            net: body.net.clone(),
            channel: body.channel.clone(),
            column: body.column.clone(),
            findings: body.findings.clone(),
            ends: body.ends,
        };
        if self.room(self.detections.len()) {
            self.detections.push(line.clone());
        }
        self.finished(Line::Detection(line));
    }

    /// Adds the whole copy of a command to its line.
    pub(crate) fn copied(&mut self, line: Option<LineNumber>, first: Index, last: Index) {
        if let Some(line) = line
            .and_then(|line| self.under_way.get_mut(&line))
            .map(|(_, line)| line)
        {
            line.copy = Some((first, last));
        }
    }

    /// Adds a review.
    pub(crate) fn reviewed(&mut self, line: ReviewLine) {
        if self.period.is_none() {
            return;
        }
        if self.room(self.reviews.len()) {
            self.reviews.push(line.clone());
        }
        self.finished(Line::Review(line));
    }

    /// Adds what people signed about reports, which is bounded where it is gathered.
    pub(crate) fn signed_off(
        &mut self,
        reports: Vec<ReportSignatureLine>,
        notes: Vec<ExceptionNoteLine>,
        closes: Vec<ExceptionCloseLine>,
    ) {
        if self.period.is_some() {
            self.report_signatures = reports;
            self.exception_notes = notes;
            self.exception_closes = closes;
        }
    }

    /// Adds what counts for nothing.
    pub(crate) fn void(&mut self, line: VoidLine) {
        if self.period.is_none() {
            return;
        }
        if self.room(self.void.len()) {
            self.void.push(line.clone());
        }
        self.finished(Line::Void(line));
    }

    /// The same, where there is such a thing.
    pub(crate) fn voids(&mut self, line: Option<VoidLine>) {
        if let Some(line) = line {
            self.void(line);
        }
    }

    /// Adds what was to be reviewed.
    pub(crate) fn scheduled(&mut self, schedules: Vec<ScheduleLine>, periods: Vec<PeriodLine>) {
        if self.period.is_none() {
            return;
        }
        self.review_schedules = schedules;
        for line in periods {
            if self.counted(self.review_periods.len()) {
                self.review_periods.push(line);
            }
        }
    }

    /// Adds that the ledger showed something.
    pub(crate) fn read(&mut self, placed: &Placed, read: &EvidenceRead, by: &Reader) {
        if !self.is_of(placed) {
            return;
        }
        let line = ReadLine::of(placed.index, read, by);
        if self.room(self.reads.len()) {
            self.reads.push(line.clone());
        }
        self.finished(Line::Read(line));
        let name = [&read.reader, &by.method, &by.issuer, &by.subject].map(Clone::clone);
        let room = self.read_by.len() < READERS_MAX || self.read_by.contains_key(&name);
        let name = if room { name } else { [OTHERS; 4].map(str::to_owned) };
        let line = self
            .read_by
            .entry(name)
            .or_insert_with_key(|name| ReaderLine::of(name, placed.index));
        line.add(placed.index, read, by);
    }

    /// Adds that a person opens the copy of a command.
    pub(crate) fn revealed(&mut self, placed: &Placed, read: &EvidenceRead, command: Index) {
        let (Some(signer), Some(copy)) = (&placed.signer, &read.copy) else {
            return; // whose key it is was not known, which was said
        };
        if !self.is_of(placed) {
            return;
        }
        let line = RevealLine {
            reveal: placed.index,
            time: placed.event.time.to_string(),
            person: signer.name.clone(),
            groups: signer.groups.clone(),
            reason: read.scope.clone(),
            command,
            copy: copy.index,
            enrolled: signer.enrolled,
        };
        if self.room(self.reveals.len()) {
            self.reveals.push(line.clone());
        }
        self.finished(Line::Reveal(line));
    }

    /// Adds the end of a response.
    pub(crate) fn ended(&mut self, index: Index, pending: &Pending, end: &ResponseEnd) {
        let Some(number) = pending.line else { return };
        if let Some((_, line)) = self.under_way.get_mut(&number) {
            released(line, pending);
            line.ended = Some(index);
            line.status = Some(end.status.clone());
            line.code.clone_from(&end.code);
            line.rows = end.rows;
            line.bytes = end.bytes;
            line.masked.clone_from(&end.masked);
        }
        self.left(number, pending.patients.as_ref());
    }

    /// Takes a command out of which the log has no end; what was released of its response was.
    pub(crate) fn unended(&mut self, pending: &Pending) {
        let Some(number) = pending.line else { return };
        if let Some((_, line)) = self.under_way.get_mut(&number) {
            released(line, pending);
        }
        self.left(number, pending.patients.as_ref());
    }

    /// Adds what is only known at the end.
    pub(crate) fn finish(
        &mut self,
        anchors: &TrustAnchors,
        batches: &Batches,
        policies: &Policies,
        in_force: &InForce,
    ) {
        self.seals = batches.seals();
        if self.period.is_none() {
            return;
        }
        self.finish_open();
        self.list_readers();
        self.fields = std::mem::take(&mut self.touched).into_lines();
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
            let terms = || in_force.terms().filter(|(_, term)| term.policy == *digest);
            let is_in_force = terms().any(|(_, term)| term.ended.is_none());
            let last = terms()
                .filter_map(|(_, term)| term.ended)
                .max()
                .filter(|_| !is_in_force);
            self.policies.push(PolicyLine {
                policy: digest.to_string(),
                snapshot: policy.index,
                bytes: policy.bytes,
                last_in_force: last.map(|last| last.to_string()),
                keep_until: last.map(six_years_after),
            });
            for mask in policy.snapshot.masks() {
                self.policy_masks.push(PolicyMaskLine {
                    policy: digest.to_string(),
                    mask: mask.name.clone(),
                    technique: mask.technique.as_str().to_owned(),
                    keyed: mask.technique.is_keyed(),
                    targets: mask.targets().map(str::to_owned).collect(),
                    resources: mask
                        .resources()
                        .iter()
                        .map(|pattern| pattern.as_str().to_owned())
                        .collect(),
                });
            }
        }
        self.list_policy_terms(anchors, in_force);
    }

    /// The log ends: nothing more is added to what is open.
    fn finish_open(&mut self) {
        let numbers: Vec<_> = self.under_way.keys().copied().collect();
        for number in numbers {
            self.left(number, None);
        }
        let mut open: Vec<_> = std::mem::take(&mut self.open).into_values().collect();
        open.sort_by_key(|open| open.number);
        for open in open {
            self.session_finished(open);
        }
        self.sessions = std::mem::take(&mut self.finished_sessions).into_values().collect();
        self.commands = std::mem::take(&mut self.finished_commands).into_values().collect();
    }

    /// How many lines a table has, of which so many are kept.
    pub fn all(&self, table: Table, kept: usize) -> u64 {
        let kept = u64::try_from(kept).unwrap_or(u64::MAX);
        self.lines.get(table.name()).copied().unwrap_or(kept)
    }

    /// Takes the lines that are finished and that nobody has taken yet.
    pub(crate) fn take_finished(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.finished)
    }

    fn finished(&mut self, line: Line) {
        *self.lines.entry(line.table().name()).or_default() += 1;
        self.finished.push(line);
    }

    fn list_readers(&mut self) {
        let mut readers: Vec<_> = std::mem::take(&mut self.read_by).into_values().collect();
        readers.sort_by_key(|line| line.first);
        for line in readers {
            if self.room(self.readers.len()) {
                self.readers.push(line.clone());
            }
            self.finished(Line::Reader(line));
        }
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
                since: term.since.to_string(),
                until: term.until,
                ended: term.ended.map(|ended| ended.to_string()),
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

    /// Whether there is room for a line of a population.
    pub(super) fn counted(&mut self, lines: usize) -> bool {
        let room = lines < COUNTED_MAX;
        if self.period.is_some() && !room {
            self.not_counted += 1;
        }
        self.period.is_some() && room
    }

    /// Whether an event is of the report's period.
    fn is_of(&self, placed: &Placed) -> bool {
        self.period.is_some_and(|period| period.holds(placed.event.time))
    }
}

/// Adds what was released of a response.
fn released(line: &mut CommandLine, pending: &Pending) {
    let response = &pending.response;
    line.released = response.span;
    line.rows = response.rows;
    line.bytes = response.bytes;
    line.patients = pending
        .patients
        .as_ref()
        .map(Distinct::count)
        .filter(|count| *count > 0);
    line.masks = response.masks.iter().cloned().collect();
}

/// The day six years after a moment, in UTC: for a day that its year does not have, the next one.
fn six_years_after(time: Timestamp) -> String {
    let text = time.to_string();
    let date = text.split('T').next().unwrap_or_default();
    let (year, day) = date.split_once('-').unwrap_or_default();
    let year = year.parse::<u32>().unwrap_or(0).saturating_add(6);
    // A leap year is never six years after one.
    let day = if day == "02-29" { "03-01" } else { day };
    format!("{year:04}-{day}")
}

mod approvals;
mod fields;
mod lines;
mod stream;

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::Timestamp;
    use exhibit_schemas::merkle::Index;

    use super::{Evidence, LINES_MAX, six_years_after};
    use crate::period::Period;
    use crate::reading::ReaderLine;
    use crate::report::table::Table;

    #[test]
    fn every_reader_is_handed_out_and_the_first_are_kept() {
        let mut evidence = Evidence::new(Some(Period::ALWAYS));
        for number in 0..=u64::try_from(LINES_MAX).unwrap() {
            let name = [format!("reader {number}"), "key".into(), "log".into(), "1".into()];
            let line = ReaderLine::of(&name, Index(number));
            evidence.read_by.insert(name, line);
        }
        evidence.list_readers();
        assert_eq!(evidence.readers.len(), LINES_MAX);
        let all = evidence.take_finished();
        assert_eq!(all.len(), LINES_MAX + 1);
        assert_eq!(evidence.all(Table::Readers, LINES_MAX), 5_001);
        assert!(evidence.readers.is_sorted_by_key(|line| line.first));
    }

    #[test]
    fn six_years_later_is_a_day_that_there_is() {
        for (time, day) in [
            ("2026-11-29T23:59:59.999999Z", "2032-11-29"),
            ("2024-02-29T00:00:00Z", "2030-03-01"),
            ("2022-02-28", "2028-02-28"),
        ] {
            assert_eq!(six_years_after(Timestamp::parse(time).unwrap()), day);
        }
        // An emitter can date what it says past the years that texts have.
        let last = Timestamp::parse("9999-12-31T23:59:59.999999Z").unwrap();
        assert_eq!(six_years_after(Timestamp(last.0 + 1)), "10006-01-01");
    }
}

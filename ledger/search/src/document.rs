//! Documents: what of an event is searched, one document to an event.
//!
//! This file is the whole list of what enters the index. Text is only: statements (with placeholders in the place of
//! literals), cells of released rows that are text, column names, reasons, and names. What is not named here is not in it.

use std::collections::BTreeSet;

use exhibit_schemas::event::access::{
    Access, Command, DecisionRecord, Detection, Facts, Frame, LoginRefused, Principal, ResponseChunk, ResponseEnd,
    SessionOpened, ThresholdDecided,
};
use exhibit_schemas::event::approval::{ApprovalDecided, ApprovalExpired, ApprovalRequested};
use exhibit_schemas::event::trust::{EvidenceRead, Genesis};
use exhibit_schemas::event::{Body, Event, SessionId};
use exhibit_schemas::merkle::Index;
use tantivy::TantivyDocument;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
};

use crate::query::Filter;
use crate::text;

/// Version of the documents: a change of what is indexed, or how, must raise it, so that old indexes are rebuilt.
pub(crate) const VERSION: u32 = 7;

/// The fields of the index.
#[derive(Clone)]
pub(crate) struct Fields {
    pub(crate) schema: Schema,
    /// Index of the event in the log.
    pub(crate) index: Field,
    /// Its time, microseconds.
    pub(crate) time: Field,
    /// One value to a statement, row, reason or name.
    pub(crate) text: Field,
    /// Leaf hash of a decision, by which the commands that it permits name it.
    pub(crate) leaf: Field,
    /// Ids of keys that the event enrols; the names of `holder` are theirs, in the same order.
    pub(crate) key: Field,
    pub(crate) holder: Field,
    /// One field to each of [`Filter::ALL`], in that order.
    filters: Vec<Field>,
}

impl Fields {
    pub(crate) fn new() -> Self {
        let mut schema = Schema::builder();
        let words = TextFieldIndexing::default()
            .set_tokenizer(text::ANALYZER)
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let index = schema.add_u64_field("index", INDEXED | STORED | FAST);
        let time = schema.add_u64_field("time", INDEXED | STORED | FAST);
        let text = schema.add_text_field("text", TextOptions::default().set_indexing_options(words).set_stored());
        let leaf = schema.add_text_field("leaf", STRING);
        let key = schema.add_text_field("key", STORED);
        let holder = schema.add_text_field("holder", STORED);
        let filters = Filter::ALL
            .iter()
            .map(|filter| match filter {
                // A reply names as many as it has records, and no hit shows them.
                Filter::Patient => schema.add_text_field(filter.as_str(), STRING),
                shown => schema.add_text_field(shown.as_str(), STRING | STORED),
            })
            .collect();
        Self {
            schema: schema.build(),
            index,
            time,
            text,
            leaf,
            key,
            holder,
            filters,
        }
    }

    pub(crate) fn filter(&self, filter: Filter) -> Field {
        let place = Filter::ALL.iter().position(|other| *other == filter);
        place
            .and_then(|place| self.filters.get(place))
            .copied()
            .expect("new() adds one field to each filter")
    }
}

/// What the events of a session share, from its `session-opened` event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) agent: Vec<String>,
    pub(crate) client: Vec<String>,
    pub(crate) group: Vec<String>,
    pub(crate) target: Vec<String>,
    pub(crate) protocol: Vec<String>,
}

impl Context {
    pub(crate) fn of(opened: &SessionOpened) -> Self {
        let SessionOpened {
            target,
            protocol,
            principal,
            client,
            ..
        } = opened;
        let Principal {
            subject,
            client_id,
            groups,
            ..
        } = principal;
        Self {
            agent: vec![subject.clone()],
            client: client_id.iter().chain(client).cloned().collect(),
            group: groups.clone(),
            target: vec![target.clone()],
            protocol: vec![protocol.clone()],
        }
    }
}

/// What the index must know beside the event.
#[derive(Default)]
pub(crate) struct Surroundings {
    /// The session that the event belongs to or is about.
    pub(crate) session: Option<SessionId>,
    /// Of that session.
    pub(crate) context: Context,
    /// Names of the people who decided it, or whose decisions permit it.
    pub(crate) approvers: BTreeSet<String>,
    /// Keys that it enrols, with their holders' names.
    pub(crate) keys: Vec<(String, String)>,
    /// Leaf hash of the event, if it is a decision.
    pub(crate) leaf: Option<String>,
}

/// Builds the document of an event.
pub(crate) fn document(fields: &Fields, index: Index, event: &Event, around: &Surroundings) -> TantivyDocument {
    let mut draft = Draft {
        fields,
        document: TantivyDocument::default(),
    };
    draft.document.add_u64(fields.index, index.0);
    draft.document.add_u64(fields.time, event.time.0);
    draft.one(Filter::Kind, event.kind().as_str());
    if let Some(session) = around.session {
        draft.one(Filter::Session, &session.to_string());
    }
    let Surroundings {
        session: _,
        context,
        approvers,
        keys,
        leaf,
    } = around;
    draft.all(Filter::Agent, &context.agent);
    draft.all(Filter::Client, &context.client);
    draft.all(Filter::Group, &context.group);
    draft.all(Filter::Target, &context.target);
    draft.all(Filter::Protocol, &context.protocol);
    draft.all(Filter::Approver, approvers);
    for (key, holder) in keys {
        draft.document.add_text(fields.key, key);
        draft.document.add_text(fields.holder, holder);
        draft.text(holder);
    }
    if let Some(leaf) = leaf {
        draft.document.add_text(fields.leaf, leaf);
    }
    draft.body(&event.body);
    draft.document
}

struct Draft<'a> {
    fields: &'a Fields,
    document: TantivyDocument,
}

impl Draft<'_> {
    fn one(&mut self, filter: Filter, value: &str) {
        self.document.add_text(self.fields.filter(filter), value);
    }

    fn all<'a>(&mut self, filter: Filter, values: impl IntoIterator<Item = &'a String>) {
        for value in values {
            self.one(filter, value);
        }
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.document.add_text(self.fields.text, text);
        }
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Genesis(Genesis { origin, .. }) => self.text(origin),
            Body::KeyEnrolled(enrolled) => {
                for group in &enrolled.groups {
                    self.text(group);
                }
            }
            Body::KeyRevoked(revoked) => self.text(&revoked.reason),
            Body::SessionOpened(opened) => self.opened(opened),
            Body::SessionClosed(closed) => self.text(&closed.reason),
            Body::Command(command) => self.command(command),
            Body::ApprovalRequested(requested) => self.requested(requested),
            Body::PreviewRun(run) => {
                self.text(&run.statement);
                self.decision(&run.decision);
                self.facts(&run.facts);
            }
            Body::ApprovalDecided(decided) => self.decided(decided),
            Body::ApprovalExpired(ApprovalExpired { reason, .. }) => self.text(reason),
            Body::ApprovalRevoked(revoked) => {
                self.text(&revoked.reason);
                self.text(&revoked.request.to_string());
            }
            Body::ResponseChunk(chunk) => self.chunk(chunk),
            Body::Detection(detection) => self.detection(detection),
            Body::ThresholdDecided(decided) => self.threshold(decided),
            Body::ResponseEnd(ResponseEnd { status, code, .. }) => {
                self.text(status);
                self.text(code.as_deref().unwrap_or_default());
            }
            Body::EvidenceRead(read) => {
                // One text, so that a piece of it says all.
                let EvidenceRead {
                    operation,
                    reader,
                    scope,
                    ..
                } = read;
                self.text(&format!("{operation} by {reader}: {scope}"));
                if let Some(by) = &read.by {
                    for text in [&by.method, &by.issuer, &by.subject, &by.role] {
                        self.text(text);
                    }
                }
            }
            Body::ReviewSigned(review) => self.text(&review.finding),
            Body::ReportSigned(signed) => {
                self.text(&signed.statement);
                self.text(&signed.manifest.to_string());
            }
            Body::ExceptionNoted(noted) => {
                for text in [
                    &noted.control,
                    &noted.cause,
                    &noted.detail,
                    &noted.owner,
                    &noted.remediation,
                ] {
                    self.text(text);
                }
            }
            Body::ExceptionClosed(closed) => {
                self.text(closed.disposition.as_str());
                self.text(&closed.statement);
            }
            Body::Anchor(anchor) => self.text(&anchor.witness),
            Body::Hold(hold) => self.text(&hold.reason),
            Body::Erasure(erasure) => self.text(&erasure.rule),
            Body::Fault(fault) => {
                self.text(&fault.place);
                self.text(&fault.text);
            }
            // They are read whole, by their digests.
            Body::PolicySnapshot(snapshot) => self.text(&snapshot.policy.to_string()),
            Body::PolicyInForce(now) => self.text(&now.policy.to_string()),
            Body::PolicySigned(signed) => {
                self.text(&signed.policy.to_string());
                self.text(&signed.reason);
            }
            Body::CatalogSnapshot(snapshot) => self.text(&snapshot.catalog.to_string()),
            Body::LoginRefused(refused) => self.refused(refused),
            Body::MaskKeyAnnounced(announced) => {
                self.text(&announced.key.to_string());
                for key in &announced.replaces {
                    self.text(&key.to_string());
                }
            }
            // Their holders' names were added with the keys. Counts and digests of data nobody would search for, nor for what
            // was encrypted.
            Body::KeyRotated(_) | Body::CommandData(_) | Body::CommandSealed(_) => {}
        }
    }

    fn refused(&mut self, refused: &LoginRefused) {
        self.all(Filter::Agent, &refused.user);
        self.one(Filter::Target, &refused.target);
        self.one(Filter::Protocol, &refused.protocol);
        for text in [&refused.target, &refused.peer, &refused.method, &refused.reason] {
            self.text(text);
        }
        self.text(refused.user.as_deref().unwrap_or_default());
        self.text(&refused.named.to_string());
    }

    fn opened(&mut self, opened: &SessionOpened) {
        self.text(&opened.principal.subject);
        self.text(&opened.principal.issuer);
        self.text(&opened.target);
        self.text(&opened.peer);
        self.text(opened.client.as_deref().unwrap_or_default());
        if let Some(key) = &opened.mask_key {
            self.text(&key.to_string());
        }
        if let Some(run) = &opened.principal.run {
            for text in [
                &run.repository,
                &run.reference,
                &run.commit,
                &run.run_id,
                &run.actor,
                &run.trigger,
            ] {
                self.text(text);
            }
        }
    }

    fn command(&mut self, command: &Command) {
        self.text(&command.statement);
        if let Some(fingerprint) = &command.statement_fingerprint {
            self.text(&fingerprint.to_string());
        }
        self.decision(&command.decision);
        self.facts(&command.facts);
        self.one(Filter::Outcome, command.outcome.as_str());
    }

    /// The net, the place and the categories; a detection holds no value.
    fn detection(&mut self, detection: &Detection) {
        self.text(&detection.net);
        self.text(&detection.channel);
        self.text(detection.column.as_deref().unwrap_or_default());
        for category in detection.findings.keys() {
            self.text(category);
        }
    }

    fn threshold(&mut self, decided: &ThresholdDecided) {
        self.decision(&decided.decision);
        self.one(Filter::Outcome, decided.outcome.as_str());
    }

    fn requested(&mut self, requested: &ApprovalRequested) {
        self.text(&requested.statement);
        self.decision(&requested.decision);
        self.facts(&requested.facts);
        if let Some(preview) = &requested.preview {
            self.text(&format!("preview: {preview}"));
        }
    }

    fn decision(&mut self, decision: &DecisionRecord) {
        self.text(&decision.reason);
        self.one(Filter::Decision, decision.effect.as_str());
        self.all(Filter::Rule, &decision.rule);
        for observed in decision.observed.iter().flatten() {
            self.one(Filter::Observed, &observed.rule);
        }
    }

    fn decided(&mut self, decided: &ApprovalDecided) {
        self.text(&decided.reason);
        if let Some(terms) = &decided.terms {
            self.text(&terms.to_string());
        }
        self.one(Filter::Verdict, decided.verdict.as_str());
    }

    fn facts(&mut self, facts: &Facts) {
        let mut actions = BTreeSet::new();
        let mut resources = BTreeSet::new();
        for Access(action, resource) in &facts.accesses {
            actions.insert(action.as_str());
            if let Some(resource) = resource {
                resources.insert(resource.as_str());
                resources.extend(last_part(resource));
            }
        }
        for action in actions {
            self.one(Filter::Action, action);
        }
        for resource in resources {
            self.one(Filter::Resource, resource);
        }
    }

    /// One text to a row, so that a phrase may span the cells of one row but never two rows.
    fn chunk(&mut self, chunk: &ResponseChunk) {
        for known in chunk.patients.iter().flat_map(|released| &released.patients) {
            self.one(Filter::Patient, &known.patient.to_string());
        }
        for column in chunk.columns.iter().flatten() {
            self.text(&column.name);
        }
        for frame in &chunk.frames {
            // Verbatim frames are the protocol's own bytes: they are replayed, not searched.
            if let Frame::Row(cells) = frame {
                let cells: Vec<_> = cells.iter().flatten().filter_map(|cell| readable(&cell.0)).collect();
                self.text(&cells.join(CELL_SEPARATOR));
            }
        }
    }
}

/// Stands between the cells of a row in its text.
pub(crate) const CELL_SEPARATOR: &str = " | ";

/// The part of `schema.table` by which people call it; names with a slash (object keys, paths) have only one form.
fn last_part(resource: &str) -> Option<&str> {
    let (_, last) = resource.rsplit_once('.')?;
    (!resource.contains('/') && !last.is_empty()).then_some(last)
}

/// A cell that is text: UTF-8 without control characters, so that binary forms of numbers are not taken for words.
fn readable(cell: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(cell).ok()?;
    let control = |character: char| character.is_control() && !matches!(character, '\t' | '\n' | '\r');
    (!text.contains(control)).then_some(text)
}

//! What an agent sends up to a `Query`, `Sync` or `Flush`, as requests: what is decided, recorded and forwarded together.
//!
//! Each `Query`, `Parse` and `Execute` is a request. A `Parse` whose statement the same group executes belongs to that
//! request. Every other message belongs to the request after it, or to the last; a group without any is one request of its
//! own. The exact bytes of a request are all of its messages, so nothing is forwarded that no event covers.
//!
//! Before each `Execute` the proxy asks for the portal's description, so that masks know the columns that follow, unless the
//! agent has just asked for it; before `COPY … TO STDOUT` on a target with masks, for that of a statement with the same
//! columns. A group ends where it copies in: what follows is read in the next one, because the server passes over it if it
//! does copy. It ends, too, where names may mean something else for what follows, or where text may be read otherwise.
//!
//! Not here: deciding, and answers (see [`crate::reply`]).

mod draft;
mod part;
mod question;
mod whole;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

use exhibit_gate::session::Request;
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::digest::Digest;

use self::draft::{AFTER_CHANGE, OTHER_MEANING, OUTDATED, UNREAD_COPY, code_of, missing, refusal};
pub(crate) use self::draft::{Draft, Expected, about_session, changes_names, unread};
use self::part::{Part, asked, assemble, merge_preparations};
pub(crate) use self::question::Known;
use self::whole::goes_by_names;
pub(crate) use self::whole::says_all;
use crate::analysis::{
    Analysis, AnalysisError, Complaint, Copy, CopyDirection, Foreign, Mapped, Named, Statement, StatementClass,
    Subjects, TransactionControl, array_parameters, is_own_name,
};
use crate::catalog::Catalog;
use crate::config::Masking;
use crate::message::bound::elements;
use crate::message::encode;
use crate::message::frontend::{Frontend, Kind};
use crate::names::{Ahead, Change, NO_TEXT, Names, Portal, Prepared, TOO_LARGE, changes, source};
use crate::preview::SEVERAL;
use crate::read::Read;
use crate::types;

/// The statement that the proxy prepares to ask whose columns are copied out.
const PROBE: &str = "exhibit.copy";

/// Why no statement or portal of the agent's gets a name.
const OWN_NAME: &str = "names that begin with `exhibit.` are the gateway's own";

/// What the server answers to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Query,
    Parse,
    Bind,
    Describe,
    /// A statement that the proxy prepares, asks about and closes; the agent gets none of its answers.
    OwnParse,
    OwnProbe,
    OwnClose,
    /// A description of a portal that the proxy asked for; the agent does not get it.
    OwnDescribe,
    /// The same, where the agent asked for it right before its `Execute`: it gets it, too.
    DescribeNext,
    /// A `Sync` of the proxy's own; the agent gets its answer only in place of that of a `Query` which was passed over.
    OwnSync,
    Execute,
    Close,
    Sync,
    Nothing,
}

/// A message that was forwarded.
pub(crate) struct Item {
    pub(crate) answer: Answer,
    /// What becomes of names with its first, second, ... confirmation.
    pub(crate) changes: VecDeque<Vec<Change>>,
    /// How it copies, where that is all that it does.
    pub(crate) copy: Option<Copy>,
    /// What was replaced in its text: places in an error are those of the text that the server got.
    pub(crate) mapped: Option<Mapped>,
    /// What is known of what it is answered with, for each statement in it.
    pub(crate) expected: VecDeque<Expected>,
    /// The prepared statement that it is about.
    pub(crate) prepared: Option<Arc<Prepared>>,
    /// Place of the request that it belongs to.
    pub(crate) owner: usize,
}

/// A group, ready to be decided.
pub(crate) struct Group {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) items: VecDeque<Item>,
    /// Whether it ends with `Sync`.
    pub(crate) synced: bool,
    /// Messages that belong to the next group: while it copies in, the server reads other messages otherwise.
    pub(crate) rest: VecDeque<(Frontend, Vec<u8>)>,
}

/// Why nothing but the end of a transaction passes.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) code: &'static str,
    pub(crate) reason: &'static str,
    /// Whether a commit passes, too: the transaction has failed at the server, which then takes it all back.
    pub(crate) commits: bool,
    /// Whether a way back to a savepoint does: what was refused has changed nothing.
    pub(crate) savepoints: bool,
}

/// What statements are read by.
pub(crate) struct Reading<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) policy: &'a Snapshot,
    pub(crate) target: &'a str,
    /// Who masks.
    pub(crate) masking: Masking,
    pub(crate) names: &'a Names,
    pub(crate) read: &'a mut Read,
    pub(crate) block: Option<Block>,
    /// The transaction has changed what names mean, so its bounds do, too.
    pub(crate) changed: bool,
    /// Code that is not known has run in the transaction; what of it was deferred runs again later.
    pub(crate) foreign: Foreign,
}

/// A group as far as it was read.
struct Progress<'a> {
    names: Ahead<'a>,
    /// What an earlier message of the group runs may change what names mean.
    changed: bool,
    /// What an earlier message of the group runs may change the settings that text is read by.
    text_unsure: bool,
    /// It copies in, so nothing of the group may follow.
    copies_in: bool,
    parts: Vec<Part>,
}

impl Progress<'_> {
    /// Has the server answer what it has so far: the group ends here.
    fn flush(&mut self) {
        let flush = Part::new(encode::message(b'H', &[]), Answer::Nothing);
        self.parts.push(flush);
    }
}

impl Reading<'_> {
    /// Reads a group: messages, and the exact bytes of each.
    pub(crate) fn group(&mut self, messages: impl IntoIterator<Item = (Frontend, Vec<u8>)>) -> Group {
        let mut progress = Progress {
            names: Ahead::of(self.names),
            changed: false,
            text_unsure: false,
            copies_in: false,
            parts: Vec::new(),
        };
        let mut synced = false;
        let mut messages = messages.into_iter();
        let mut rest = VecDeque::new();
        for (message, bytes) in messages.by_ref() {
            let looks_up = matches!(
                message,
                Frontend::Parse { .. } | Frontend::Bind { .. } | Frontend::Execute { .. } | Frontend::Query { .. }
            );
            if (progress.changed && looks_up) || (progress.text_unsure && message.depends_on_settings()) {
                rest.push_back((message, bytes));
                progress.flush();
                break;
            }
            synced = message == Frontend::Sync;
            self.part(message, bytes, &mut progress);
            if progress.copies_in {
                progress.flush();
                break;
            }
        }
        rest.extend(messages);
        let mut parts = progress.parts;
        merge_preparations(&mut parts);
        if parts.iter().all(|part| part.draft.is_none()) {
            self.housekeeping(&mut parts);
        }
        assemble(parts, synced, rest)
    }

    fn part(&mut self, message: Frontend, bytes: Vec<u8>, progress: &mut Progress<'_>) {
        let mut part = Part::new(bytes, Answer::Nothing);
        match message {
            Frontend::Query { sql } => return self.query(&sql, part, progress),
            Frontend::Execute { portal } => return self.execute(&portal, part, progress),
            Frontend::Parse { name, sql, types } => {
                part.answer = Answer::Parse;
                part.draft = Some(if progress.names.is_full() {
                    refusal("54000", "the session has too many prepared statements or portals")
                } else if is_own_name(&name) {
                    refusal("42939", OWN_NAME)
                } else {
                    self.draft(&sql, &types, progress, Runs::Not)
                });
                part.mapped = self.mapped(&sql);
                let meant = part.mapped.as_ref().map(|mapped| mapped.text.clone());
                if let Some(text) = &meant {
                    part.bytes = encode::parse(&name, text, &types);
                }
                let meant = meant.map(|text| Digest::of(text.as_bytes()));
                let prepared = Arc::new(Prepared {
                    source: meant.unwrap_or_else(|| Digest::of(sql.as_bytes())),
                    sql,
                    types,
                    described: OnceLock::new(),
                    meant,
                });
                part.prepared = Some(Arc::clone(&prepared));
                let change = vec![Change::Statement(name, Some(prepared))];
                if progress.names.too_large(&change) {
                    part.draft = Some(refusal("54000", TOO_LARGE));
                }
                part.changes.push_back(change);
            }
            Frontend::Bind { portal, statement, .. } => {
                part.answer = Answer::Bind;
                let own = is_own_name(&portal);
                match self.bound(&statement, &part.bytes, progress) {
                    Ok(bound) => {
                        part.prepared.clone_from(&bound.prepared);
                        let change = vec![Change::Portal(portal, Some(Arc::new(bound)))];
                        if own {
                            part.draft = Some(refusal("42939", OWN_NAME));
                        } else if progress.names.too_large(&change) {
                            part.draft = Some(refusal("54000", TOO_LARGE));
                        }
                        part.changes.push_back(change);
                    }
                    Err(refusal) => part.draft = Some(*refusal),
                }
            }
            Frontend::Describe { kind, name } => {
                part.answer = Answer::Describe;
                let known = match kind {
                    Kind::Statement => {
                        part.prepared = progress.names.statement(&name);
                        part.prepared.is_some()
                    }
                    Kind::Portal => {
                        let portal = progress.names.portal(&name);
                        part.prepared = portal.as_ref().and_then(|portal| portal.prepared.clone());
                        portal.is_some()
                    }
                };
                if !known {
                    part.draft = Some(missing(kind));
                }
            }
            Frontend::Close { kind, name } => {
                part.answer = Answer::Close;
                part.changes.push_back(vec![match kind {
                    Kind::Statement => Change::Statement(name, None),
                    Kind::Portal => Change::Portal(name, None),
                }]);
            }
            Frontend::FunctionCall => {
                part.draft = Some(Draft {
                    ends: true,
                    ..refusal("0A000", "calls of functions by message are not taken; use SELECT")
                });
            }
            Frontend::Sync => part.answer = Answer::Sync,
            // Copied data outside of a copy is passed over before it comes here.
            Frontend::Flush | Frontend::Terminate | Frontend::CopyData | Frontend::CopyDone | Frontend::CopyFail => {}
        }
        for change in part.changes.iter().flatten() {
            progress.names.apply(change.clone());
        }
        progress.parts.push(part);
    }

    fn query(&mut self, sql: &str, mut part: Part, progress: &mut Progress<'_>) {
        part.answer = Answer::Query;
        let mut draft = self.draft(sql, &[], progress, Runs::Now);
        draft.ends = true;
        part.mapped = self.mapped(sql);
        let sent = part.mapped.as_ref().map_or(sql, |mapped| mapped.text.as_str());
        if part.mapped.is_some() {
            part.bytes = encode::message(b'Q', &[sent.as_bytes(), &[0]].concat());
        }
        let source = source(&draft.statements, sent);
        part.changes = draft.statements.iter().map(|one| changes(one, source)).collect();
        self.question(&mut draft, sent);
        self.trial(&mut draft, sent, sent != sql);
        part.expected = draft.expected();
        part.copy = draft.copy();
        let probe = self.probe(&part);
        let asks = probe.is_some();
        if let Some(query) = probe {
            // A simple query forgets the unnamed statement anyway. Without a `Sync` between, the transaction of the
            // question lasts until the copy is done, and no other session can change the relations in between.
            progress.parts.extend(asked("", &query));
        }
        part.draft = Some(draft);
        progress.parts.push(part);
        if asks {
            let sync = Part::new(encode::message(b'S', &[]), Answer::OwnSync);
            progress.parts.push(sync);
        }
    }

    fn execute(&mut self, name: &str, mut part: Part, progress: &mut Progress<'_>) {
        part.answer = Answer::Execute;
        let Some(portal) = progress.names.portal(name) else {
            part.draft = Some(missing(Kind::Portal));
            progress.parts.push(part);
            return;
        };
        let types = portal.prepared.as_ref().map_or(&[][..], |prepared| &prepared.types);
        let draft = match self.portal_analysis(&portal) {
            Ok(analysis) => {
                let mut draft = self.resolved(&analysis, types, progress, Runs::Now);
                draft.described(portal.prepared.as_deref());
                draft.try_values(&analysis.probes, types, &portal.held);
                part.mapped.clone_from(&analysis.mapped);
                if !portal.means(&analysis) {
                    draft.refuse("0A000", OTHER_MEANING);
                }
                if portal.outdated {
                    draft.refuse("24000", OUTDATED);
                }
                self.portal_question(&mut draft, &portal);
                self.portal_trial(&mut draft, &portal);
                draft
            }
            Err(error) => unread(&error),
        };
        let source = portal.prepared.as_ref().map_or(NO_TEXT, |prepared| prepared.source);
        part.changes = draft.statements.iter().map(|one| changes(one, source)).collect();
        part.expected = draft.expected();
        part.copy = draft.copy();
        progress.copies_in = matches!(&part.copy, Some(copy) if copy.direction == CopyDirection::In);
        if let Some(query) = self.probe(&part) {
            progress.parts.extend(asked(PROBE, &query));
            let body = [&[Kind::Statement.byte()], PROBE.as_bytes(), &[0]].concat();
            let close = Part::new(encode::message(b'C', &body), Answer::OwnClose);
            progress.parts.push(close);
        }
        let body = [&[Kind::Portal.byte()], name.as_bytes(), &[0]].concat();
        let mut describe = Part::new(encode::message(b'D', &body), Answer::OwnDescribe);
        describe.expected.clone_from(&part.expected);
        match progress.parts.last_mut() {
            // Nothing stands between the two that could make the portal another one.
            Some(last) if last.answer == Answer::Describe && last.bytes == describe.bytes => {
                last.answer = Answer::DescribeNext;
                last.expected = describe.expected;
            }
            _ => progress.parts.push(describe),
        }
        part.prepared.clone_from(&portal.prepared);
        part.draft = Some(draft);
        progress.parts.push(part);
    }

    /// The question whose columns these are, where a message copies out of a target with masks.
    fn probe(&self, part: &Part) -> Option<String> {
        let copy = part.copy.as_ref()?;
        let subjects = part.expected.iter().map(|expected| &expected.subjects);
        let patients = subjects
            .into_iter()
            .any(|subjects| matches!(subjects, Subjects::Named(_)));
        let looked_at = self.policy.masks_target(self.target) || self.nets() || patients;
        copy.probe
            .clone()
            .filter(|_| looked_at && self.masking == Masking::Proxy)
    }

    /// Whether a net holds for the target.
    fn nets(&self) -> bool {
        self.policy.nets(self.target).next().is_some()
    }

    /// The portal that a message makes of a prepared statement; it keeps what names mean here.
    fn bound(&mut self, statement: &str, bind: &[u8], progress: &Progress<'_>) -> Result<Portal, Box<Draft>> {
        let Some(prepared) = progress.names.statement(statement) else {
            return Err(Box::new(missing(Kind::Statement)));
        };
        let analysis = self.analysis(&prepared.sql).map_err(|error| Box::new(unread(&error)))?;
        if !prepared.means(&analysis) {
            return Err(Box::new(refusal("0A000", OTHER_MEANING)));
        }
        let arrays = array_parameters(&analysis.probes);
        let held = arrays.filter_map(|number| Some((number, elements(bind, number)?)));
        Ok(Portal {
            held: held.collect(),
            values: self.values(bind),
            analysis,
            prepared: Some(prepared),
            hold: false,
            outdated: false,
        })
    }

    /// What a portal does when it runs: what was read when it was made, unless the server looks names up only then.
    fn portal_analysis(&mut self, portal: &Portal) -> Result<Arc<Analysis>, AnalysisError> {
        match &portal.prepared {
            Some(prepared) if !portal.analysis.is_planned() => self.analysis(&prepared.sql),
            _ => Ok(Arc::clone(&portal.analysis)),
        }
    }

    fn analysis(&mut self, sql: &str) -> Result<Arc<Analysis>, AnalysisError> {
        self.read
            .analysis(sql, self.catalog, self.policy, self.target, self.masking)
    }

    /// What is replaced in a text; nothing of one that is refused.
    fn mapped(&mut self, sql: &str) -> Option<Mapped> {
        self.analysis(sql).ok()?.mapped.clone()
    }

    fn draft(&mut self, sql: &str, types: &[u32], progress: &mut Progress<'_>, runs: Runs) -> Draft {
        match self.analysis(sql) {
            Ok(analysis) => {
                let mut draft = self.resolved(&analysis, types, progress, runs);
                if runs == Runs::Now {
                    draft.try_values(&analysis.probes, types, &BTreeMap::new());
                }
                draft
            }
            Err(error) => {
                let mut refusal = unread(&error);
                // The message repeats a word, which may be a value; where masks are, the server's own are cut down, too.
                if error == AnalysisError::Syntax && !self.policy.masks_target(self.target) {
                    refusal.told = Complaint::of(sql);
                }
                refusal
            }
        }
    }

    /// A request of an analysis, with what the names in it stand for.
    fn resolved(&mut self, analysis: &Analysis, types: &[u32], progress: &mut Progress<'_>, runs: Runs) -> Draft {
        let mut draft = Draft {
            request: Request {
                statement: analysis.redacted.clone(),
                exact: Vec::new(),
                facts: analysis.facts.clone(),
                parameters: types.iter().map(|oid| types::name(*oid)).collect(),
                statement_fingerprint: analysis.fingerprint,
                described: None,
                reach: analysis.reach,
                says_all: false,
                by_name: goes_by_names(&analysis.redacted),
                names_are_data: false,
            },
            statements: analysis.statements.clone(),
            runs: runs == Runs::Now,
            question: None,
            trial: Err(SEVERAL),
            code: "42501",
            told: None,
            ends: false,
        };
        self.resolve(&mut draft, progress, runs);
        let bound = draft
            .statements
            .iter()
            .position(|statement| statement.transaction.is_some());
        let after = draft
            .statements
            .iter()
            .skip(bound.map_or(usize::MAX, |place| place.saturating_add(1)));
        if self.changed && after.into_iter().any(|statement| statement.transaction.is_none()) {
            draft.refuse("0A000", AFTER_CHANGE);
        }
        let ends_only = |block: &Block| {
            use TransactionControl::{Commit, Rollback, RollbackTo};
            let ends = |statement: &Statement| match statement.transaction {
                Some(Rollback { chain: false }) => true,
                Some(RollbackTo) => block.savepoints,
                Some(Commit { chain: false }) => block.commits && draft.statements.len() == 1,
                _ => false,
            };
            // Nothing at all passes in a failed transaction, as at the server.
            draft.statements.iter().all(ends)
        };
        if let Some(block) = self.block.filter(|block| !ends_only(block)) {
            draft.refuse(block.code, block.reason);
        }
        if self.nets() && draft.copies_unread() {
            draft.refuse("0A000", UNREAD_COPY);
        }
        if runs == Runs::Now {
            for statement in &draft.statements {
                let deferred = if statement.runs_deferred() {
                    self.foreign
                } else {
                    Foreign::None
                };
                let foreign = statement.foreign.max(deferred);
                progress.changed |= changes_names(statement)
                    || foreign > Foreign::None
                    || (self.changed && statement.transaction.is_some());
                progress.text_unsure |= foreign > Foreign::None;
            }
        }
        draft
    }

    /// Puts what prepared statements and cursors stand for in the place of their names.
    fn resolve(&mut self, draft: &mut Draft, progress: &mut Progress<'_>, runs: Runs) {
        if draft.statements.iter().all(|statement| statement.named.is_none()) {
            return;
        }
        let mut known = true;
        // What a name stands for has called code that is not known, or changes what names mean, so what follows was read by a
        // path that may be another.
        let mut unsure = false;
        let mut statements = std::mem::take(&mut draft.statements);
        for statement in &mut statements {
            let names_nothing =
                statement.class == StatementClass::Transaction || matches!(&statement.named, Some(Named::Close { .. }));
            if unsure && !names_nothing {
                draft.refuse("0A000", AFTER_CHANGE);
            }
            let found = match &statement.named {
                Some(Named::Execute { name }) => {
                    let prepared = progress.names.statement(name);
                    known &= prepared.is_some();
                    if prepared.is_some() && !statement.certain {
                        draft.refuse("0A000", AFTER_CHANGE);
                    }
                    let found = prepared
                        .as_ref()
                        .map(|prepared| self.analysis(&prepared.sql))
                        .transpose();
                    if let (Some(prepared), Ok(Some(found))) = (&prepared, &found)
                        && !prepared.means(found)
                    {
                        draft.refuse("0A000", OTHER_MEANING);
                    }
                    found
                }
                Some(Named::Fetch { name }) => {
                    let portal = progress.names.portal(name);
                    known &= portal.is_some();
                    if portal.as_ref().is_some_and(|portal| portal.outdated) {
                        draft.refuse("24000", OUTDATED);
                    }
                    portal.map(|portal| self.portal_analysis(&portal)).transpose()
                }
                Some(Named::Prepare { .. } | Named::Declare { .. }) if progress.names.is_full() => {
                    draft.refuse("54000", "the session has too many prepared statements or portals");
                    Ok(None)
                }
                _ => Ok(None),
            };
            match found {
                Err(error) => draft.refuse(code_of(&error), &error.to_string()),
                // A message may have prepared what SQL cannot, which then changes names in its turn.
                Ok(Some(found)) if found.statements.iter().any(|inner| inner.named.is_some()) => {
                    draft.refuse("0A000", "a name stands for a statement that is about names");
                }
                Ok(Some(found)) => draft.stand_for(statement, &found),
                Ok(None) if matches!(&statement.named, Some(Named::Execute { .. } | Named::Fetch { .. })) => {
                    statement.stand_for_unknown();
                    if self.policy.names_patients(self.target) {
                        draft.unknown_subjects(statement);
                    }
                }
                Ok(None) => {}
            }
            unsure |= (statement.foreign > Foreign::None || changes_names(statement))
                && matches!(&statement.named, Some(Named::Execute { .. } | Named::Fetch { .. }));
            if runs == Runs::Now {
                let changes = changes(statement, NO_TEXT);
                if progress.names.too_large(&changes) {
                    draft.refuse("54000", TOO_LARGE);
                }
                for change in changes {
                    progress.names.apply(change);
                }
            }
        }
        draft.statements = statements;
        if known || runs == Runs::Not {
            draft.forget_names();
        } else if self.policy.masks_target(self.target) {
            draft.refuse("26000", "the prepared statement or cursor does not exist");
        }
        draft.classify();
    }
}

/// Whether the server runs a statement, or only prepares it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    Now,
    Not,
}

#[cfg(test)]
pub(crate) mod tests;

//! What people were asked, as the log goes on: which requests wait, and what comes of those that were approved.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::approval::Verdict;
use exhibit_schemas::event::{Body, Event, SessionId, Timestamp};
use exhibit_schemas::terms::{Allowed, allowed};
use exhibit_schemas::wire::RefusalCode;

use crate::committer::{Committer, Effects, Staged};
use crate::error::LedgerError;
use crate::projection::{ApprovalChange, ApprovalRecord, PassedRecord};

/// Decisions about one request at the most; policies ask for a handful of people.
const DECISIONS_MAX: usize = 64;

/// How long after its expiry a request that no event has ended is taken out: a day, in which people may still ask what it was.
const OVER_AFTER_US: u64 = 86_400_000_000;

type Refused = (RefusalCode, String);

fn store(error: &LedgerError) -> Refused {
    (RefusalCode::Poisoned, error.to_string())
}

impl Committer {
    /// Takes what an event changes among the requests.
    pub(crate) fn asked(
        &self,
        staged: &Staged,
        effects: &mut Effects,
        event: &Event,
        change: ApprovalChange,
    ) -> Result<(), Refused> {
        match change {
            ApprovalChange::Begins(request, record) => {
                let over = self.over(staged, effects, event).map_err(|error| store(&error))?;
                effects.approvals.extend(over.into_iter().map(|over| (over, None)));
                effects.approvals.insert(request, Some(record));
            }
            ApprovalChange::Ends(request) => {
                effects.approvals.insert(request, None);
            }
            ApprovalChange::TakenUp(request) => {
                if self.of_proxy(staged, effects, event, request)?.is_some() {
                    effects.approvals.insert(request, None);
                }
            }
            ApprovalChange::Decided(request, index) => {
                let decided = self.decide(staged, effects, event, request, index)?;
                effects.approvals.insert(request, Some(decided));
            }
            ApprovalChange::Passes(request, decisions) => {
                if let Some(mut record) = self.of_proxy(staged, effects, event, request)? {
                    let mut passed = match record.passed.take() {
                        Some(passed) => passed,
                        None => self.begins(&record, &decisions, event.time)?,
                    };
                    passed.commands = passed.commands.saturating_add(1);
                    passed.open = passed.open.saturating_add(1);
                    record.passed = Some(passed);
                    effects.approvals.insert(request, Some(record));
                }
            }
            ApprovalChange::Released(request, rows) => {
                self.comes_of(staged, effects, request, event.time, |passed| {
                    passed.rows = passed.rows.saturating_add(rows);
                })?;
            }
            ApprovalChange::Answered(request) => {
                self.comes_of(staged, effects, request, event.time, |passed| {
                    passed.open = passed.open.saturating_sub(1);
                })?;
            }
        }
        Ok(())
    }

    /// The request of this leaf hash, where the emitter of the event has asked it.
    fn of_proxy(
        &self,
        staged: &Staged,
        effects: &Effects,
        event: &Event,
        request: Digest,
    ) -> Result<Option<ApprovalRecord>, Refused> {
        let Some(asked) = self.request(staged, effects, request).map_err(|error| store(&error))? else {
            return Ok(None);
        };
        let session = self
            .session(staged, effects, asked.session)
            .map_err(|error| store(&error))?;
        Ok(session
            .is_some_and(|session| session.emitter == event.emitter.0)
            .then_some(asked))
    }

    /// What a request lets through by these decisions, when something comes of it for the first time.
    fn begins(&self, record: &ApprovalRecord, decisions: &[Digest], now: Timestamp) -> Result<PassedRecord, Refused> {
        let mut made = Vec::new();
        for index in &record.decisions {
            let Some(entry) = self.shared.store.entry(*index).map_err(|error| store(&error))? else {
                continue;
            };
            if let (
                true,
                Ok(Event {
                    time,
                    body: Body::ApprovalDecided(decided),
                    ..
                }),
            ) = (decisions.contains(&Digest::leaf(&entry)), Event::decode(&entry))
            {
                made.push((time, decided));
            }
        }
        let asked = self.shared.store.entry(record.index).map_err(|error| store(&error))?;
        let allowed = match asked
            .and_then(|entry| Event::decode(&entry).ok())
            .map(|event| event.body)
        {
            Some(Body::ApprovalRequested(request)) => allowed(
                &request,
                &made.iter().map(|(time, decided)| (*time, decided)).collect::<Vec<_>>(),
            ),
            _ => Allowed::default(),
        };
        Ok(PassedRecord {
            commands: 0,
            rows: 0,
            open: 0,
            rows_most: allowed.rows,
            commands_most: allowed.grant.as_ref().map(|grant| grant.uses),
            until_us: allowed.grant.as_ref().map(|grant| grant.ends(now).0),
        })
    }

    /// Notes what comes of an approval; nothing more does where its last reply has ended, unless it is a grant that goes on.
    fn comes_of(
        &self,
        staged: &Staged,
        effects: &mut Effects,
        request: Digest,
        now: Timestamp,
        change: impl FnOnce(&mut PassedRecord),
    ) -> Result<(), Refused> {
        let Some(mut record) = self.request(staged, effects, request).map_err(|error| store(&error))? else {
            return Ok(());
        };
        if let Some(passed) = &mut record.passed {
            change(passed);
            let goes_on = passed.goes_on(now);
            effects.approvals.insert(request, goes_on.then_some(record));
        }
        Ok(())
    }

    /// The request of this leaf hash, while it waits, or something comes of it.
    fn request(
        &self,
        staged: &Staged,
        effects: &Effects,
        request: Digest,
    ) -> Result<Option<ApprovalRecord>, LedgerError> {
        let known = effects.approvals.get(&request);
        match known.or_else(|| staged.approvals.get(&request)) {
            Some(known) => Ok(known.clone()),
            None => self.shared.store.approval(request),
        }
    }

    /// Requests that expired long before, and that no event has ended: nobody came back for them. What is still released by one keeps it,
    /// as long as its proxy has not been started anew.
    fn over(&self, staged: &Staged, effects: &Effects, event: &Event) -> Result<Vec<Digest>, LedgerError> {
        let now = event.time;
        let mut over = Vec::new();
        for record in self.shared.store.approvals() {
            let (leaf, record) = record?;
            let until = record.passed.as_ref().and_then(|passed| passed.until_us).unwrap_or(0);
            if record.expires_us.max(until).saturating_add(OVER_AFTER_US) >= now.0 {
                continue;
            }
            let open = record.passed.is_some_and(|passed| passed.open > 0);
            if !open || self.is_of_before(staged, effects, event, record.session)? {
                over.push(leaf);
            }
        }
        Ok(over)
    }

    /// Whether a session is of an earlier run of the proxy that sends an event: nothing is under way in it any more.
    fn is_of_before(
        &self,
        staged: &Staged,
        effects: &Effects,
        event: &Event,
        session: SessionId,
    ) -> Result<bool, LedgerError> {
        let session = self.session(staged, effects, session)?;
        Ok(session.is_none_or(|session| session.emitter == event.emitter.0 && session.boot != event.emitter.1))
    }

    /// A decision needs a request that waits and has not expired by the ledger's clock.
    fn decide(
        &self,
        staged: &Staged,
        effects: &Effects,
        event: &Event,
        request: Digest,
        index: u64,
    ) -> Result<ApprovalRecord, (RefusalCode, String)> {
        let refuse = |cause: &str| (RefusalCode::Request, cause.to_owned());
        let found = self.request(staged, effects, request).map_err(|error| store(&error))?;
        let mut record = found.ok_or_else(|| refuse("no request with this hash waits: it ended, or never was"))?;
        if !record.waits() {
            return Err(refuse(
                "it was decided, and something came of it; see `exhibit approvals revoke`",
            ));
        }
        let Body::ApprovalDecided(decided) = &event.body else {
            return Err(refuse("not a decision"));
        };
        if decided.session != record.session {
            return Err(refuse("the decision names another session than its request"));
        }
        if decided.verdict == Verdict::Emergency && !decided.gives_reason() {
            return Err(refuse("an emergency needs a reason in words, and not too many"));
        }
        let now: Timestamp = self.shared.now();
        if !staged.again && now.0 > record.expires_us {
            return Err(refuse("the request has expired"));
        }
        if record.decisions.len() >= DECISIONS_MAX {
            return Err(refuse("the request has as many decisions as a request can have"));
        }
        record.decisions.push(index);
        Ok(record)
    }
}

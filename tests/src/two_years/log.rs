//! The log as it is written: events wait in the batches of their emitters, batches go to the ledger in order, and what a reviewer
//! must know of it (its tree, the populations) is kept beside it.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use exhibit_ledger::committer::Answer;
use exhibit_ledger::config::Tls;
use exhibit_ledger::store::SyncedCommit;
use exhibit_ledger::{Config, Ledger};
use exhibit_policy::review::Schedule;
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::Outcome;
use exhibit_schemas::event::trust::{Administrator, EvidenceRead, Genesis, KeyEnrolled, KeyRevoked, KeyRotated, Role};
use exhibit_schemas::event::{Body, Emitter, Event, SessionPlace, Timestamp};
use exhibit_schemas::key::{KeyId, SecretKey, Signer as _};
use exhibit_schemas::merkle::{Frontier, Index, TreeSize};
use exhibit_schemas::reading::{BY_TOKEN, Question, Reader};
use exhibit_schemas::review::{Population, Scope};
use exhibit_schemas::seal::{BATCH_EVENTS_MAX, Chain, Sealed};
use exhibit_schemas::wire::Append;
use tokio::runtime::Runtime;
use tokio::sync::oneshot::Receiver;

use super::{ADMINISTRATORS, Counts, HOUR_US, LEDGER, LOG, ORIGIN, PROXIES, ROTATED, SPAN_US, START_US};
use crate::HarnessError;
use crate::bundle_builder::{key, key_id};

/// Batches that are under way at a time, so that one commit takes many.
const UNDER_WAY_MAX: usize = 64;

/// Between two events of the log.
const STEP_US: u64 = 1_000;

/// People: name, group, seed of the key.
const PEOPLE: [(&str, &str, u8); 6] = [
    ("alice", "dba", 20),
    ("carol", "dba", 21),
    ("dave", "dba", 23),
    ("erin", "compliance", 24),
    ("frank", "compliance", 25),
    ("grace", "compliance", 26),
];

/// Who seals, and what waits for the seal.
struct Sealing {
    key: SecretKey,
    id: KeyId,
    chain: Chain,
    waiting: Vec<(Event, Bytes)>,
}

impl Sealing {
    fn new(seed: u8) -> Self {
        Self {
            key: key(seed),
            id: key_id(seed),
            chain: Chain {
                boot: START_US + u64::from(seed),
                sequence: 0,
                previous: None,
            },
            waiting: Vec::new(),
        }
    }
}

/// The log.
pub(super) struct Log {
    pub(super) ledger: Ledger,
    runtime: Runtime,
    answers: VecDeque<Receiver<Answer>>,
    emitters: BTreeMap<u8, Sealing>,
    tree: Frontier,
    /// What will be reviewed, by start and scope.
    populations: BTreeMap<(Timestamp, Scope), Population>,
    /// The story's clock.
    pub(super) now: u64,
    /// The latest time that a proxy or the ledger stated.
    clock: u64,
    pub(super) counts: Counts,
}

impl Log {
    /// Begins a log with the keys of everybody, in an empty directory; these schedules are to be reviewed.
    pub(super) fn begin(directory: &Path, schedules: &[Schedule]) -> Result<Self, HarnessError> {
        std::fs::create_dir_all(directory)?;
        let config = config(directory);
        crate::write(&directory.join("log.key"), hex::encode([LOG; 32]).as_bytes())?;
        let (_, administrator) = ADMINISTRATORS[0];
        let mut first = Sealing::new(administrator);
        // Before the first period that is reviewed: whoever reviews has no part in it.
        let mut now = START_US - HOUR_US;
        let mut events = Vec::new();
        for body in keys() {
            now += STEP_US;
            events.push(encoded(now, &first, None, body)?);
        }
        let bytes = events.iter().map(|(_, bytes)| bytes.clone()).collect();
        let sealed = Sealed::seal(bytes, first.chain, &first.key).map_err(said)?;
        Ledger::initialise(&config, vec![sealed.clone()]).map_err(said)?;
        first.chain = sealed.next();
        let ledger = Ledger::open_with(&config, Box::new(SyncedCommit), || Timestamp(START_US)).map_err(said)?;
        let mut log = Self {
            ledger,
            runtime: tokio::runtime::Builder::new_current_thread().build()?,
            answers: VecDeque::new(),
            emitters: [(administrator, first)].into(),
            tree: Frontier::default(),
            populations: populations(schedules),
            now: START_US,
            clock: 0,
            counts: Counts::default(),
        };
        log.took(&events, &sealed);
        for (event, _) in &events {
            log.count(&event.body);
        }
        Ok(log)
    }

    /// The latest time that a proxy or the ledger stated.
    pub(super) const fn clock(&self) -> u64 {
        self.clock
    }

    /// Adds an event to the batch of an emitter; gives its leaf hash.
    pub(super) fn say(&mut self, seed: u8, session: Option<SessionPlace>, body: Body) -> Result<Digest, HarnessError> {
        self.now += STEP_US;
        self.count(&body);
        if PROXIES.contains(&seed) || seed == ROTATED || seed == LEDGER {
            self.clock = self.now;
        }
        let emitter = self.emitters.entry(seed).or_insert_with(|| Sealing::new(seed));
        let (event, bytes) = encoded(self.now, emitter, session, body)?;
        let leaf = Digest::leaf(&bytes.0);
        emitter.waiting.push((event, bytes));
        if emitter.waiting.len() == BATCH_EVENTS_MAX {
            self.flush_of(seed)?;
        }
        Ok(leaf)
    }

    /// Somebody signs an event alone, behind everything that was said before; gives its leaf hash.
    pub(super) fn sign(&mut self, seed: u8, body: Body) -> Result<Digest, HarnessError> {
        self.flush()?;
        let leaf = self.say(seed, None, body)?;
        self.flush_of(seed)?;
        Ok(leaf)
    }

    /// Seals everything that waits, and hands it to the ledger.
    pub(super) fn flush(&mut self) -> Result<(), HarnessError> {
        let waiting = self.emitters.iter().filter(|(_, emitter)| !emitter.waiting.is_empty());
        let seeds: Vec<_> = waiting.map(|(seed, _)| *seed).collect();
        seeds.into_iter().try_for_each(|seed| self.flush_of(seed))
    }

    fn flush_of(&mut self, seed: u8) -> Result<(), HarnessError> {
        let Some(emitter) = self.emitters.get_mut(&seed) else {
            return Ok(());
        };
        let events = std::mem::take(&mut emitter.waiting);
        let bytes = events.iter().map(|(_, bytes)| bytes.clone()).collect();
        let sealed = Sealed::seal(bytes, emitter.chain, &emitter.key).map_err(said)?;
        emitter.chain = sealed.next();
        self.took(&events, &sealed);
        let append = Append {
            events: sealed.events().to_vec(),
            seal: sealed.seal_bytes().clone(),
        };
        let answer = self.runtime.block_on(self.ledger.submit(append));
        self.answers.push_back(answer);
        self.answered(UNDER_WAY_MAX)
    }

    /// Waits until no more than so many batches are under way.
    pub(super) fn answered(&mut self, most: usize) -> Result<(), HarnessError> {
        while self.answers.len() > most {
            let Some(answer) = self.answers.pop_front() else { break };
            let answer = self.runtime.block_on(answer).map_err(said)?;
            answer.map_err(|refusal| said(format!("{}: {}", refusal.code, refusal.text)))?;
        }
        Ok(())
    }

    /// A batch stands in the log.
    fn took(&mut self, events: &[(Event, Bytes)], sealed: &Sealed) {
        for ((event, _), leaf) in events.iter().zip(sealed.leaves()) {
            let index = Index(self.tree.size().0);
            let begun = self.populations.range_mut(..=(event.time, Scope::Changes));
            for (_, population) in begun {
                population.take(index, *leaf, event);
            }
            self.tree.append(*leaf, |_, _, _| {});
        }
        self.tree.append(Digest::leaf(&sealed.seal_bytes().0), |_, _, _| {});
        self.counts.entries = self.tree.size().0;
    }

    fn count(&mut self, body: &Body) {
        let counts = &mut self.counts;
        *counts.events.entry(body.kind().as_str().to_owned()).or_default() += 1;
        match body {
            Body::Command(command) => {
                let outcome: Outcome = command.outcome;
                *counts.commands.entry(outcome.as_str().to_owned()).or_default() += 1;
            }
            Body::ResponseEnd(end) => counts.replies_with_rows += u64::from(end.rows > 0),
            Body::Genesis(genesis) => counts.keys += u64::try_from(genesis.administrators.len()).unwrap_or(0),
            Body::KeyEnrolled(_) | Body::KeyRotated(_) => counts.keys += 1,
            _ => {}
        }
    }

    /// A proxy is started again.
    pub(super) fn boot(&mut self, seed: u8) -> Result<(), HarnessError> {
        self.flush()?;
        if let Some(emitter) = self.emitters.get_mut(&seed) {
            emitter.chain.boot += 1;
            emitter.chain.sequence = 0;
        }
        Ok(())
    }

    /// A key is rotated by an administrator.
    pub(super) fn rotate(&mut self, from: u8, to: u8) -> Result<(), HarnessError> {
        let rotated = KeyRotated {
            from: key_id(from),
            to: key(to).public_key().to_bytes(),
            application: None,
        };
        self.sign(ADMINISTRATORS[0].1, rotated.into())?;
        // Nothing is taken under a key before its enrolment is committed.
        self.answered(0)
    }

    /// A key is revoked by an administrator.
    pub(super) fn revoke(&mut self, seed: u8) -> Result<(), HarnessError> {
        let revoked = KeyRevoked {
            key: key_id(seed),
            reason: "left".into(),
        };
        self.sign(ADMINISTRATORS[1].1, revoked.into())?;
        Ok(())
    }

    /// An auditor lists the sessions; the ledger says that it showed them.
    pub(super) fn read(&mut self) -> Result<(), HarnessError> {
        let (since, question) = (Timestamp(self.now), Question::Sessions);
        let by = Reader {
            method: BY_TOKEN.into(),
            issuer: "idp.example".into(),
            subject: "auditor-1".into(),
            evidence: Digest::of(&since.0.to_be_bytes()),
            role: "auditor".into(),
            question: Digest::of(&since.0.to_le_bytes()),
            count: 25,
            since,
            until: Timestamp(since.0 + 600_000_000),
            times: 1,
            statement: None,
        };
        let read = EvidenceRead {
            reader: "auditor-1".into(),
            operation: question.operation().as_str().to_owned(),
            scope: question.scope(),
            copy: None,
            by: Some(by),
        };
        self.sign(LEDGER, read.into())?;
        Ok(())
    }

    /// A person signs off what a period holds.
    pub(super) fn review(&mut self, scope: Scope, from: Timestamp, reviewer: u8) -> Result<(), HarnessError> {
        self.flush()?;
        // The ledger takes no review of what it has not committed.
        self.answered(0)?;
        let Some(population) = self.populations.remove(&(from, scope)) else {
            return Err(said("a period is reviewed twice"));
        };
        let mut signed = population.signed(self.tree.root(), "nothing unusual".into());
        // It was counted before it was known how long the log would be by then.
        signed.size = self.tree.size().0;
        self.sign(reviewer, signed.into())?;
        Ok(())
    }
}

fn populations(schedules: &[Schedule]) -> BTreeMap<(Timestamp, Scope), Population> {
    let all = schedules.iter().flat_map(|schedule| {
        let periods = schedule.periods(Timestamp(START_US), Timestamp(START_US + SPAN_US));
        periods.map(|period| {
            let population = Population::new(schedule.scope, (period.from, period.to), TreeSize(u64::MAX));
            ((period.from, schedule.scope), population)
        })
    });
    all.collect()
}

fn encoded(
    now: u64,
    emitter: &Sealing,
    session: Option<SessionPlace>,
    body: Body,
) -> Result<(Event, Bytes), HarnessError> {
    let event = Event {
        time: Timestamp(now),
        emitter: Emitter(emitter.id, emitter.chain.boot),
        session,
        body,
    };
    let bytes = event.encode().map_err(said)?;
    Ok((event, bytes))
}

fn keys() -> Vec<Body> {
    let administrators = ADMINISTRATORS.map(|(name, seed)| Administrator {
        name: name.into(),
        key: key(seed).public_key().to_bytes(),
    });
    let genesis = Genesis {
        origin: ORIGIN.into(),
        log_key: key(LOG).public_key().to_bytes(),
        administrators: administrators.into(),
    };
    let enrol = |seed, role, name: &str, groups: &[&str]| {
        Body::from(KeyEnrolled {
            key: key(seed).public_key().to_bytes(),
            role,
            name: name.into(),
            groups: groups.iter().copied().map(str::to_owned).collect(),
            application: None,
        })
    };
    let mut keys = vec![
        genesis.into(),
        enrol(PROXIES[0], Role::Proxy, "proxy-1", &[]),
        enrol(PROXIES[1], Role::Proxy, "proxy-2", &[]),
        enrol(LEDGER, Role::Ledger, "ledger", &[]),
    ];
    keys.extend(PEOPLE.map(|(name, group, seed)| enrol(seed, Role::Person, name, &[group])));
    keys
}

/// A ledger that nobody listens to.
fn config(directory: &Path) -> Config {
    let unused = directory.join("unused");
    Config {
        origin: ORIGIN.into(),
        directory: directory.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        tls: Tls {
            certificate: unused.clone(),
            key: unused.clone(),
            client_ca: unused,
        },
        webhooks: Vec::new(),
        readers: Vec::new(),
        oidc: Vec::new(),
    }
}

/// What a part of the harness or of the product says that ends it.
pub(super) fn said(cause: impl std::fmt::Display) -> HarnessError {
    HarnessError::Failed {
        program: "two-years".to_owned(),
        said: cause.to_string(),
    }
}

//! The index against a plain reading of the same log: filters, words, pages, crashes, rebuilds and damage.

#![allow(
    clippy::indexing_slicing,
    clippy::unnecessary_wraps,
    reason = "a test that goes past an end fails, which is what it is for"
)]

use std::collections::{BTreeMap, BTreeSet};

use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{
    Access, Action, Column, Command, DecisionRecord, Effect, Facts, Frame, Observed, Outcome, PatientRecords,
    PatientToken, Principal, RecordsReleased, ResponseChunk, SessionOpened,
};
use exhibit_schemas::event::approval::{ApprovalDecided, Verdict};
use exhibit_schemas::event::trust::{
    Administrator, CopyPlace, EvidenceRead, Genesis, KeyEnrolled, KeyRotated, MaskKeyId, Role,
};
use exhibit_schemas::event::{Body, Emitter, Event, SessionId, SessionPlace, Timestamp};
use exhibit_schemas::key::{PublicKey, SecretKey, Signer as _};
use exhibit_schemas::merkle::{Index as EntryIndex, TreeSize};
use exhibit_schemas::seal::{SEAL_FIRST_BYTE, Sealed};
use exhibit_search::index::SESSIONS_MAX;
use exhibit_search::{Follower, Index, Parameters, Query, Rebuilt, Results, SearchError, Searcher};
use proptest::prelude::*;

const PEOPLE: [&str; 2] = ["alice", "bob"];
const AGENTS: [&str; 3] = ["ci-one", "ci-two", "nightly"];
const TABLES: [&str; 3] = ["public.patients", "public.claims", "audit.claims"];
const WORDS: [&str; 4] = ["select", "masked", "smith", "vacuum"];

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    key(seed).public_key()
}

/// Key seeds: 1 administrator, 2 proxy, 10 and on the people, 20 and on the keys that they rotate to.
struct Log {
    entries: Vec<Vec<u8>>,
}

impl Log {
    fn new() -> Self {
        let mut log = Self { entries: Vec::new() };
        let genesis = Genesis {
            origin: "clinic.example/exhibit".into(),
            log_key: public(9).to_bytes(),
            administrators: vec![Administrator {
                name: "root".into(),
                key: public(1).to_bytes(),
            }],
        };
        log.push(1, None, 0, genesis.into());
        for (seed, name) in (10..).zip(PEOPLE) {
            let enrolled = KeyEnrolled {
                key: public(seed).to_bytes(),
                role: Role::Person,
                name: name.into(),
                groups: vec!["dba".into()],
                application: None,
            };
            log.push(1, None, 1, enrolled.into());
        }
        let rotated = KeyRotated {
            from: public(10).id(),
            to: public(20).to_bytes(),
            application: None,
        };
        log.push(1, None, 2, rotated.into());
        log
    }

    fn push(&mut self, seed: u8, session: Option<SessionPlace>, time: u64, body: Body) -> Digest {
        let event = Event {
            time: Timestamp(time),
            emitter: Emitter(public(seed).id(), 1),
            session,
            body,
        };
        let bytes = event.encode().expect("the event fits").0;
        let leaf = Digest::leaf(&bytes);
        self.entries.push(bytes);
        leaf
    }

    /// An entry that starts as seals do; the index looks no further.
    fn seal(&mut self) {
        let number = u64::try_from(self.entries.len()).expect("small").to_be_bytes();
        self.entries.push([&[SEAL_FIRST_BYTE][..], &number].concat());
    }

    fn open(&mut self, session: u8, agent: &str, time: u64) {
        let opened = SessionOpened {
            target: format!("target-{}", session % 2),
            protocol: "postgres".into(),
            principal: Principal {
                method: "api-key".into(),
                issuer: "exhibit".into(),
                subject: agent.into(),
                client_id: (session.is_multiple_of(2)).then(|| "pipeline".into()),
                groups: vec![format!("group-{}", session % 3)],
                evidence: Digest([7; 32]),
                run: None,
            },
            peer: "192.0.2.1:5000".into(),
            transport: "TLSv1.3".into(),
            policy: Digest([8; 32]),
            client: Some("psql".into()),
            expires: None,
            mask_key: Some(MaskKeyId([0x4d; 16])),
        };
        self.push(2, place(session, 0), time, opened.into());
    }

    fn command(&mut self, session: u8, time: u64, word: &str, table: &str, approvals: Vec<Digest>) {
        let approved = !approvals.is_empty();
        let denied = word == "vacuum";
        let command = Command {
            statement: format!("{word} $1 FROM {table}"),
            digest: Digest([1; 32]),
            facts: Facts {
                accesses: vec![Access(Action::Read, Some(table.into())), Access(Action::Session, None)],
                attributes: BTreeMap::new(),
                columns: None,
            },
            decision: DecisionRecord {
                effect: match (approved, denied) {
                    (true, _) => Effect::Ask,
                    (_, true) => Effect::Deny,
                    _ => Effect::Allow,
                },
                policy: Digest([8; 32]),
                rule: (!denied).then(|| format!("rule-{word}")),
                reason: "because".into(),
                approval: None,
                observed: (session == 1).then(|| {
                    ["next", "later"]
                        .map(|rule| Observed {
                            rule: format!("{word}-{rule}"),
                            effect: Effect::Deny,
                            approval: None,
                        })
                        .to_vec()
                }),
            },
            outcome: match (approved, denied) {
                (true, _) => Outcome::Approved,
                (_, true) => Outcome::Denied,
                _ => Outcome::Allowed,
            },
            parameters: vec![],
            request: approved.then_some(1),
            approvals: approved.then_some(approvals),
            retries: None,
            statement_fingerprint: None,
            described: None,
        };
        self.push(2, place(session, 1), time, command.into());
    }

    fn decide(&mut self, seed: u8, session: u8, time: u64) -> Digest {
        let decided = ApprovalDecided {
            request: Digest([2; 32]),
            command: Digest([1; 32]),
            session: SessionId([session; 16]),
            target: format!("target-{}", session % 2),
            policy: Digest([8; 32]),
            expires: Timestamp(time + 1),
            verdict: Verdict::Approve,
            reason: "planned maintenance".into(),
            terms: None,
        };
        self.push(seed, None, time, decided.into())
    }

    /// Of odd sessions they are records of two patients: of one of its own, and of one whom all have.
    fn rows(&mut self, session: u8, time: u64, frames: Vec<Frame>) {
        let released = RecordsReleased {
            patients: [session, 0xff]
                .map(|patient| PatientRecords {
                    patient: PatientToken([patient; 16]),
                    records: 1,
                })
                .into(),
            unknown: 0,
        };
        let chunk = ResponseChunk {
            command: 1,
            chunk: 0,
            columns: Some(vec![Column {
                name: "family_name".into(),
                data_type: "text".into(),
                origin: None,
                technique: None,
                mask: None,
                patients: None,
            }]),
            frames,
            framed_rows: None,
            patients: (session % 2 == 1).then_some(released),
        };
        self.push(2, place(session, 2), time, chunk.into());
    }

    fn size(&self) -> TreeSize {
        TreeSize(u64::try_from(self.entries.len()).expect("small"))
    }

    fn read(&self, index: EntryIndex) -> Option<Vec<u8>> {
        self.entries.get(usize::try_from(index.0).expect("small")).cloned()
    }

    fn follow(&self, follower: &mut Follower) {
        loop {
            let step = follower
                .step(|index| self.read(index), self.size())
                .expect("it follows");
            if step.behind == 0 {
                return;
            }
        }
    }
}

fn place(session: u8, sequence: u64) -> Option<SessionPlace> {
    Some(SessionPlace(SessionId([session; 16]), sequence))
}

fn row(cells: &[&str]) -> Frame {
    Frame::Row(cells.iter().map(|cell| Some(Bytes(cell.as_bytes().to_vec()))).collect())
}

/// What happens next in a random log.
#[derive(Clone, Debug)]
enum Happening {
    Open(u8, usize),
    Command(u8, usize, usize),
    Approved(u8, usize, usize),
    Rows(u8, usize, usize),
    Seal,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let session = 0..5u8;
    let one = prop_oneof![
        (session.clone(), 0..AGENTS.len()).prop_map(|(session, agent)| Happening::Open(session, agent)),
        (session.clone(), 0..WORDS.len(), 0..TABLES.len()).prop_map(|(s, w, t)| Happening::Command(s, w, t)),
        (session.clone(), 0..3usize, 0..TABLES.len()).prop_map(|(s, p, t)| Happening::Approved(s, p, t)),
        (session, 0..WORDS.len(), 0..WORDS.len()).prop_map(|(s, a, b)| Happening::Rows(s, a, b)),
        Just(Happening::Seal),
    ];
    proptest::collection::vec(one, 1..60)
}

/// Builds the log, each session opened once before anything of it.
fn build(happenings: &[Happening]) -> Log {
    let mut log = Log::new();
    let mut open = BTreeSet::new();
    for (time, happening) in (100..).zip(happenings) {
        if let Happening::Command(session, ..) | Happening::Approved(session, ..) | Happening::Rows(session, ..) =
            happening
            && open.insert(*session)
        {
            log.open(*session, AGENTS[0], time);
        }
        match happening {
            Happening::Open(session, agent) => {
                if open.insert(*session) {
                    log.open(*session, AGENTS[*agent], time);
                }
            }
            Happening::Command(session, word, table) => {
                log.command(*session, time, WORDS[*word], TABLES[*table], vec![]);
            }
            Happening::Approved(session, person, table) => {
                let seed = [10, 11, 20][*person];
                let decision = log.decide(seed, *session, time);
                log.seal();
                log.command(*session, time, WORDS[0], TABLES[*table], vec![decision]);
            }
            Happening::Rows(session, left, right) => {
                log.rows(
                    *session,
                    time,
                    vec![row(&[WORDS[*left], WORDS[*right]]), row(&["last", "one"])],
                );
            }
            Happening::Seal => log.seal(),
        }
    }
    log
}

/// What an event says under each key, read again from the events themselves.
struct Plain {
    index: u64,
    time: u64,
    values: BTreeSet<(String, String)>,
    texts: Vec<String>,
}

fn scan(log: &Log) -> Vec<Plain> {
    let names: BTreeMap<_, _> = [(10, "alice"), (11, "bob"), (20, "alice")]
        .map(|(seed, name)| (public(seed).id(), name))
        .into();
    let mut sessions: BTreeMap<SessionId, SessionOpened> = BTreeMap::new();
    let mut decisions: BTreeMap<Digest, &str> = BTreeMap::new();
    let mut all = Vec::new();
    for (index, entry) in (0..).zip(&log.entries) {
        if entry[0] == SEAL_FIRST_BYTE {
            continue;
        }
        let event = Event::decode(entry).expect("an event");
        let mut values = BTreeSet::new();
        let mut texts = Vec::new();
        let mut say = |key: &str, value: &str| {
            values.insert((key.to_owned(), value.to_owned()));
        };
        say("kind", event.kind().as_str());
        let mut about = event.session.map(|place| place.0);
        match &event.body {
            Body::SessionOpened(opened) => {
                sessions.insert(about.expect("a session"), opened.clone());
                texts.extend([opened.principal.subject.clone(), opened.target.clone()]);
            }
            Body::Command(command) => {
                texts.extend([command.statement.clone(), command.decision.reason.clone()]);
                say("decision", command.decision.effect.as_str());
                say("outcome", command.outcome.as_str());
                if let Some(rule) = &command.decision.rule {
                    say("rule", rule);
                }
                for observed in command.decision.observed.iter().flatten() {
                    say("observed", &observed.rule);
                }
                for Access(action, resource) in &command.facts.accesses {
                    say("action", action.as_str());
                    if let Some(resource) = resource {
                        say("table", resource);
                        say("table", resource.split('.').next_back().expect("a part"));
                    }
                }
                for decision in command.approvals.iter().flatten() {
                    say("approver", decisions[decision]);
                }
            }
            Body::ApprovalDecided(decided) => {
                about = Some(decided.session);
                texts.push(decided.reason.clone());
                say("verdict", decided.verdict.as_str());
                say("approver", names[&event.emitter.0]);
                decisions.insert(Digest::leaf(entry), names[&event.emitter.0]);
            }
            Body::ResponseChunk(chunk) => {
                for known in chunk.patients.iter().flat_map(|released| &released.patients) {
                    say("patient", &known.patient.to_string());
                }
                for frame in &chunk.frames {
                    if let Frame::Row(cells) = frame {
                        let cells = cells.iter().flatten().map(|cell| String::from_utf8_lossy(&cell.0));
                        texts.push(cells.collect::<Vec<_>>().join(" "));
                    }
                }
            }
            _ => {}
        }
        if let Some(session) = about {
            say("session", &session.to_string());
            let opened = &sessions[&session];
            say("agent", &opened.principal.subject);
            say("target", &opened.target);
            for client in opened.principal.client_id.iter().chain(&opened.client) {
                say("client", client);
            }
            for group in &opened.principal.groups {
                say("group", group);
            }
        }
        all.push(Plain {
            index,
            time: event.time.0,
            values,
            texts,
        });
    }
    all
}

fn ask(searcher: &Searcher, query: &str) -> Vec<u64> {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let parameters = Parameters {
            q: query.to_owned(),
            limit: Some(7),
            cursor,
        };
        let Results {
            hits, matches, next, ..
        } = searcher.answer(&parameters).expect(query);
        assert!(hits.len() <= 7, "{query}");
        found.extend(hits.iter().map(|hit| hit.index));
        cursor = next;
        if cursor.is_none() {
            assert_eq!(u64::try_from(found.len()).expect("small"), matches, "{query}");
            return found;
        }
    }
}

fn newest_first(log: &[Plain], holds: impl Fn(&Plain) -> bool) -> Vec<u64> {
    log.iter()
        .filter(|event| holds(event))
        .map(|event| event.index)
        .rev()
        .collect()
}

fn followed(log: &Log) -> (tempfile::TempDir, Follower) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut follower = Follower::new(Index::open(&directory.path().join("index")).expect("it opens"));
    log.follow(&mut follower);
    (directory, follower)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn answers_are_those_of_a_plain_scan(happenings in happenings(), from in 90..170u64, length in 0..60u64) {
        let log = build(&happenings);
        let plain = scan(&log);
        let (_directory, follower) = followed(&log);
        let searcher = follower.searcher();
        prop_assert_eq!(ask(&searcher, ""), newest_first(&plain, |_| true));
        let pairs: BTreeSet<_> = plain.iter().flat_map(|event| event.values.iter().cloned()).collect();
        for (key, value) in pairs {
            let has = |event: &Plain| event.values.contains(&(key.clone(), value.clone()));
            prop_assert_eq!(ask(&searcher, &format!("{key}:{value}")), newest_first(&plain, has), "{}:{}", key, value);
            let read = |event: &Plain| has(event) && event.values.contains(&("action".into(), "read".into()));
            prop_assert_eq!(ask(&searcher, &format!("{key}:{value} action:read")), newest_first(&plain, read));
        }
        let either = |event: &Plain| ["ci-one", "ci-two"].iter().any(|agent| event.values.contains(&("agent".into(), (*agent).into())));
        prop_assert_eq!(ask(&searcher, "agent:ci-one agent:ci-two"), newest_first(&plain, either));
        for word in WORDS {
            let holds = |event: &Plain| event.texts.iter().any(|text| text.split(' ').any(|part| part == word));
            prop_assert_eq!(ask(&searcher, &word.to_uppercase()), newest_first(&plain, holds));
        }
        let phrase = |event: &Plain| event.texts.iter().any(|text| format!("{text} ").contains("select smith "));
        prop_assert_eq!(ask(&searcher, "\"select smith\""), newest_first(&plain, phrase));
        let time = |micros: u64| format!("1970-01-01T00:00:00.{micros:06}Z");
        let within = |event: &Plain| (from..from + length).contains(&event.time);
        prop_assert_eq!(ask(&searcher, &format!("from:{} to:{}", time(from), time(from + length))), newest_first(&plain, within));
    }

    #[test]
    fn a_crash_between_commits_changes_no_answer(happenings in happenings(), stops in proptest::collection::vec((1..20usize, any::<bool>()), 1..5)) {
        let log = build(&happenings);
        let (_whole, follower) = followed(&log);
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("index");
        for (entries, commits) in stops {
            // Dropped without a commit is what a kill leaves: tantivy writes its meta file at commits only.
            let mut index = Index::open(&path).expect("it opens");
            prop_assert_eq!(index.rebuilt(), None);
            prop_assert_eq!(index.next(), index.high_water());
            for _ in 0..entries {
                let next = index.next();
                let Some(entry) = log.read(next) else { break };
                index.apply(next, &entry).expect("it takes the entry");
            }
            let taken = index.next();
            if commits {
                index.commit().expect("it commits");
                prop_assert_eq!(index.high_water(), taken);
            }
        }
        let mut resumed = Follower::new(Index::open(&path).expect("it opens"));
        log.follow(&mut resumed);
        prop_assert_eq!(resumed.rebuilt(), None);
        for query in ["", "agent:ci-one", "approver:alice", "table:claims", "smith", "group:group-1 outcome:approved"] {
            prop_assert_eq!(ask(&resumed.searcher(), query), ask(&follower.searcher(), query), "{}", query);
        }
    }
}

/// Two sessions, a decision, rows, in 13 entries.
fn small() -> Log {
    build(&[
        Happening::Open(1, 1),
        Happening::Command(1, 0, 0),
        Happening::Approved(2, 2, 1),
        Happening::Rows(1, 2, 1),
        Happening::Seal,
    ])
}

#[test]
fn a_hit_says_what_it_is_and_shows_where() {
    let log = small();
    let (_directory, follower) = followed(&log);
    let query = Query::parse("SMITH").expect("it parses");
    let results = follower.searcher().search(&query, 1, None).expect("it answers");
    assert_eq!(results.high_water, log.size().0);
    let hit = &results.hits[0];
    assert_eq!(
        (hit.kind.as_str(), hit.agent.as_deref()),
        ("response-chunk", Some("ci-two"))
    );
    assert_eq!(hit.target.as_deref(), Some("target-1"));
    assert_eq!(hit.snippet, "smith | masked");
}

#[test]
fn commands_are_found_by_the_rules_that_were_only_observed() {
    let log = small();
    let (_directory, follower) = followed(&log);
    let found = |text: &str| {
        let query = Query::parse(text).expect("it parses");
        follower.searcher().search(&query, 9, None).expect("it answers").hits
    };
    let all = found("kind:command");
    let [hit] = all.iter().filter(|hit| !hit.observed.is_empty()).collect::<Vec<_>>()[..] else {
        panic!("{all:?}");
    };
    let [first, second] = hit.observed.as_slice() else {
        panic!("{hit:?}");
    };
    for rule in [first, second] {
        let by_rule = found(&format!("observed:{rule}"));
        assert_eq!(by_rule.iter().map(|one| one.index).collect::<Vec<_>>(), [hit.index]);
    }
    assert_eq!(found("observed:other"), []);
}

#[test]
fn sessions_are_found_by_the_key_that_they_mask_under() {
    let log = small();
    let (_directory, follower) = followed(&log);
    let found = |text: &str| {
        let query = Query::parse(text).expect("it parses");
        let results = follower.searcher().search(&query, 10, None).expect("it answers");
        results.hits.into_iter().map(|hit| hit.kind).collect::<Vec<_>>()
    };
    let opened = found(&"4d".repeat(16));
    assert!(
        !opened.is_empty() && opened.iter().all(|kind| kind == "session-opened"),
        "{opened:?}"
    );
    assert!(found(&"4e".repeat(16)).is_empty());
}

#[test]
fn a_session_is_looked_at_by_one_of_its_entries_too() {
    let mut log = small();
    let (_directory, mut follower) = followed(&log);
    let command = ask(
        &follower.searcher(),
        &format!("session:{} kind:command", "01".repeat(16)),
    )[0];
    let read = |operation: &str, scope: String, copy| EvidenceRead {
        reader: "ann".into(),
        operation: operation.into(),
        scope,
        copy,
        by: None,
    };
    let place = |index| CopyPlace {
        index: EntryIndex(index),
        leaf: Digest([7; 32]),
    };
    let first = u64::try_from(log.entries.len()).unwrap();
    for (operation, scope, copy) in [
        ("replay", format!("entry:{command}"), None),
        ("reveal", "complaint 17".to_owned(), Some(place(command))),
        // One that came in the same commit, and those that name none.
        ("replay", format!("entry:{}", first + 3), None),
        ("replay", "entry:999999".to_owned(), None),
        ("replay", "entry:0".to_owned(), None),
        ("search", "entry:1".to_owned(), None),
    ] {
        if scope.starts_with("entry:") && log.entries.len() == usize::try_from(first).unwrap() + 2 {
            log.seal();
            log.command(1, 300, "later", TABLES[0], vec![]);
        }
        log.push(2, None, 300, read(operation, scope, copy).into());
    }
    log.seal();
    log.follow(&mut follower);
    let found = ask(
        &follower.searcher(),
        &format!("session:{} kind:evidence-read", "01".repeat(16)),
    );
    assert_eq!(found, [first + 4, first + 1, first]);
}

#[test]
fn what_an_event_does_not_show_is_not_found() {
    let mut log = small();
    let binary = Frame::Row(vec![
        Some(Bytes(b"\0\0\0planted".to_vec())),
        None,
        Some(Bytes(vec![0xff, b'p'])),
    ]);
    log.rows(
        1,
        500,
        vec![
            Frame::Verbatim(Bytes(b"planted verbatim".to_vec())),
            binary,
            row(&["shown"]),
        ],
    );
    let (directory, follower) = followed(&log);
    let searcher = follower.searcher();
    assert_eq!(ask(&searcher, "shown").len(), 1);
    assert_eq!(ask(&searcher, "planted"), Vec::<u64>::new());
    for file in std::fs::read_dir(directory.path().join("index")).expect("a directory") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("it reads");
        assert!(
            !bytes.windows(7).any(|window| window == b"planted"),
            "no file of the index holds it"
        );
    }
}

type Damage = fn(Vec<u8>) -> Vec<u8>;

#[test]
fn damage_is_found_and_the_index_starts_again() {
    let log = small();
    let damages: [(&str, Damage); 3] = [
        ("term", |mut bytes| {
            bytes[10] ^= 1;
            bytes
        }),
        ("store", |bytes| bytes[..bytes.len() / 2].to_vec()),
        ("meta.json", |_| b"{}".to_vec()),
    ];
    for (name, damage) in damages {
        let (directory, follower) = followed(&log);
        let wanted = ask(&follower.searcher(), "");
        drop(follower);
        let path = directory.path().join("index");
        let mut files = std::fs::read_dir(&path)
            .expect("a directory")
            .map(|file| file.expect("a file").path());
        let file = files
            .find(|file| file.to_string_lossy().ends_with(name))
            .expect("such a file");
        let bytes = damage(std::fs::read(&file).expect("it reads"));
        #[expect(
            clippy::disallowed_methods,
            reason = "a test that damages a file needs no durability"
        )]
        std::fs::write(&file, bytes).expect("it writes");
        let index = Index::open(&path).expect("it opens again");
        assert!(index.rebuilt().is_some(), "{name}");
        assert_eq!(index.high_water(), EntryIndex(0), "{name}");
        let mut follower = Follower::new(index);
        log.follow(&mut follower);
        assert_eq!(ask(&follower.searcher(), ""), wanted, "{name}");
    }
}

#[test]
fn an_index_of_another_log_starts_again_and_its_searchers_follow() {
    let (directory, follower) = followed(&small());
    drop(follower);
    let path = directory.path().join("index");
    let other = build(&[Happening::Open(4, 0)]);
    let mut follower = Follower::new(Index::open(&path).expect("it opens"));
    let searcher = follower.searcher();
    assert_eq!(ask(&searcher, "agent:ci-two").len(), 3);
    other.follow(&mut follower);
    assert!(matches!(follower.rebuilt(), Some(Rebuilt::OtherLog { .. })));
    assert_eq!(ask(&searcher, "agent:ci-two"), Vec::<u64>::new());
    assert_eq!(ask(&searcher, "agent:ci-one"), vec![other.size().0 - 1]);
}

#[test]
fn refuses_a_second_writer_gaps_and_what_is_no_event() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut index = Index::open(directory.path()).expect("it opens");
    assert!(matches!(Index::open(directory.path()), Err(SearchError::Locked { .. })));
    let log = small();
    let gap = index.apply(EntryIndex(1), &log.entries[1]);
    assert!(matches!(gap, Err(SearchError::OutOfOrder { .. })));
    let garbage = index.apply(EntryIndex(0), b"\xa5garbage");
    assert!(matches!(garbage, Err(SearchError::Entry { .. })));
    assert_eq!(index.next(), EntryIndex(0));
    index
        .apply(EntryIndex(0), &log.entries[0])
        .expect("it takes the first entry");
    let mut follower = Follower::new(index);
    let missing = follower.step(|_| None, TreeSize(2));
    assert!(matches!(missing, Err(SearchError::Missing { .. })));
}

#[test]
fn sessions_past_the_limit_keep_their_context() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut index = Index::open(directory.path()).expect("it opens");
    let session = |number: usize| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&u64::try_from(number).expect("small").to_be_bytes());
        SessionId(bytes)
    };
    let mut log = Log { entries: Vec::new() };
    let mut one = Log::new();
    one.open(0, "ci-one", 1);
    let opened = Event::decode(one.entries.last().expect("the session"))
        .expect("an event")
        .body;
    for number in 0..=SESSIONS_MAX {
        log.push(2, Some(SessionPlace(session(number), 0)), 1, opened.clone());
    }
    one.command(0, 2, "select", TABLES[0], vec![]);
    let command = Event::decode(one.entries.last().expect("the command"))
        .expect("an event")
        .body;
    log.push(2, Some(SessionPlace(session(0), 1)), 2, command);
    for (place, entry) in (0..).zip(&log.entries) {
        index.apply(EntryIndex(place), entry).expect("it takes the entry");
    }
    index.commit().expect("it commits");
    assert_eq!(
        ask(&index.searcher(), "kind:command agent:ci-one"),
        vec![log.size().0 - 1]
    );
}

#[test]
fn a_real_seal_starts_as_the_index_expects() {
    let chain = exhibit_schemas::seal::Chain {
        boot: 1,
        sequence: 0,
        previous: None,
    };
    let sealed = Sealed::seal(vec![Bytes(vec![1])], chain, &key(1)).expect("it seals");
    assert_eq!(sealed.seal_bytes().0[0], SEAL_FIRST_BYTE);
}

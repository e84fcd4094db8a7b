//! The bypass corpus on the real programs: what an agent with every right tries in order to see a masked value.
//!
//! One corpus (`tests/bypass`), three runs through `exhibit up` before a real PostgreSQL:
//!
//! | run | masks | the agents' role | what has to be |
//! | --- | --- | --- | --- |
//! | control | none | a superuser | every attempt shows a value, and so does the evidence: attempts and searches are real |
//! | proxy | by the proxy | a superuser | no attempt shows a value on any channel, and none is in the evidence |
//! | database | by the database | reads and changes everything, defines | the same |
//!
//! The proxy's run is made again under masks that let values be tried (`masks_tried.toml`), with what somebody would do with that
//! (`tried.sql`).
//!
//! In all of them every message of every attempt is recorded. What counts as a leak is said in `bypass/finder.rs`. Questions
//! whose answer is yes or no stand in `probes.sql`, and reports that shall pass, masked, in `ordinary.sql`. What a net catches
//! where nothing is masked is in `net.sql` (`bypass/netted.rs`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests stop where something is wrong, and this one says how much passes"
)]

#[path = "bypass/canaries.rs"]
mod canaries;
#[path = "bypass/client.rs"]
mod client;
#[path = "bypass/corpus.rs"]
mod corpus;
#[path = "bypass/digests.rs"]
mod digests;
#[path = "bypass/evidence.rs"]
mod evidence;
#[path = "bypass/finder.rs"]
mod finder;
#[path = "bypass/finder_tests.rs"]
mod finder_tests;
#[path = "bypass/netted.rs"]
mod netted;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use exhibit_postgres::config::Masking;
use exhibit_tests::stack::{DATABASE, Options, Stack};

use crate::canaries::{notes, ward};
use crate::client::{Entrance, Transcript};
use crate::corpus::{Attempt, Step};
use crate::evidence::Recorded;
use crate::finder::{Finder, Heard, Pieces};

/// Attempts at the least; the corpus only grows.
const ATTEMPTS_MIN: usize = 700;

/// Attempts of PostgreSQL 18 alone at the least.
const EIGHTEEN_MIN: usize = 36;

/// Probes at the least.
const PROBES_MIN: usize = 60;

/// Ordinary statements at the least.
const ORDINARY_MIN: usize = 60;

/// Ways past the net at the least.
const NETTED_MIN: usize = 40;

/// Ways to use that values may be tried at the least.
const TRIED_MIN: usize = 50;

/// Ordinary statements that pass, masked, where the database masks.
const PASS_DATABASE_MIN: usize = 80;

/// The same where the proxy masks; what it cannot prove it refuses.
const PASS_PROXY_MIN: usize = 73;

/// Attempts that the gateway does not take, with masks or without: their way is closed to everybody.
const NEVER_TAKEN: [&str; 1] = ["wire.fastpath"];

/// Words of the planted values that the index is asked for.
const WORDS: [&str; 8] = [
    "Zyxwarabel",
    "Qonterlyne",
    "Brontelia",
    "4815162342",
    "948151623",
    "Hushtagword",
    "Gryphonwalt",
    "Tamarixwood",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Control,
    Proxy,
    Database,
}

/// The server that everything is tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// Debian's.
    Installed,
    /// The one that `scripts/postgresql18.sh` fetches.
    Eighteen,
}

impl Server {
    /// Where its programs are, when that is told.
    fn programs(self) -> Option<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/postgresql-18");
        let found = || path.canonicalize();
        (self == Self::Eighteen).then(|| found().unwrap_or_else(|error| panic!("{error}: run scripts/tools.sh test")))
    }

    /// Attempts that only this server understands.
    fn own(self) -> Vec<Attempt> {
        match self {
            Self::Installed => Vec::new(),
            Self::Eighteen => corpus::eighteen(),
        }
    }
}

/// A stack on which everything was tried.
struct Run {
    mode: Mode,
    server: Server,
    stack: Stack,
    heard: BTreeMap<String, Transcript>,
    _place: tempfile::TempDir,
}

impl Run {
    /// Everything, in one mode.
    fn of(mode: Mode, server: Server) -> Self {
        let all = [
            corpus::attempts(),
            corpus::list("probes.sql"),
            corpus::list("ordinary.sql"),
            server.own(),
        ];
        Self::with(mode, server, &all.concat())
    }

    fn with(mode: Mode, server: Server, attempts: &[Attempt]) -> Self {
        let policy = match mode {
            Mode::Control => vec!["rules.toml"],
            Mode::Proxy | Mode::Database => vec!["rules.toml", "masks.toml"],
        };
        Self::on("ward.sql", &policy, mode, server, attempts)
    }

    /// These attempts on what a file of SQL makes, under a policy of some files.
    fn on(sql: &str, policy: &[&str], mode: Mode, server: Server, attempts: &[Attempt]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut options = Options::new(&place.path().join("deployment"));
        options.patients = 0;
        options.server = server.programs();
        options.sql = Some(corpus::place().join(sql));
        options.policy = policy.iter().map(|file| corpus::text(file)).collect();
        if mode == Mode::Database {
            options.masking = Masking::Database;
        }
        let mut stack = Stack::prepare(&options).unwrap();
        if mode != Mode::Database {
            stack
                .postgres()
                .execute(DATABASE, "ALTER ROLE exhibit SUPERUSER")
                .unwrap();
        }
        stack.up().unwrap();
        let entrance = Entrance::new(&stack);
        let heard = attempts
            .iter()
            .map(|attempt| (attempt.id.clone(), attempted(&entrance, attempt)))
            .collect();
        Self {
            mode,
            server,
            stack,
            heard,
            _place: place,
        }
    }

    /// Looks for the values, and for what this server makes of them.
    fn finder(&self) -> Finder {
        Finder::knowing(&ward(), Pieces::Short, &digests::of(&self.stack))
    }

    fn heard(&self, list: &[Attempt]) -> Vec<(&str, &Transcript)> {
        let heard = list
            .iter()
            .map(|attempt| self.heard.get_key_value(&attempt.id).unwrap());
        heard.map(|(id, transcript)| (id.as_str(), transcript)).collect()
    }
}

/// Tries it in a session of its own, beside which there may be a second one.
fn attempted(entrance: &Entrance, attempt: &Attempt) -> Transcript {
    let mut transcript = Transcript::default();
    let mut first = entrance.open(&attempt.id, &mut transcript);
    let mut second = None;
    for step in &attempt.steps {
        if matches!(step, Step::Second(_)) {
            let second = second.get_or_insert_with(|| entrance.open(&attempt.id, &mut transcript));
            second.step(step, &mut transcript);
        } else {
            first.step(step, &mut transcript);
        }
    }
    first.close();
    if let Some(second) = second {
        second.close();
    }
    transcript
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Answer<'a> {
    rows: Vec<&'a [Vec<u8>]>,
    tags: &'a [String],
    errors: &'a [String],
}

impl Transcript {
    fn refused(&self) -> bool {
        !self.errors.is_empty() || self.ended > 0
    }

    fn answer(&self) -> Answer<'_> {
        let rows = self.heard.rows.iter().filter(|row| matches!(row.kind.0, b'D' | b'd'));
        Answer {
            rows: rows.map(|row| row.cells.as_slice()).collect(),
            tags: &self.tags,
            errors: &self.errors,
        }
    }
}

/// Says how much of a list was answered, and what was not.
fn summary(run: &Run, name: &str, list: &[Attempt]) -> usize {
    let heard = run.heard(list);
    let refused: Vec<String> = heard
        .iter()
        .filter(|(_, transcript)| transcript.refused())
        .map(|(id, transcript)| format!("{id} ({} {})", transcript.errors.join(" "), transcript.texts.join(" ")))
        .collect();
    let passed = list.len() - refused.len();
    println!(
        "{:?}: {name}: {passed} of {} answered, {} refused or failed",
        run.mode,
        list.len(),
        refused.len()
    );
    if !name.starts_with("attempts") {
        println!("  refused: {}", refused.join(", "));
    }
    passed
}

/// Every message that an attempt sent is a command of its sessions, and all of these were opened and closed.
fn check_recorded(run: &Run, recorded: &Recorded) {
    assert_eq!(recorded.sessions.len(), run.heard.len(), "sessions are missing");
    for (id, transcript) in &run.heard {
        let session = &recorded.sessions[id];
        assert!(session.opened > 0 && session.opened == session.closed, "{id}");
        assert!(
            session.commands >= transcript.asked,
            "{id}: {} messages, {} commands",
            transcript.asked,
            session.commands
        );
    }
}

/// Nothing is shown to the agent, and nothing is kept, of what the policy masks.
fn check_masked(mut run: Run) -> Run {
    let mode = run.mode;
    let finder = run.finder();
    let lists = [
        ("attempts", corpus::attempts()),
        ("attempts of this server alone", run.server.own()),
        ("probes", corpus::list("probes.sql")),
    ];
    for (name, list) in lists {
        summary(&run, name, &list);
    }
    let mut leaks = Vec::new();
    for (id, transcript) in &run.heard {
        let found = finder.found(&transcript.heard);
        if !found.is_empty() {
            leaks.push(format!("{id} shows {found:?}"));
        }
    }
    let recorded = evidence::export(&run.stack);
    check_recorded(&run, &recorded);
    for (id, session) in &recorded.sessions {
        let found = finder.found(&session.heard());
        if !found.is_empty() {
            leaks.push(format!("the evidence of {id} has {found:?}"));
        }
    }
    let whole = Finder::new(&ward(), Pieces::Whole);
    let rest = whole.found(&recorded.rest);
    let (index, hits) = evidence::index(&run.stack, &WORDS);
    let indexed = finder.found(&index);
    run.stack.down().unwrap();
    let (files, in_files) = evidence::files(&run.stack, &whole);
    assert!(
        leaks.is_empty() && rest.is_empty() && indexed.is_empty() && hits.is_empty() && in_files.is_empty(),
        "{leaks:#?}\nevents of no session: {rest:?}\nindex: {indexed:?} {hits:?}\nfiles: {in_files:?}"
    );
    println!(
        "{mode:?}: 0 leaks in {} sessions, {} entries, {files} files",
        run.heard.len(),
        recorded.entries
    );
    check_still_there(&run, &finder);
    run
}

/// What was looked for is in the database still, so that no attempt was tried on nothing.
fn check_still_there(run: &Run, finder: &Finder) {
    let all = "SELECT p FROM patients p; SELECT v FROM visits v; SELECT f FROM family f; SELECT c FROM charges c; \
               SELECT convert_from(photo, 'UTF8') FROM patients";
    let rows = run.stack.postgres().execute(DATABASE, all).unwrap();
    assert_eq!(
        finder.found(&Heard::of(rows.as_bytes())).len(),
        finder.count(),
        "{rows}"
    );
}

#[test]
fn without_masks_every_attempt_shows_a_value_and_the_evidence_has_it() {
    let mut run = Run::of(Mode::Control, Server::Installed);
    let finder = run.finder();
    let (attempts, probes, ordinary) = (
        corpus::attempts(),
        corpus::list("probes.sql"),
        corpus::list("ordinary.sql"),
    );
    summary(&run, "attempts", &attempts);
    let blunt: Vec<_> = run
        .heard(&attempts)
        .into_iter()
        .filter(|(id, transcript)| {
            let taken = !NEVER_TAKEN.contains(id);
            assert!(taken || transcript.refused(), "{id}");
            taken && finder.found(&transcript.heard).is_empty()
        })
        .map(|(id, transcript)| (id, &transcript.errors, &transcript.texts, &transcript.tags))
        .collect();
    assert!(
        blunt.is_empty(),
        "these show nothing where nothing is masked: {blunt:#?}"
    );
    assert_eq!(summary(&run, "ordinary statements", &ordinary), ordinary.len());
    summary(&run, "probes", &probes);

    let recorded = evidence::export(&run.stack);
    check_recorded(&run, &recorded);
    for (id, _) in run.heard(&attempts) {
        if NEVER_TAKEN.contains(&id) {
            continue;
        }
        assert!(
            !finder.found(&recorded.sessions[id].heard()).is_empty(),
            "the search of events misses {id}"
        );
    }
    let (index, hits) = evidence::index(&run.stack, &WORDS);
    assert_eq!(hits, WORDS, "the index was not asked right");
    assert!(!finder.found(&index).is_empty());
    run.stack.down().unwrap();
    let whole = Finder::new(&ward(), Pieces::Whole);
    let (_, found) = evidence::files(&run.stack, &whole);
    let in_bundle = found
        .iter()
        .filter(|(file, _)| file.starts_with(run.stack.directory().join("bundle")));
    assert!(in_bundle.count() > 0, "the search of files misses what is there");
    check_still_there(&run, &finder);
}

#[test]
fn where_the_proxy_masks_nothing_shows_a_value_and_probes_are_refused_or_answered_with_null() {
    check_proxy(Server::Installed);
}

#[test]
fn nor_does_it_where_the_proxy_masks_before_postgresql_18() {
    check_proxy(Server::Eighteen);
}

fn check_proxy(server: Server) {
    let run = check_masked(Run::of(Mode::Proxy, server));
    let (probes, ordinary) = (corpus::list("probes.sql"), corpus::list("ordinary.sql"));
    let computed: Vec<&str> = run
        .heard(&probes)
        .into_iter()
        .filter(|(_, transcript)| !transcript.refused())
        .map(|(id, transcript)| {
            // Whatever stands beside it, what is computed from a masked value is NULL, which the wire form has as -1.
            let answer = transcript.answer();
            assert!(!answer.rows.is_empty(), "{id}");
            for row in &answer.rows {
                assert!(row.last().is_some_and(Vec::is_empty), "{id} was answered: {answer:?}");
            }
            id
        })
        .collect();
    let wanted = [
        "probes.case",
        "probes.comparison",
        "probes.sum",
        "probes.division",
        "probes.cast",
        "probes.null_of_nullif",
    ];
    assert_eq!(computed, wanted, "others are refused");
    assert!(summary(&run, "ordinary statements", &ordinary) >= PASS_PROXY_MIN);
}

/// Everything again where the policy lets values be tried: no answer but to what may be, and no value comes out of it.
#[test]
fn where_values_may_be_tried_nothing_shows_one_and_only_equality_is_answered() {
    let tried = corpus::list("tried.sql");
    let all = [corpus::attempts(), corpus::list("probes.sql"), tried.clone()].concat();
    let policy = ["rules.toml", "masks_tried.toml"];
    let run = check_masked(Run::on("ward.sql", &policy, Mode::Proxy, Server::Installed, &all));
    for (id, transcript) in run.heard(&tried) {
        let refused = match id.split('.').nth(1) {
            Some("answered") => false,
            Some("refused") => true,
            other => panic!("{id}: {other:?}"),
        };
        assert_eq!(transcript.refused(), refused, "{id}: {:?}", transcript.texts);
        if refused {
            let by_policy = transcript.texts.iter().any(|text| text.contains("refused by policy"));
            assert!(by_policy, "{id}: {:?}", transcript.texts);
        }
    }
    summary(&run, "values that are tried", &tried);
}

#[test]
fn where_the_database_masks_nothing_shows_a_value_and_most_passes() {
    check_database(Server::Installed);
}

#[test]
fn nor_does_it_where_postgresql_18_masks() {
    check_database(Server::Eighteen);
}

fn check_database(server: Server) {
    let run = check_masked(Run::of(Mode::Database, server));
    let probes = corpus::list("probes.sql");
    let own = server.own();
    let open = Run::with(Mode::Control, server, &[probes.clone(), own.clone()].concat());
    let finder = open.finder();
    let heard = open.heard(&own);
    let blunt = heard
        .iter()
        .filter(|(_, transcript)| finder.found(&transcript.heard).is_empty());
    let blunt: Vec<_> = blunt.map(|(id, transcript)| (id, &transcript.texts)).collect();
    assert!(
        blunt.is_empty(),
        "these show nothing where nothing is masked: {blunt:#?}"
    );
    for (id, transcript) in run.heard(&probes) {
        let told = open.heard[id].answer();
        assert!(
            transcript.answer() != told,
            "{id} has the answer of the values themselves: {told:?}"
        );
    }
    assert!(summary(&run, "ordinary statements", &corpus::list("ordinary.sql")) >= PASS_DATABASE_MIN);
}

#[test]
fn the_corpus_is_large_and_holds_no_value_itself() {
    let lists = [
        corpus::attempts(),
        corpus::list("probes.sql"),
        corpus::list("ordinary.sql"),
        corpus::list("net.sql"),
        corpus::list("tried.sql"),
        corpus::eighteen(),
    ];
    let minima = [
        ATTEMPTS_MIN,
        PROBES_MIN,
        ORDINARY_MIN,
        NETTED_MIN,
        TRIED_MIN,
        EIGHTEEN_MIN,
    ];
    let all: Vec<_> = ward().into_iter().chain(notes()).collect();
    let finder = Finder::new(&all, Pieces::Short);
    for (list, minimum) in lists.iter().zip(minima) {
        assert!(list.len() >= minimum, "{} of {minimum}", list.len());
        for attempt in list {
            let text = format!("{attempt:?}");
            let found = finder.found(&Heard::of(text.as_bytes()));
            assert!(found.is_empty(), "{found:?}: {text}");
        }
    }
    let ids: std::collections::BTreeSet<_> = lists.iter().flatten().map(|attempt| &attempt.id).collect();
    assert_eq!(ids.len(), lists.iter().map(Vec::len).sum::<usize>());
}

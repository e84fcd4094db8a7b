//! One planted exception of every kind, to every control that has kinds: each is found in its row, by its word and with its
//! index, and nothing else is found in any row.
//!
//! A case is an honest log with one thing changed, and all exceptions of all fourteen rows that must then be listed. What an owned
//! proxy, a person or the ledger does is signed again by the key that may; the log's own key signs the head.
//!
//! Not here: how many ways there are of each kind, and that none escapes (the mutation campaign).

#[path = "planted/access.rs"]
mod access;
#[path = "planted/counted.rs"]
mod counted;
#[path = "planted/emergencies.rs"]
mod emergencies;
#[path = "planted/files.rs"]
mod files;
#[path = "planted/objects.rs"]
mod objects;
#[path = "planted/people.rs"]
mod people;
#[path = "planted/plans.rs"]
mod plans;
#[path = "planted/record.rs"]
mod record;
#[path = "planted/released.rs"]
mod released;
#[path = "planted/reviews.rs"]
mod reviews;
#[path = "planted/sessions.rs"]
mod sessions;
#[path = "planted/sign_offs.rs"]
mod sign_offs;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_tests::bundle_builder::clinic::{Clinic, LOG, ORIGIN};
use exhibit_tests::bundle_builder::{Files, Plan, Slot, checkpoint, files as bundle_files, write_tar};
use exhibit_verify::report::Report;
use exhibit_verify::report::control::{breaks_record, is_told_once};
use exhibit_verify::report::handling::ExceptionLine;
use exhibit_verify::report::matrix::{Row, State};
use exhibit_verify::{Archive, Code, KeptHead, Options, Outcome, Period, Severity, verify};

/// An exception that must be listed: the row, the word, and the entry.
type Said = (&'static str, &'static str, Option<u64>);

/// The same before the log is built.
type Wanted = (&'static str, &'static str, Slot);

/// A case: its name, and how it is made.
type Case = (&'static str, fn() -> Planted);

/// A bundle with something planted in it.
struct Planted {
    files: Files,
    /// Files that the archive holds a second time.
    again: Files,
    anchors: TrustAnchors,
    heads: Vec<KeptHead>,
    said: Vec<Said>,
}

impl Planted {
    /// A bundle of these entries under the log's own head.
    fn of(clinic: &Clinic, entries: &[Vec<u8>], said: Vec<Said>) -> Self {
        Self {
            files: bundle_files(entries, checkpoint(entries, ORIGIN, LOG).note(), &clinic.anchors),
            again: Files::new(),
            anchors: clinic.anchors.clone(),
            heads: Vec::new(),
            said,
        }
    }

    /// What the verifier says of it, for a period.
    fn judged(&self, period: Period) -> Outcome {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("bundle.tar");
        write_tar(&path, self.files.iter().chain(&self.again)).unwrap();
        let options = Options {
            heads: &self.heads,
            evidence: Some(period),
            progress: &mut |_| {},
        };
        verify(&Archive::open(&path).unwrap(), &self.anchors, options).unwrap()
    }
}

/// Changes the plan of a log, and says what must be found of it.
fn planted(mut clinic: Clinic, plant: impl FnOnce(&mut Plan) -> Vec<Wanted>) -> Planted {
    let wanted = plant(&mut clinic.plan);
    let built = clinic.plan.build();
    let said = wanted
        .into_iter()
        .map(|(row, cause, slot)| (row, cause, Some(built.index(slot).0)));
    Planted::of(&clinic, &built.entries, said.collect())
}

/// Every case, by its name.
static PLANTED: LazyLock<Vec<(&str, Planted)>> = LazyLock::new(|| {
    let cases = [
        access::CASES,
        emergencies::CASES,
        files::CASES,
        objects::CASES,
        people::CASES,
        record::CASES,
        released::CASES,
        reviews::CASES,
        sessions::CASES,
    ];
    let cases = cases.into_iter().flatten();
    cases.map(|(name, plant)| (*name, plant())).collect()
});

/// What is listed in all rows, in order.
fn listed(rows: &[Row]) -> Vec<(&'static str, &str, Option<u64>)> {
    let of = |row: &'_ Row| row.id;
    let mut all = Vec::new();
    for row in rows {
        let exceptions = row.exceptions.iter();
        all.extend(exceptions.map(|exception| (of(row), exception.cause.as_str(), exception.index)));
    }
    all.sort_unstable();
    all
}

/// What is wrong with the report of a case.
fn faults(name: &str, planted: &Planted) -> Option<String> {
    let outcome = planted.judged(Period::ALWAYS);
    let report = Report::of(&outcome);
    let mut wanted = planted.said.clone();
    wanted.sort_unstable();
    let found = listed(&report.controls);
    if found != wanted {
        return Some(format!("{name}:\n  wanted {wanted:?}\n  found  {found:?}"));
    }
    let record = match &outcome {
        Outcome::Verified(_) => "verified",
        Outcome::Refused(refused) if refused.shown.is_some() => "exceptions",
        Outcome::Refused(_) => "broken",
    };
    let broken = wanted
        .iter()
        .any(|(_, cause, _)| code(cause).is_some_and(breaks_record));
    if report.cover.record != record || broken != (record == "broken") {
        return Some(format!("{name}: its record is said to be {}", report.cover.record));
    }
    let wrong = report.controls.iter().find(|row| !stands(row, record));
    wrong.map(|row| format!("{name}: row {} says {:?}, {}", row.id, row.state, row.result))
}

/// Whether a row says what its exceptions and the record let it say.
fn stands(row: &Row, record: &str) -> bool {
    let untested = row.state == State::NotTested;
    // One finding of these words may stand for many.
    let at_least = if row.exceptions.iter().any(|exception| is_told_once(&exception.cause)) {
        "at least "
    } else {
        ""
    };
    let says_so = |exception: &ExceptionLine| exception.detail.ends_with("told once, and there may be more like it");
    if row
        .exceptions
        .iter()
        .any(|exception| says_so(exception) != is_told_once(&exception.cause))
    {
        return false;
    }
    match (row.exceptions.len(), record) {
        (1, _) => row.state == State::Exception && row.result == format!("{at_least}1 exception"),
        (0, "broken") => untested && row.count == 0 && row.result.starts_with("the record is not sound"),
        (0, "exceptions") => untested || row.state == State::NoPopulation,
        (0, _) => row.state != State::Exception,
        (many, _) => row.state == State::Exception && row.result == format!("{at_least}{many} exceptions"),
    }
}

fn code(word: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|code| code.as_str() == word)
}

/// Threads that the cases are shared between.
const THREADS: usize = 2;

#[test]
fn each_planted_exception_is_found_with_its_index_and_none_else() {
    let names: BTreeSet<_> = PLANTED.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), PLANTED.len(), "a name is of one case");
    let of = |part: &[(&str, Planted)]| -> Vec<_> {
        let faults = part.iter().filter_map(|(name, planted)| faults(name, planted));
        faults.collect()
    };
    let faults: Vec<String> = std::thread::scope(|scope| {
        let parts = PLANTED.chunks(PLANTED.len().div_ceil(THREADS));
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || of(part))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let (count, all) = (faults.len(), PLANTED.len());
    assert!(faults.is_empty(), "{count} of {all} cases:\n{}", faults.join("\n"));
}

/// Words that no code of a finding is: what the census alone sees, and a state of a review. Not among them is
/// `credential-uncompared`, which needs a million credentials.
const CENSUS: [&str; 6] = [
    "credential-expired",
    "credential-shared",
    "identity-missing",
    "idle-longer",
    "review-reopened",
    "session-longer",
];

/// Why findings of scoped bundles are planted in no whole one.
const SCOPED: &str = "only a scoped bundle can have it; its own mutants are in the mutation campaign";

/// Findings that speak against a control and are planted in no case, each with the reason.
const UNPLANTED: [(Code, &str); 7] = [
    (
        Code::ApprovalSigner,
        "who is no person may make no decision, so the key's role breaks the record first: the case is `approved by a proxy`",
    ),
    (
        Code::FileLink,
        "the builder writes plain files alone; the archive's own tests write a link",
    ),
    (Code::ScopeFile, SCOPED),
    (Code::ScopeProof, SCOPED),
    (Code::ScopeOutside, SCOPED),
    (Code::ScopeMissing, SCOPED),
    (Code::ScopeTail, SCOPED),
];

#[test]
fn every_kind_of_exception_is_planted_or_has_its_reason() {
    let said = PLANTED.iter().flat_map(|(_, planted)| &planted.said);
    let words: BTreeSet<_> = said.map(|(_, cause, _)| *cause).collect();
    let mut left = Vec::new();
    for code in Code::ALL {
        let speaks = exhibit_verify::report::control::Control::of(*code).is_some();
        assert!(speaks || code.severity() == Severity::Note, "{}", code.as_str());
        if speaks && !words.contains(code.as_str()) {
            left.push(*code);
        }
    }
    let mut listed = UNPLANTED.map(|(code, _)| code).to_vec();
    listed.sort_unstable();
    assert_eq!(left, listed, "planted in no case, and listed as such");
    let others: BTreeSet<_> = words.into_iter().filter(|word| code(word).is_none()).collect();
    assert_eq!(others, CENSUS.into(), "words of the census");
}

/// How many words each row's cases have, so that a row that loses one shows, and no other row has any.
#[test]
fn rows_have_as_many_kinds_of_exceptions_as_are_planted() {
    let mut kinds: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (row, cause, _) in PLANTED.iter().flat_map(|(_, planted)| &planted.said) {
        kinds.entry(row).or_default().insert(cause);
    }
    let kinds: Vec<_> = kinds.into_iter().map(|(row, causes)| (row, causes.len())).collect();
    let wanted = [
        ("308.a.1.ii.D", 8),
        ("308.a.4", 22),
        ("308.a.5.ii.C", 1),
        ("312.a.1", 13),
        ("312.a.2.i", 3),
        ("312.a.2.ii", 7),
        ("312.a.2.iii", 2),
        ("312.b", 14),
        ("312.c.2", 32),
        ("316.b.2.i", 1),
        ("502.b", 20),
    ];
    assert_eq!(kinds, wanted);
}

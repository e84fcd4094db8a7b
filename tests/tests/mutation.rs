//! The mutation campaign: an attacker's changes to a bundle, each of which must be found, at its place.
//!
//! A mutant is a changed bundle, the codes of which one must be found, and the place where. Who may have signed again is
//! part of each class: nobody, another log key, the log's own key (an owned ledger), or a proxy's own key (an owned
//! proxy). The seed is fixed, so a mutant that escapes comes again.
//!
//! Not here, because no reader of one bundle can see it: a log cut off between two batches and signed again by its own
//! key (only kept checkpoints show it: class `cut-off`), and a proxy that lies about its own sessions in a way that its
//! policy allows.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

#[path = "mutation/campaign.rs"]
mod campaign;
#[path = "mutation/scoped.rs"]
mod scoped;

use std::collections::BTreeMap;
use std::io::Write as _;

use campaign::{Base, Expected, Mutant, Random, emergencies, objects, previews, reviews, schedules};
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::merkle::Index;
use exhibit_tests::bundle_builder::write_tar;
use exhibit_verify::schedule::State;
use exhibit_verify::{Archive, Code, Finding, Options, Outcome, Place, verify};

/// Mutants at the least.
const MUTANTS_MIN: usize = 500;

/// Threads that the mutants are shared between.
const THREADS: usize = 2;

/// Findings that one fault may give: its own, and those of the layers above it (seal, tile, root, manifest).
const FINDINGS_OF_ONE_FAULT_MAX: u64 = 12;

/// What became of the mutants of one thread.
#[derive(Default)]
struct Tally {
    longest: (u64, &'static str),
    escaped: Vec<String>,
}

#[test]
fn every_mutant_is_found_at_its_place() {
    let base = Base::new();
    for base in [
        &base,
        &Base::sealing(),
        &Base::identifying(),
        &Base::signing(),
        &previews::previewing(),
    ] {
        let honest = base.honest();
        let directory = tempfile::tempdir().unwrap();
        let clean = judge(&directory.path().join("bundle.tar"), &honest);
        assert_eq!(clean.list(), [], "the log that is changed must be clean itself");
    }

    let directory = tempfile::tempdir().unwrap();
    for base in [emergencies::in_emergencies(), emergencies::granting()] {
        let outcome = judge(&directory.path().join("bundle.tar"), &base.honest());
        // Each use of emergency access is noted.
        assert!(matches!(outcome, Outcome::Verified(_)), "{:?}", outcome.list());
    }

    let mutants = campaign::mutants(&base, &mut Random(0x5eed_0b5e_55ed_1234));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for mutant in &mutants {
        *counts.entry(mutant.class).or_default() += 1;
    }
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let halves = mutants.chunks(mutants.len().div_ceil(THREADS));
        let threads: Vec<_> = halves.map(|half| scope.spawn(|| run(half))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let longest = tallies.iter().map(|tally| tally.longest).max().unwrap_or_default();
    let escaped: Vec<_> = tallies.into_iter().flat_map(|tally| tally.escaped).collect();
    let report: Vec<_> = counts
        .iter()
        .map(|(class, count)| format!("{count:>5} {class}"))
        .collect();
    let report = format!(
        "{}\n{:>5} mutants, at most {} findings ({})\n",
        report.join("\n"),
        mutants.len(),
        longest.0,
        longest.1
    );
    // The counts are what the run is for; `cargo test -- --nocapture` shows them.
    std::io::stdout().write_all(report.as_bytes()).unwrap();
    assert!(mutants.len() >= MUTANTS_MIN, "{report}");
    let shown: Vec<_> = escaped.iter().take(20).cloned().collect();
    assert!(escaped.is_empty(), "{} escaped:\n{}", escaped.len(), shown.join("\n"));
}

#[test]
fn every_object_that_is_not_masked_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let honest = judge(
        &directory.path().join("bundle.tar"),
        &objects::reading_objects().honest(),
    );
    assert_eq!(honest.list(), [], "the log that is changed must be clean itself");
    let mutants = objects::mutants();
    let tally = run(&mutants);
    assert!(tally.escaped.is_empty(), "{}", tally.escaped.join("\n"));
    assert_eq!(mutants.len(), 19);
}

/// Different populations of one person that the verifier counts one event into.
const POPULATIONS_OF_A_PERSON: u64 = 64;

#[test]
fn a_false_review_is_no_fault_of_the_log_and_counts_for_nothing() {
    let base = Base::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bundle.tar");
    // Each is followed by an honest one of the same person.
    for mutant in reviews::noted(&base, &mut Random(0x5eed_0b5e_55ed_1234)) {
        let outcome = judge(&path, &mutant);
        let located = outcome.list().iter().any(|finding| fits(finding, &mutant.expected));
        let (false_one, _) = mutant.expected.entries.unwrap();
        let reviews = listed(&outcome);
        assert!(located, "{} {}: {:?}", mutant.class, mutant.what, outcome.list());
        let honest: Vec<_> = reviews.iter().map(|review| review.0).collect();
        assert_eq!(honest, [Index(false_one + 1)], "{}", mutant.class);
        // Alice decides in this log.
        let own = mutant.what.starts_with("approvals") || mutant.what.starts_with("all");
        assert_eq!(reviews.iter().all(|review| review.1 > 0), own, "{}", mutant.what);
    }
    let (many, first) = reviews::many(&base, POPULATIONS_OF_A_PERSON);
    let outcome = judge(&path, &many);
    let unchecked: Vec<_> = outcome
        .list()
        .iter()
        .map(|finding| (finding.code, &finding.place))
        .collect();
    // Of those that begin first, there is one too many.
    let place = Place::Entry(Index(first.0 + POPULATIONS_OF_A_PERSON));
    assert_eq!(unchecked, [(Code::ReviewUnchecked, &place)]);
    let reviews = usize::try_from(2 * POPULATIONS_OF_A_PERSON + 1).unwrap();
    assert_eq!(
        listed(&outcome).len(),
        reviews,
        "the same one is counted once, however often"
    );
}

#[test]
fn reviews_of_before_scopes_were_defined_anew_still_verify() {
    let directory = tempfile::tempdir().unwrap();
    let (both, count) = reviews::of_both_definitions(&Base::new());
    let outcome = judge(&directory.path().join("bundle.tar"), &both);
    assert_eq!(listed(&outcome).len(), count);
    let others = outcome.list().iter().filter(|finding| finding.code != Code::ReviewOwn);
    assert_eq!(others.count(), 0, "{:?}", outcome.list());
}

#[test]
fn what_a_policy_asks_to_be_reviewed_is_done_or_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bundle.tar");
    for case in schedules::cases() {
        let class = case.mutant.class;
        let outcome = judge(&path, &case.mutant);
        let Outcome::Verified(verified) = &outcome else {
            panic!(
                "{class}: what was not reviewed is no fault of the log: {:?}",
                outcome.list()
            );
        };
        let bundle = verified.get();
        let lines = &bundle.evidence.review_periods;
        let states: Vec<_> = lines.iter().map(|line| (line.from.as_str(), line.state)).collect();
        let (first, second) = ("2023-11-14T22:13:20.", "2023-11-15T00:00:00.");
        assert!(
            states[0].0.starts_with(first) && states[1].0.starts_with(second),
            "{states:?}"
        );
        let states: Vec<_> = states.into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, [case.state, State::Due], "{class}: {:?}", outcome.list());
        let uncounted: Vec<_> = lines[0].uncounted.iter().map(|line| line.why).collect();
        assert_eq!(uncounted, case.uncounted, "{class}");
        let mut notes: Vec<_> = outcome.list().iter().map(|finding| finding.code).collect();
        notes.sort_unstable();
        assert_eq!(notes, case.notes, "{class}: {:?}", outcome.list());
        // A day later the second day is overdue as well.
        let (later, _) = bundle
            .scheduled
            .periods(Timestamp(bundle.scheduled.head().0 + 86_400_000_000));
        let states: Vec<_> = later.iter().map(|line| line.state).collect();
        assert_eq!(states, [case.state, State::Overdue, State::Due], "{class}");
    }
}

/// The reviews that the report lists, with how much of each is the reviewer's own.
fn listed(outcome: &Outcome) -> Vec<(Index, u64)> {
    let Outcome::Verified(verified) = outcome else {
        panic!("a person's word is no fault of the log: {:?}", outcome.list());
    };
    let reviews = &verified.get().evidence.reviews;
    reviews.iter().map(|line| (line.review, line.own)).collect()
}

fn run(mutants: &[Mutant]) -> Tally {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bundle.tar");
    let mut tally = Tally::default();
    for mutant in mutants {
        let outcome = judge(&path, mutant);
        let found = outcome.findings().errors() + outcome.findings().notes();
        tally.longest = tally.longest.max((found, mutant.class));
        let located = outcome.list().iter().any(|finding| fits(finding, &mutant.expected));
        let few = found <= FINDINGS_OF_ONE_FAULT_MAX || mutant.many;
        if !located || !few || matches!(outcome, Outcome::Verified(_)) {
            let list = outcome.list().iter().take(14);
            let lines: Vec<_> = list
                .map(|finding| format!("  {} {} {}", finding.code.as_str(), finding.place, finding.detail))
                .collect();
            let lines = lines.join("\n");
            tally
                .escaped
                .push(format!("{}: {}\n{lines}", mutant.class, mutant.what));
        }
    }
    tally
}

fn judge(path: &std::path::Path, mutant: &Mutant) -> Outcome {
    write_tar(path, mutant.files.iter().chain(&mutant.again)).unwrap();
    let archive = Archive::open(path).unwrap();
    let options = Options {
        heads: &mutant.heads,
        evidence: Some(exhibit_verify::Period::ALWAYS),
        progress: &mut |_| {},
    };
    verify(&archive, &mutant.anchors, options).unwrap()
}

fn fits(finding: &Finding, expected: &Expected) -> bool {
    let at = |first: u64, last: u64| match expected.entries {
        Some((from, to)) => first <= to && from <= last,
        None => false,
    };
    let placed = match &finding.place {
        Place::Bundle => false,
        Place::File(path) | Place::Receipt(path) => expected.file.as_ref() == Some(path),
        Place::Entry(index) => at(index.0, index.0),
        Place::Entries(first, last) => at(first.0, last.0),
    };
    placed && expected.codes.contains(&finding.code)
}

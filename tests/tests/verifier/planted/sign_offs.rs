//! What people sign about reports: it stands beside its exception where it is true, and counts for nothing where it is not.

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::sign_off::{CitedEntry, Disposition, ExceptionClosed, ExceptionNoted, ReportSigned};
use exhibit_schemas::event::{Body, Kind, Timestamp};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::sign_off::TEXT_BYTES_MAX;
use exhibit_tests::bundle_builder::clinic::{ALICE, BOB, Clinic, LOG, ORIGIN, PROXY, clinic};
use exhibit_tests::bundle_builder::{Plan, checkpoint};
use exhibit_verify::report::Report;
use exhibit_verify::report::handling::{ExceptionLine, Handled};
use exhibit_verify::{Outcome, Period};

use super::Planted;
use super::emergencies::passes;
use super::plans::{Place, append, of_kind};
use super::reviews::time;

const CONTROL: &str = "312.b";

/// A log with a session that has no close.
fn log() -> Clinic {
    let mut clinic = clinic(6);
    clinic.plan.batches.pop();
    clinic
}

fn judged(clinic: &Clinic) -> Outcome {
    Planted::of(clinic, &clinic.plan.build().entries, Vec::new()).judged(Period::ALWAYS)
}

/// Root and size of the log as it is.
fn head(plan: &Plan) -> (Digest, u64) {
    let checkpoint = checkpoint(&plan.build().entries, ORIGIN, LOG);
    (checkpoint.root(), checkpoint.size().0)
}

/// The one exception of the row, as a report of the log says it now.
fn exception(clinic: &Clinic) -> ExceptionLine {
    let outcome = judged(clinic);
    let report = Report::of(&outcome);
    let row = report.controls.iter().find(|row| row.id == CONTROL).unwrap();
    let [exception] = row.exceptions.as_slice() else {
        panic!("one exception was planted: {:?}", row.exceptions)
    };
    assert_eq!(row.result, "1 exception", "it stays one, whatever is signed");
    exception.clone()
}

/// An honest note of it.
fn noting(clinic: &Clinic) -> ExceptionNoted {
    let exception = exception(clinic);
    let (root, size) = head(&clinic.plan);
    let leaf = Digest::from_hex(exception.leaf.as_deref().unwrap()).unwrap();
    ExceptionNoted {
        control: CONTROL.into(),
        cause: exception.cause,
        entry: exception.index.map(|index| CitedEntry {
            index: Index(index),
            leaf,
        }),
        detail: exception.detail,
        root,
        size,
        owner: "platform".into(),
        remediation: "the proxy was restarted".into(),
        due: None,
    }
}

fn sign(clinic: &mut Clinic, seed: u8, at: &str, body: Body) -> Place {
    append(&mut clinic.plan, seed, Timestamp(time(at)), body)
}

fn note(clinic: &mut Clinic, at: &str, change: impl Fn(&mut ExceptionNoted)) -> Place {
    let mut said = noting(clinic);
    change(&mut said);
    sign(clinic, BOB, at, said.into())
}

/// Somebody ends what stands at a place.
fn close(clinic: &mut Clinic, seed: u8, of: Place, at: &str, change: impl Fn(&mut ExceptionClosed)) -> Place {
    let built = clinic.plan.build();
    let index = built.index_of(of);
    let words = match &clinic.plan.event(of).body {
        Body::ExceptionNoted(note) => note.clone(),
        other => panic!("a note was looked for: {}", other.kind()),
    };
    let mut said = ExceptionClosed {
        note: CitedEntry {
            index,
            leaf: Digest::leaf(&built.entries[usize::try_from(index.0).unwrap()]),
        },
        disposition: Disposition::Remediated,
        statement: "seen".into(),
        control: words.control,
        cause: words.cause,
        detail: words.detail,
    };
    change(&mut said);
    sign(clinic, seed, at, said.into())
}

fn index(clinic: &Clinic, place: Place) -> Index {
    clinic.plan.build().index_of(place)
}

/// Indexes of what counts for nothing, as findings say it.
fn uncounted(clinic: &Clinic) -> Vec<Index> {
    let outcome = judged(clinic);
    let found = outcome
        .list()
        .iter()
        .filter(|finding| finding.code.as_str() == "sign-off-false");
    found
        .map(|finding| match finding.place {
            exhibit_verify::Place::Entry(index) => index,
            ref other => panic!("it is of an entry: {other}"),
        })
        .collect()
}

/// Who noted an exception in the same words at another entry may end this one.
#[test]
fn who_ends_an_exception_noted_it_only_where_it_is_that_very_one() {
    let mut log = log();
    note(&mut log, "2023-11-15T10:00:00Z", |_| {});
    let entries = log.plan.build().entries;
    let mut elsewhere = noting(&log);
    elsewhere.entry = Some(CitedEntry {
        index: Index(0),
        leaf: Digest::leaf(&entries[0]),
    });
    let other = sign(&mut log, ALICE, "2023-11-15T11:00:00Z", elsewhere.into());
    let end = close(&mut log, BOB, other, "2023-11-15T12:00:00Z", |_| {});

    let outcome = judged(&log);
    let evidence = Report::of(&outcome).evidence.unwrap();
    let closes: Vec<_> = evidence
        .exception_closes
        .iter()
        .map(|line| (line.closed, line.own))
        .collect();
    assert_eq!(closes, [(index(&log, end), false)]);
}

#[test]
fn an_exception_has_an_owner_and_an_end_by_what_people_sign() {
    let mut log = log();
    let open = exception(&log);
    assert_eq!((open.state, &open.handling), (Handled::Open, &None));
    let opening = *of_kind(&log.plan, Kind::SessionOpened).last().unwrap();
    assert_eq!(open.index, Some(index(&log, opening).0));

    let first = note(&mut log, "2023-11-15T10:00:00Z", |said| {
        said.due = Some(Timestamp(time("2023-11-16T00:00:00Z")));
    });
    let noted = exception(&log);
    let handling = noted.handling.unwrap();
    assert_eq!(noted.id, open.id, "its name stays");
    assert_eq!((noted.state, handling.noted), (Handled::Noted, index(&log, first)));
    assert_eq!(
        (handling.owner.as_str(), handling.due.as_deref()),
        ("platform", Some("2023-11-16T00:00:00.000000Z"))
    );

    passes(&mut log.plan, time("2023-11-16T00:00:00Z"));
    assert_eq!(exception(&log).state, Handled::Overdue);

    let end = close(&mut log, ALICE, first, "2023-11-17T00:00:00Z", |_| {});
    let closed = exception(&log);
    let ended = closed.handling.unwrap().end.unwrap();
    assert_eq!((closed.state, ended.closed), (Handled::Closed, index(&log, end)));
    assert_eq!((ended.disposition, ended.own), ("remediated", false));

    // The first who closes it holds, and the day that was over stays over when somebody names a later one.
    close(&mut log, BOB, first, "2023-11-17T12:00:00Z", |said| {
        said.disposition = Disposition::Accepted;
    });
    assert_eq!(exception(&log).handling.unwrap().end.unwrap().closed, index(&log, end));
    // A later note is about the same exception anew, and who made it may not be the one to end it unseen.
    let second = note(&mut log, "2023-11-18T00:00:00Z", |said| said.owner = "security".into());
    let again = exception(&log);
    assert_eq!(
        (again.state, again.handling.as_ref().unwrap().owner.as_str()),
        (Handled::Overdue, "security")
    );
    assert_eq!(again.handling.unwrap().earlier, 1);
    close(&mut log, BOB, second, "2023-11-19T00:00:00Z", |said| {
        said.disposition = Disposition::Accepted;
    });
    let own = exception(&log).handling.unwrap().end.unwrap();
    assert_eq!((own.disposition, own.own), ("accepted", true));

    let outcome = judged(&log);
    let evidence = Report::of(&outcome).evidence.unwrap();
    assert_eq!(evidence.exception_notes.len(), 2);
    assert_eq!(evidence.exception_closes.len(), 3);
    assert_eq!(evidence.exception_notes[0].closes[0], index(&log, end));
    assert_eq!(uncounted(&log), []);
}

/// A note that is not true: its name, and how it differs from an honest one.
type Untrue<T = ExceptionNoted> = (&'static str, fn(&mut T));

#[test]
fn a_note_that_is_not_true_counts_for_nothing() {
    let untrue: [Untrue; 9] = [
        ("another root", |said| said.root.0[0] ^= 1),
        ("a shorter log", |said| said.size -= 1),
        ("a log to come", |said| said.size += 1_000),
        ("another entry", |said| {
            said.entry.as_mut().unwrap().index.0 -= 1;
        }),
        ("another leaf", |said| {
            said.entry.as_mut().unwrap().leaf.0[0] ^= 1;
        }),
        ("an entry to come", |said| {
            said.entry.as_mut().unwrap().index.0 = said.size;
        }),
        ("no owner", |said| said.owner.clear()),
        ("too many words", |said| {
            said.remediation = "r".repeat(TEXT_BYTES_MAX + 1);
        }),
        ("a time that was over", |said| said.due = Some(Timestamp(1))),
    ];
    for (name, change) in untrue {
        let mut log = log();
        let place = note(&mut log, "2023-11-15T10:00:00Z", change);
        let end = close(&mut log, ALICE, place, "2023-11-16T10:00:00Z", |_| {});
        assert_eq!(uncounted(&log), [index(&log, place), index(&log, end)], "{name}");
        assert_eq!(exception(&log).state, Handled::Open, "{name}");
    }
    // What is true, and of no exception of the report, is listed and stands beside none.
    let others: [Untrue; 3] = [
        ("another control", |said| said.control = "312.a.1".into()),
        ("another cause", |said| said.cause = "session-chain".into()),
        ("other words", |said| said.detail.push('.')),
    ];
    for (name, change) in others {
        let mut log = log();
        note(&mut log, "2023-11-15T10:00:00Z", change);
        assert_eq!(
            (uncounted(&log).len(), exception(&log).state),
            (0, Handled::Open),
            "{name}"
        );
    }
}

#[test]
fn an_end_that_names_no_note_counts_for_nothing() {
    let at = "2023-11-16T10:00:00Z";
    let untrue: [Untrue<ExceptionClosed>; 5] = [
        ("another exception than it says", |said| said.cause.push('.')),
        ("another leaf", |said| said.note.leaf.0[0] ^= 1),
        ("another entry", |said| said.note.index.0 -= 2),
        ("an entry to come", |said| said.note.index.0 += 1_000),
        ("no words", |said| said.statement = " ".into()),
    ];
    for (name, change) in untrue {
        let mut log = log();
        let place = note(&mut log, "2023-11-15T10:00:00Z", |_| {});
        let end = close(&mut log, ALICE, place, at, change);
        assert_eq!(uncounted(&log), [index(&log, end)], "{name}");
        assert_eq!(exception(&log).state, Handled::Noted, "{name}");
    }
}

#[test]
fn a_signature_is_under_a_report_of_this_log_or_counts_for_nothing() {
    let cases: [Untrue<ReportSigned>; 5] = [
        ("honest", |_| {}),
        ("another root", |said| said.root.0[0] ^= 1),
        ("a shorter log", |said| said.size -= 1),
        ("a log to come", |said| said.size += 1_000),
        ("no words", |said| said.statement.clear()),
    ];
    for (name, change) in cases {
        let mut log = log();
        let (root, size) = head(&log.plan);
        let mut said = ReportSigned {
            manifest: Digest([7; 32]),
            root,
            size,
            statement: "read".into(),
        };
        change(&mut said);
        let place = sign(&mut log, BOB, "2023-11-15T10:00:00Z", said.into());
        let counts = name == "honest";
        let wanted = if counts { Vec::new() } else { vec![index(&log, place)] };
        assert_eq!(uncounted(&log), wanted, "{name}");
        let outcome = judged(&log);
        let [line] = Report::of(&outcome).evidence.unwrap().report_signatures.as_slice() else {
            panic!("{name}: it is listed")
        };
        assert_eq!(
            (line.person.as_str(), line.uncounted.is_none()),
            ("bob", counts),
            "{name}"
        );
    }
}

/// More like it may stand behind one that is told once, in no line: the end of one is no end of them.
#[test]
fn what_is_told_once_is_not_closed() {
    let mut log = clinic(6);
    while let Some(place) = log.plan.find(|event| event.kind() == Kind::PolicyInForce).first() {
        log.plan.remove(*place);
    }
    let told = |log: &Clinic| {
        let outcome = judged(log);
        let rows = Report::of(&outcome).controls;
        let row = rows.into_iter().find(|row| row.id == "312.a.1").unwrap();
        row.exceptions[0].clone()
    };
    let open = told(&log);
    assert_eq!((open.cause.as_str(), open.state), ("policy-unsaid", Handled::Open));
    let (root, size) = head(&log.plan);
    let said = ExceptionNoted {
        control: "312.a.1".into(),
        cause: open.cause,
        entry: open.index.map(|index| CitedEntry {
            index: Index(index),
            leaf: Digest::from_hex(open.leaf.as_deref().unwrap()).unwrap(),
        }),
        detail: open.detail,
        root,
        size,
        owner: "platform".into(),
        remediation: "upgraded".into(),
        due: None,
    };
    let place = sign(&mut log, BOB, "2023-11-15T10:00:00Z", said.into());
    let end = close(&mut log, ALICE, place, "2023-11-16T10:00:00Z", |_| {});
    let ended = told(&log);
    assert_eq!(ended.state, Handled::Noted, "there may be more like it");
    assert_eq!(ended.handling.unwrap().end.unwrap().closed, index(&log, end));
}

#[test]
fn nobody_but_a_person_signs_them() {
    let mut log = log();
    let said = noting(&log);
    sign(&mut log, PROXY, "2023-11-15T10:00:00Z", said.into());
    let outcome = judged(&log);
    assert!(outcome.list().iter().any(|finding| finding.code.as_str() == "key-role"));
    assert!(matches!(outcome, Outcome::Refused(_)));
}

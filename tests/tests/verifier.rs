//! The verifier on whole bundles: an honest one is clean from a directory and from a tar, and reports are reproducible.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

#[path = "verifier/planted.rs"]
mod planted;
#[path = "verifier/security_keys.rs"]
mod security_keys;

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::event::{Body, Event, Kind};
use exhibit_schemas::merkle::{Frontier, TreeSize};
use exhibit_tests::bundle_builder::clinic::{LOG, ORIGIN, clinic};
use exhibit_tests::bundle_builder::{Files, checkpoint, files, write_directory, write_tar};
use exhibit_verify::report::Report;
use exhibit_verify::report::matrix::State;
use exhibit_verify::summary::{Summary, text};
use exhibit_verify::{Archive, Code, KeptHead, Options, Outcome, Period, verify};

fn bundle(sessions: u8) -> Files {
    let clinic = clinic(sessions);
    let built = clinic.plan.build();
    files(
        &built.entries,
        checkpoint(&built.entries, ORIGIN, LOG).note(),
        &clinic.anchors,
    )
}

fn check(path: &std::path::Path, heads: &[KeptHead]) -> Outcome {
    let archive = Archive::open(path).unwrap();
    let options = Options {
        heads,
        evidence: Some(Period::ALWAYS),
        progress: &mut |_| {},
    };
    verify(&archive, &clinic(1).anchors, options).unwrap()
}

#[test]
fn an_honest_bundle_is_clean_from_a_directory_and_from_a_tar() {
    let bundle = bundle(24);
    let place = tempfile::tempdir().unwrap();
    write_directory(&place.path().join("bundle"), &bundle).unwrap();
    write_tar(&place.path().join("bundle.tar"), &bundle).unwrap();
    for name in ["bundle", "bundle.tar"] {
        let outcome = check(&place.path().join(name), &[]);
        assert_eq!(outcome.list(), [], "{name}");
        assert!(matches!(outcome, Outcome::Verified(_)));
    }
}

#[test]
fn every_size_of_a_log_up_to_its_first_sessions_verifies() {
    let clinic = clinic(3);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.tar");
    for batches in 1..=clinic.plan.batches.len() {
        let mut plan = clinic.plan.clone();
        plan.batches.truncate(batches);
        let entries = plan.build().entries;
        let bundle = files(&entries, checkpoint(&entries, ORIGIN, LOG).note(), &clinic.anchors);
        write_tar(&path, &bundle).unwrap();
        let outcome = check(&path, &[]);
        assert_eq!(outcome.findings().errors(), 0, "{batches}: {:?}", outcome.list());
    }
}

#[test]
fn a_session_without_a_close_is_a_note() {
    let mut clinic = clinic(6);
    clinic.plan.batches.pop();
    let entries = clinic.plan.build().entries;
    let bundle = files(&entries, checkpoint(&entries, ORIGIN, LOG).note(), &clinic.anchors);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.tar");
    write_tar(&path, &bundle).unwrap();
    let outcome = check(&path, &[]);
    let codes: Vec<_> = outcome.list().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::SessionOpen]);
    assert!(matches!(outcome, Outcome::Verified(_)), "a note refuses nothing");
}

#[test]
fn keyed_values_under_a_key_that_nobody_names_are_a_note() {
    let mut clinic = clinic(3);
    while let Some(place) = clinic.plan.find(|event| event.kind() == Kind::MaskKeyAnnounced).first() {
        clinic.plan.remove(*place);
    }
    for place in clinic.plan.find(|event| event.kind() == Kind::SessionOpened) {
        if let Body::SessionOpened(opened) = &mut clinic.plan.event_mut(place).body {
            opened.mask_key = None;
        }
    }
    let entries = clinic.plan.build().entries;
    let bundle = files(&entries, checkpoint(&entries, ORIGIN, LOG).note(), &clinic.anchors);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.tar");
    write_tar(&path, &bundle).unwrap();
    let outcome = check(&path, &[]);
    let codes: Vec<_> = outcome.list().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::MaskKeyUnnamed; 3], "once of each session");
    assert!(matches!(outcome, Outcome::Verified(_)), "a note refuses nothing");
}

#[test]
fn proxies_that_never_say_which_policy_is_in_force_are_a_note() {
    let mut clinic = clinic(6);
    while let Some(place) = clinic.plan.find(|event| event.kind() == Kind::PolicyInForce).first() {
        clinic.plan.remove(*place);
    }
    let entries = clinic.plan.build().entries;
    let bundle = files(&entries, checkpoint(&entries, ORIGIN, LOG).note(), &clinic.anchors);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.tar");
    write_tar(&path, &bundle).unwrap();
    let outcome = check(&path, &[]);
    let codes: Vec<_> = outcome.list().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::PolicyUnsaid; 2], "once of each proxy");
    assert!(matches!(outcome, Outcome::Verified(_)), "a note refuses nothing");
}

#[test]
fn a_reply_that_was_cut_off_needs_no_counts_of_masks() {
    let count = |status: &str| {
        let mut clinic = clinic(6);
        let ends = clinic
            .plan
            .find(|event| matches!(&event.body, Body::ResponseEnd(body) if body.rows > 0));
        let Body::ResponseEnd(body) = &mut clinic.plan.event_mut(ends[0]).body else {
            panic!("an end was looked for");
        };
        body.status = status.into();
        body.masked.clear();
        let entries = clinic.plan.build().entries;
        let bundle = files(&entries, checkpoint(&entries, ORIGIN, LOG).note(), &clinic.anchors);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("bundle.tar");
        write_tar(&path, &bundle).unwrap();
        check(&path, &[]).findings().errors()
    };
    assert_eq!((count("cut"), count("complete")), (0, 4), "four masks have cells");
}

#[test]
fn kept_checkpoints_of_every_size_agree_and_others_do_not() {
    let clinic = clinic(6);
    let entries = clinic.plan.build().entries;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.tar");
    let bundle = files(&entries, checkpoint(&entries, ORIGIN, LOG).note(), &clinic.anchors);
    write_tar(&path, &bundle).unwrap();
    let head = |entries: &[Vec<u8>], seed| KeptHead {
        name: "kept".into(),
        note: checkpoint(entries, ORIGIN, seed).note().to_owned(),
    };
    let heads: Vec<_> = (0..=entries.len()).map(|size| head(&entries[..size], LOG)).collect();
    assert_eq!(check(&path, &heads).list(), []);
    let codes = |head| {
        let outcome = check(&path, &[head]);
        outcome.list().iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    let mut longer = entries.clone();
    longer.push(vec![0xa0]);
    assert_eq!(codes(head(&longer, LOG)), [Code::ReceiptInconsistent]);
    let mut other = entries[..20].to_vec();
    other[7].push(0);
    assert_eq!(codes(head(&other, LOG)), [Code::ReceiptInconsistent]);
    assert_eq!(codes(head(&entries, 9)), [Code::ReceiptSignature]);
}

/// Nobody signed the size: it is read off the names of the files, which anybody writes.
#[test]
fn a_size_that_only_a_file_name_claims_ends_the_reading_soon() {
    let mut bundle = bundle(3);
    bundle.insert("checkpoint".into(), b"nothing".to_vec());
    bundle.insert("tile/entries/x018/x446/x744/x073/x709/551".into(), Vec::new());
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.tar");
    write_tar(&path, &bundle).unwrap();
    let outcome = check(&path, &[]);
    let found = |code| outcome.list().iter().any(|finding| finding.code == code);
    assert!(found(Code::CheckpointSignature) && found(Code::FileMissing) && found(Code::EntryBundle));
    assert!(matches!(outcome, Outcome::Refused(_)));
}

/// What the verifier says of a log of these entries.
fn check_entries(entries: &[Vec<u8>], anchors: &TrustAnchors) -> Outcome {
    let bundle = files(entries, checkpoint(entries, ORIGIN, LOG).note(), anchors);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.tar");
    write_tar(&path, &bundle).unwrap();
    check(&path, &[])
}

#[test]
fn controls_name_their_exceptions() {
    let mut clinic = clinic(6);
    let openings = clinic.plan.find(|event| matches!(event.body, Body::SessionOpened(_)));
    let Body::SessionOpened(body) = &mut clinic.plan.event_mut(openings[5]).body else {
        panic!("an opening was looked for");
    };
    body.principal.evidence = exhibit_schemas::digest::Digest([0; 32]);
    let principal = Box::new(body.principal.clone());
    let session = clinic.plan.event(openings[5]).session.map(|place| place.0);
    let asks = |event: &Event| event.kind() == Kind::ApprovalRequested && event.session.map(|place| place.0) == session;
    for request in clinic.plan.find(asks) {
        if let Body::ApprovalRequested(body) = &mut clinic.plan.event_mut(request).body {
            body.requester = Some(principal.clone());
        }
    }
    clinic.plan.batches.pop();
    let built = clinic.plan.build();
    let outcome = check_entries(&built.entries, &clinic.anchors);
    let opening = built.index_of(openings[5]).0;
    let report = Report::of(&outcome);
    let controls: Vec<_> = report
        .controls
        .iter()
        .map(|row| {
            let causes: Vec<_> = row
                .exceptions
                .iter()
                .map(|exception| (exception.index, exception.cause.as_str()))
                .collect();
            (row.id, row.count, row.state, causes)
        })
        .collect();
    let entries = u64::try_from(built.entries.len()).unwrap();
    let wanted = [
        ("312.a.1", 22, State::Pass, vec![]),
        (
            "312.a.2.i",
            6,
            State::Exception,
            vec![(Some(opening), "identity-missing")],
        ),
        ("312.a.2.ii", 0, State::NoPopulation, vec![]),
        ("312.a.2.iii", 6, State::Pass, vec![]),
        ("312.b", 6, State::Exception, vec![(Some(opening), "session-open")]),
        ("308.a.1.ii.D", 0, State::NoPopulation, vec![]),
        ("312.c.2", entries, State::Pass, vec![]),
        ("308.a.4", 2, State::Pass, vec![]),
        ("308.a.3.ii.C", 1, State::NotTested, vec![]),
        ("308.a.5.ii.C", 3, State::NotTested, vec![]),
        ("502.b", 12, State::Pass, vec![]),
        ("514.b", 0, State::NoPopulation, vec![]),
        ("316.b.2.i", 2, State::Pass, vec![]),
        ("528", 0, State::NotTested, vec![]),
    ];
    assert_eq!(controls, wanted);
}

#[test]
fn an_error_about_what_was_done_is_a_rows_exception_and_nothing_passes() {
    let mut clinic = clinic(6);
    let allowed = |event: &Event| matches!(&event.body, Body::Command(body) if body.outcome.as_str() == "allowed");
    let command = clinic.plan.find(allowed)[0];
    let Body::Command(body) = &mut clinic.plan.event_mut(command).body else {
        panic!("a command was looked for");
    };
    body.decision.reason = "another".to_owned();
    let built = clinic.plan.build();
    let outcome = check_entries(&built.entries, &clinic.anchors);
    let report = Report::of(&outcome);
    assert_eq!((report.cover.result, report.cover.record), ("refused", "exceptions"));
    let index = Some(built.index_of(command).0);
    for row in &report.controls {
        let causes: Vec<_> = row
            .exceptions
            .iter()
            .map(|exception| (exception.index, exception.cause.as_str()))
            .collect();
        let wanted = if row.id == "312.a.1" {
            vec![(index, "decision-differs")]
        } else {
            Vec::new()
        };
        assert_eq!(causes, wanted, "{}", row.id);
        assert_ne!(row.state, State::Pass, "{}", row.id);
    }
}

#[test]
fn a_report_counts_what_its_period_holds() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.tar");
    write_tar(&path, &bundle(6)).unwrap();
    let of = |period: Period| {
        let archive = Archive::open(&path).unwrap();
        let anchors = clinic(6).anchors;
        let options = Options {
            heads: &[],
            evidence: Some(period),
            progress: &mut |_| {},
        };
        verify(&archive, &anchors, options).unwrap()
    };
    let all = of(Period::ALWAYS);
    let all = Report::of(&all);
    let opened = all.evidence.unwrap().sessions[3].time.clone();
    let (before, after) = (
        of(Period::parse(&format!("2000-01-01..{opened}")).unwrap()),
        of(Period::parse(&format!("{opened}..9999-01-01")).unwrap()),
    );
    let (before, after) = (Report::of(&before), Report::of(&after));
    assert_eq!(before.evidence.unwrap().sessions.len(), 3);
    for ((whole, before), after) in all.controls.iter().zip(&before.controls).zip(&after.controls) {
        match whole.id {
            // Of these the population is the whole log's, or that of all until the period's end.
            "312.c.2" => assert_eq!((before.count, after.count), (whole.count, whole.count)),
            "316.b.2.i" => assert_eq!(after.count, whole.count),
            _ => assert_eq!(before.count + after.count, whole.count, "{}", whole.id),
        }
    }
}

#[test]
fn reports_are_the_same_bytes_again() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("bundle.tar");
    write_tar(&path, &bundle(6)).unwrap();
    let (first, second) = (check(&path, &[]), check(&path, &[]));
    assert_eq!(Report::of(&first).html(), Report::of(&second).html());
    assert_eq!(Report::of(&first).json(), Report::of(&second).json());
    let html = Report::of(&first).html();
    assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("https://"));
    for claim in [
        "compliant",
        "certified",
        "tamper-proof",
        "complete audit trail",
        "guarantee",
        "de-identified",
    ] {
        assert!(!html.to_lowercase().contains(claim), "{claim}");
    }
    insta::assert_snapshot!("report_json", Report::of(&first).json());
    insta::assert_snapshot!("report_html", html.replace("><", ">\n<"));
    insta::assert_snapshot!("text_verified", text(&first));
}

#[test]
fn a_refused_bundle_gets_a_cover_and_no_result() {
    let mut bundle = bundle(6);
    let (_, entries) = bundle
        .iter_mut()
        .find(|(path, _)| path.starts_with("tile/entries/000"))
        .unwrap();
    let place = entries
        .windows(12)
        .position(|window| window == b"DELETE FROM ")
        .unwrap();
    entries[place] ^= 0x20;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bundle.tar");
    write_tar(&path, &bundle).unwrap();
    let outcome = check(&path, &[]);
    let report = Report::of(&outcome);
    assert!(report.evidence.is_none() && report.figures.is_none());
    for row in &report.controls {
        assert!(matches!(row.state, State::Exception | State::NotTested), "{}", row.id);
    }
    insta::assert_snapshot!("text_refused", text(&outcome));
    insta::assert_snapshot!("summary_refused", Summary::of(&outcome).json());
    insta::assert_snapshot!("report_refused", report.json());
}

#[test]
fn the_builder_lays_out_the_tree_of_its_entries() {
    let entries = clinic(24).plan.build().entries;
    let mut frontier = Frontier::default();
    for entry in &entries {
        frontier.append(exhibit_schemas::digest::Digest::leaf(entry), |_, _, _| {});
    }
    assert!(frontier.size() > TreeSize(256), "the log must have full tiles");
    assert_eq!(checkpoint(&entries, ORIGIN, LOG).root(), frontier.root());
}

/// The bundle that the program's own tests read; `EXHIBIT_UPDATE=1` writes it anew when the formats change on purpose.
#[test]
fn the_fixture_is_what_is_written_today() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../verifier/tests/fixtures");
    let (path, trust) = (fixtures.join("bundle.tar"), fixtures.join("trust.toml"));
    let bundle = bundle(3);
    if std::env::var_os("EXHIBIT_UPDATE").is_some() {
        write_tar(&path, &bundle).unwrap();
        write_directory(
            &fixtures,
            &[("trust.toml".to_owned(), bundle["trust.toml"].clone())].into(),
        )
        .unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    write_tar(&place.path().join("bundle.tar"), &bundle).unwrap();
    assert!(std::fs::read(path).unwrap() == std::fs::read(place.path().join("bundle.tar")).unwrap());
    assert_eq!(std::fs::read(trust).unwrap(), bundle["trust.toml"]);
}

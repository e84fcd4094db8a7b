//! What left: masks, nets, thresholds and patients, 502.b.

use std::collections::BTreeMap;

use exhibit_policy::decide::decide;
use exhibit_policy::patients::PATIENTS;
use exhibit_policy::snapshot::{Counts, Snapshot, facts_at};
use exhibit_schemas::event::access::{Attribute, Detection, Frame, Outcome, ThresholdDecided};
use exhibit_schemas::event::trust::MaskKeyId;
use exhibit_schemas::event::{Body, Kind};
use exhibit_tests::bundle_builder::clinic::{Clinic, IDENTIFYING, POLICY, clinic, clinic_under};
use exhibit_tests::bundle_builder::{Plan, text};

use super::plans::{Place, chunk_mut, closed_mut, command_mut, end_mut, event, insert, of, of_kind, opened_mut, read};
use super::{Case, Planted, Wanted, planted};

const ROW: &str = "502.b";

/// What lets nine rows of a reply out, and no more.
const BULK: &str = r#"[[rules]]
name = "bulk"
roles = ["agent"]
targets = ["clinic"]
actions = ["read"]
over = { rows = 9 }
effect = "deny"

[[rules]]
name = "reads""#;

const NET: &str = "
[[nets]]
name = \"identifiers\"
targets = [\"clinic\"]
categories = [\"ssn\"]
";

/// Bytes of the first four cells of a row.
const ROW_BYTES: u64 = 1 + 11 + 10 + 36;

/// The session of which the first reply is changed.
const ONE: usize = 1;

pub(super) const CASES: &[Case] = &[
    ("a column without its mask", || {
        at_chunk(clinic(6), "mask-missing", |plan, chunk| {
            let columns = chunk_mut(plan, chunk).columns.as_mut().unwrap();
            // The redacted one: its counts say then what no cell is under.
            (columns[2].mask, columns[2].technique) = (None, None);
            let (_, _, end) = read(plan, ONE);
            end_mut(plan, end).masked.remove("names");
        })
    }),
    ("a cell that its mask does not leave", || {
        at_chunk(clinic(6), "mask-value", |plan, chunk| {
            // As long as what the mask leaves.
            cells_mut(plan, chunk)[1] = Some(text("987-65-4321"));
        })
    }),
    ("a count of masked cells", || {
        planted(clinic(6), |plan| {
            let (_, _, end) = read(plan, ONE);
            end_mut(plan, end).masked.insert("names".into(), 8);
            said("mask-count", end)
        })
    }),
    ("a row of more cells than columns", || {
        at_chunk(clinic(6), "response-columns", |plan, chunk| {
            cells_mut(plan, chunk).push(None);
            // Its cells are under no mask: two of the three rows of the chunk are.
            let (_, _, end) = read(plan, ONE);
            for mask in ["ssn", "names", "mrn"] {
                end_mut(plan, end).masked.insert(mask.into(), 8);
            }
        })
    }),
    ("a key of masks that nobody announced", || {
        planted(clinic(6), |plan| {
            let opening = of_kind(plan, Kind::SessionOpened)[ONE];
            opened_mut(plan, opening).mask_key = Some(MaskKeyId([9; 16]));
            said("mask-key-not-in-force", opening)
        })
    }),
    ("a net that the policy does not cast", || {
        planted(clinic(6), |plan| {
            let place = detect(plan, "other", false);
            let (_, _, end) = read(plan, ONE);
            end_mut(plan, end).masked.insert("other".into(), 1);
            said("detection-net", place)
        })
    }),
    ("a net that the policy casts", || {
        planted(netted(), |plan| {
            detect(plan, "identifiers", false);
            let (_, _, end) = read(plan, ONE);
            end_mut(plan, end).masked.insert("identifiers".into(), 1);
            Vec::new()
        })
    }),
    ("a finding that is not counted", || {
        planted(netted(), |plan| {
            detect(plan, "identifiers", false);
            let (_, _, end) = read(plan, ONE);
            said("detection-count", end)
        })
    }),
    ("a close for a finding that there is not", || {
        planted(clinic(6), |plan| {
            let close = of(plan, ONE, Kind::SessionClosed)[0];
            closed_mut(plan, close).reason = "detection".into();
            said("detection-end", close)
        })
    }),
    ("ten rows where nine may leave", || {
        planted(bulk(), |plan| ten_rows(plan, None))
    }),
    ("nine rows where nine may leave", || planted(bulk(), |_| Vec::new())),
    ("ten rows that were stopped at nine", || {
        planted(bulk(), |plan| {
            let body = ten(plan);
            ten_rows(plan, Some(body))
        })
    }),
    ("a threshold where there is none", || {
        planted(clinic(6), |plan| {
            let body = ten(plan);
            let (_, chunk, _) = read(plan, ONE);
            let place = insert(plan, (chunk.0, 2), body.into());
            said("threshold-decided", place)
        })
    }),
    ("patients that a reply leaves out", || {
        at_chunk(identifying(), "patients-missing", |plan, chunk| {
            chunk_mut(plan, chunk).patients = None;
        })
    }),
    ("patients that a command denies", || {
        planted(identifying(), |plan| {
            let (command, chunk, _) = read(plan, ONE);
            let attributes = &mut command_mut(plan, command).facts.attributes;
            attributes.insert(PATIENTS.to_owned(), Attribute::Bool(false));
            vec![
                (ROW, "patients-missing", event(command)),
                (ROW, "patients-unasked", event(chunk)),
            ]
        })
    }),
    ("patients that are counted wrongly", || {
        at_chunk(identifying(), "patients-count", |plan, chunk| {
            chunk_mut(plan, chunk).patients.as_mut().unwrap().patients.pop();
        })
    }),
    ("patients that nobody asks for", || {
        at_chunk(clinic(6), "patients-unasked", |plan, chunk| {
            let columns = chunk_mut(plan, chunk).columns.as_mut().unwrap();
            columns[0].patients = Some("patient".to_owned());
        })
    }),
    ("patients", || planted(identifying(), |_| Vec::new())),
];

fn said(cause: &'static str, place: Place) -> Vec<Wanted> {
    vec![(ROW, cause, event(place))]
}

/// Something is wrong with the first chunk of the first reply of a session.
fn at_chunk(clinic: Clinic, cause: &'static str, change: fn(&mut Plan, Place)) -> Planted {
    planted(clinic, |plan| {
        let (_, chunk, _) = read(plan, ONE);
        change(plan, chunk);
        said(cause, chunk)
    })
}

/// The last row of a chunk.
fn cells_mut(plan: &mut Plan, chunk: Place) -> &mut Vec<Option<exhibit_schemas::cbor::Bytes>> {
    let Some(Frame::Row(cells)) = chunk_mut(plan, chunk).frames.last_mut() else {
        panic!("a row was looked for");
    };
    cells
}

fn identifying() -> Clinic {
    clinic_under(&format!("{POLICY}{IDENTIFYING}"), 6)
}

fn netted() -> Clinic {
    clinic_under(&format!("{POLICY}{NET}"), 6)
}

fn bulk_policy() -> String {
    let policy = POLICY.replacen("[[rules]]\nname = \"reads\"", BULK, 1);
    assert_ne!(policy, POLICY);
    policy
}

fn bulk() -> Clinic {
    clinic_under(&bulk_policy(), 6)
}

/// Something is found in the last chunk of the first reply of a session.
fn detect(plan: &mut Plan, net: &str, ends: bool) -> Place {
    let (command, chunk, _) = read(plan, ONE);
    let body = Detection {
        command: plan.event(command).session.unwrap().1,
        net: net.to_owned(),
        channel: "cell".to_owned(),
        column: None,
        findings: BTreeMap::from([("ssn".to_owned(), 1)]),
        ends,
    };
    insert(plan, (chunk.0, 2), body.into())
}

/// A tenth row leaves with the last chunk of the first reply of a session; before that somebody decides, where there is a decision.
fn ten_rows(plan: &mut Plan, decided: Option<ThresholdDecided>) -> Vec<Wanted> {
    let (_, chunk, end) = read(plan, ONE);
    let frames = &mut chunk_mut(plan, (chunk.0, 2)).frames;
    let row = frames[0].clone();
    frames.push(row);
    let end = end_mut(plan, end);
    (end.rows, end.bytes) = (end.rows + 1, end.bytes + ROW_BYTES);
    for mask in ["ssn", "names", "mrn"] {
        end.masked.insert(mask.into(), 10);
    }
    let close = of(plan, ONE, Kind::SessionClosed)[0];
    closed_mut(plan, close).bytes += ROW_BYTES;
    let Some(body) = decided else {
        return said("threshold-passed", (chunk.0, 2));
    };
    insert(plan, (chunk.0, 1), body.into());
    closed_mut(plan, close).reason = "threshold".into();
    // What waited left all the same, and so did the next reply.
    let last = (chunk.0, 3);
    let mut wanted = [said("threshold-passed", last), said("threshold-passed", last)].concat();
    let after = of(plan, ONE, Kind::ResponseChunk)
        .into_iter()
        .filter(|place| *place > last);
    wanted.extend(after.flat_map(|place| said("threshold-passed", place)));
    wanted
}

/// The decision that a tenth row may not leave.
fn ten(plan: &Plan) -> ThresholdDecided {
    let (command, _, _) = read(plan, ONE);
    let place = plan.event(command).session.unwrap().1;
    let Body::Command(body) = plan.event(command).body.clone() else {
        panic!("a command was looked for");
    };
    let counts = Counts {
        rows: 10,
        bytes: 10_000,
        session_rows: 10,
        session_bytes: 10_000,
        patients: None,
        session_patients: None,
    };
    let opening = of_kind(plan, Kind::SessionOpened)[ONE];
    let Body::SessionOpened(opened) = &plan.event(opening).body else {
        panic!("an opening was looked for");
    };
    let snapshot = Snapshot::parse(bulk_policy().as_bytes()).unwrap();
    ThresholdDecided {
        command: place,
        rows: counts.rows,
        bytes: counts.bytes,
        session_rows: counts.session_rows,
        session_bytes: counts.session_bytes,
        decision: decide(&snapshot, &opened.principal, "clinic", &facts_at(&body.facts, counts)),
        outcome: Outcome::Denied,
        request: None,
        approvals: None,
        patients: None,
        session_patients: None,
    }
}

//! Different patients of replies, counted by the gate and again by the verifier.

use exhibit_gate::session::{EndStatus, Ruling};
use exhibit_gate::{GateError, Session};
use exhibit_policy::mask::CellKind;
use exhibit_policy::patients::{Identified, Identifying, Naming, PATIENTS};
use exhibit_schemas::event::access::{Action, Attribute, PatientToken, RecordsReleased};
use exhibit_schemas::event::{Body, Event};
use exhibit_tests::bundle_builder::clinic::{IDENTIFYING, POLICY};

use super::{decided, findings, masker, open, request, start, verified};

/// Begins a read, and lets rows of these patients out.
async fn read_records(session: &mut Session, patients: &[&str]) -> Result<(), GateError> {
    let mut request = request("SELECT * FROM patients", Action::Read);
    let attributes = &mut request.facts.attributes;
    attributes.insert(PATIENTS.to_owned(), Attribute::Bool(true));
    let Ruling::Permit(permit) = session.decide(request) else {
        panic!("reads are allowed");
    };
    let recorded = session.record(vec![permit]).await?;
    let (mut columns, masker) = masker(&session.gate().policy());
    columns[0].patients = Some("patient".to_owned());
    let identified = Identified {
        columns: vec![Identifying {
            place: 0,
            domain: "patient".to_owned(),
            naming: Naming::Value(CellKind::Text),
        }],
        whole: true,
    };
    let mut masker = masker.identified(Some(identified));
    let mut columns = Some(columns);
    let mut reply = recorded[0].reply();
    for patient in patients {
        let cells = [*patient, "987-65-4321", "\"Lovelace\"", "MRN-1", "1970-07-15"].map(|cell| Some(cell.into()));
        let frames = vec![masker.row(cells.into(), session.net()).unwrap()];
        assert!(session.weigh(&reply, &frames).await?.is_none());
        session.release(&mut reply, columns.take(), frames).durable().await?;
    }
    let counts = masker.masked().clone();
    let releasing = session.finish(reply, None, Vec::new(), EndStatus::Complete, None, counts);
    releasing.durable().await.map(|_| ())
}

#[tokio::test]
async fn what_was_denied_read_no_records_whatever_its_facts_leave_out() {
    let (gate, keeper, anchors) = start(&format!("{POLICY}{IDENTIFYING}")).await;
    let mut session = open(&gate).await;
    let mut request = request("FETCH 1 FROM c", Action::Read);
    let attributes = &mut request.facts.attributes;
    attributes.insert(PATIENTS.to_owned(), Attribute::Bool(false));
    attributes.insert("unproven".to_owned(), Attribute::Text("open it again".to_owned()));
    let Ruling::Denial(denial) = session.decide(request) else {
        panic!("what is not proven is denied");
    };
    let recorded = session.refuse(denial).await.unwrap();
    let counts = std::collections::BTreeMap::new();
    let end = session.finish(recorded.reply(), None, Vec::new(), EndStatus::Failed, None, counts);
    end.durable().await.unwrap();
    session.close("agent").await.unwrap();
    let plan = keeper.plan.lock().unwrap().clone();
    assert_eq!(findings(&verified(&plan, &anchors)), []);
}

#[tokio::test]
async fn patients_past_a_threshold_are_counted_again() {
    let rule = "[[rules]]\nname = \"many\"\nroles = [\"agent\"]\ntargets = [\"clinic\"]\nactions = [\"read\"]\nover = { patients = 2, \
                session_patients = 3 }\neffect = \"deny\"\n";
    let policy = POLICY.replacen("[[rules]]", &format!("{rule}[[rules]]"), 1);
    let (gate, keeper, anchors) = start(&format!("{policy}{IDENTIFYING}")).await;
    for (replies, wanted) in [
        (
            &[&["1", "2", "1", "2", "1"][..], &["2", "3", "3"], &["1", "3"]][..],
            None,
        ),
        (&[&["1", "2", "1", "3"]], Some((3, 3))),
        (&[&["1", "2"], &["3"], &["1", "4"]], Some((2, 4))),
    ] {
        let mut session = open(&gate).await;
        let mut ended = None;
        for patients in replies {
            ended = read_records(&mut session, patients).await.err();
        }
        assert_eq!(ended.is_some(), wanted.is_some(), "{replies:?}: {ended:?}");
        session
            .close(if wanted.is_some() { "threshold" } else { "agent" })
            .await
            .unwrap();
        let plan = keeper.plan.lock().unwrap();
        let decided = plan.find(|event| matches!(&event.body, Body::ThresholdDecided(_)));
        if let Some((patients, session_patients)) = wanted {
            let Body::ThresholdDecided(last) = &plan.event(*decided.last().unwrap()).body else {
                panic!("a decision was looked for");
            };
            assert_eq!(
                (last.patients, last.session_patients),
                (Some(patients), Some(session_patients))
            );
        }
    }
    let plan = keeper.plan.lock().unwrap().clone();
    assert_eq!(findings(&verified(&plan, &anchors)), []);

    let check = |number: usize, fits: fn(&Event) -> bool, change: fn(&mut Body), wanted: &[&str]| {
        let mut plan = plan.clone();
        let place = plan.find(fits)[number];
        change(&mut plan.event_mut(place).body);
        let outcome = verified(&plan, &anchors);
        let codes: Vec<_> = findings(&outcome).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, wanted);
    };
    let chunk = |event: &Event| matches!(&event.body, Body::ResponseChunk(chunk) if chunk.patients.is_some());
    let decision = |event: &Event| matches!(&event.body, Body::ThresholdDecided(_));
    // One more than the rule lets out, and as if nobody were known.
    let another = |body: &mut Body| {
        if let Body::ResponseChunk(chunk) = body {
            chunk.patients.as_mut().unwrap().patients[0].patient = PatientToken([0xee; 16]);
        }
    };
    let passed = ["threshold-passed"; 3];
    check(4, chunk, another, &passed);
    let unknown = |body: &mut Body| {
        if let Body::ResponseChunk(chunk) = body {
            *chunk.patients.as_mut().unwrap() = RecordsReleased {
                patients: Vec::new(),
                unknown: 1,
            };
        }
    };
    check(4, chunk, unknown, &passed);
    // Of fewer than it was about, or of none at all.
    check(
        0,
        decision,
        |body| decided(body).patients = Some(2),
        &["decision-differs"],
    );
    check(
        0,
        decision,
        |body| decided(body).patients = None,
        &["threshold-decided", "decision-differs"],
    );
}

//! Whose records a reply had, and how many patients it would come to, as people read it.

use exhibit_schemas::event::access::{RecordsReleased, ThresholdDecided};
use serde_json::json;

/// Tokens that a line shows; all are in JSON.
const SHOWN: usize = 4;

/// Whose records the rows of a chunk are.
pub(super) fn line(released: &RecordsReleased) -> String {
    let one = |one: &exhibit_schemas::event::access::PatientRecords| match one.records {
        1 => one.patient.to_string(),
        records => format!("{} ({records} rows)", one.patient),
    };
    let shown: Vec<String> = released.patients.iter().take(SHOWN).map(one).collect();
    let more = released.patients.len().saturating_sub(SHOWN);
    let mut parts = shown;
    if more > 0 {
        parts.push(format!("and {more} more"));
    }
    if released.unknown > 0 {
        parts.push(format!("{} rows of unknown patients", released.unknown));
    }
    format!("records of {} patients: {}", released.patients.len(), parts.join(", "))
}

/// The same, all of it.
pub(super) fn released_json(released: &RecordsReleased) -> serde_json::Value {
    let patients = released.patients.iter();
    let patients = patients.map(|one| (one.patient.to_string(), json!(one.records)));
    json!({
        "records": patients.collect::<serde_json::Map<_, _>>(),
        "unknown": released.unknown,
    })
}

/// What a reply, and its session, would come to.
pub(super) fn coming_to(decided: &ThresholdDecided) -> String {
    let of = |patients: Option<u64>| {
        patients
            .map(|count| format!(" of {count} patients"))
            .unwrap_or_default()
    };
    format!(
        "the reply would come to {} rows{}, {} bytes; the session to {} rows{}, {} bytes",
        decided.rows,
        of(decided.patients),
        decided.bytes,
        decided.session_rows,
        of(decided.session_patients),
        decided.session_bytes
    )
}

//! Findings: what nets caught, and exceptions to controls.

use exhibit_schemas::merkle::Index;
use serde_json::{Value, json};

use super::document::{COMPLIANCE, DATA_SECURITY, Document, HIGH, MEDIUM, OTHER, milliseconds, uid, uid_of};
use crate::evidence::DetectionLine;
use crate::report::about::About;
use crate::report::handling::ExceptionLine;
use crate::report::matrix::{Row, State};

/// A finding that somebody is yet to look at.
const NEW: (u64, &str) = (1, "New");

/// The activity of a finding that is told for the first time.
const CREATE: (u64, &str) = (1, "Create");

/// What rows of controls stand on: no entry alone.
const CONTROLS: &str = "controls";

/// The event of a detection.
pub(super) fn detection(about: &About<'_>, line: &DetectionLine) -> Value {
    let severity = if line.ends { HIGH } else { MEDIUM };
    let mut document = Document::new(&DATA_SECURITY, CREATE, severity, &line.time);
    document.put_coded("status", NEW);
    document.put("is_alert", true);
    if line.ends {
        document.put_control((2, "Denied"), (2, "Blocked"));
    } else {
        document.put_control((4, "Modified"), (1, "Allowed"));
    }
    let categories: Vec<_> = line.findings.keys().collect();
    document.put(
        "finding_info",
        json!({
            "uid": uid(about, line.detection, "detection"),
            "title": "Identifiers in what was about to be released",
            "types": categories,
            "created_time": milliseconds(&line.time),
            "analytic": { "name": line.net, "type_id": 1, "type": "Rule" },
            "related_events": [{ "uid": uid(about, line.command, "command") }],
        }),
    );
    let found = line.findings.iter();
    let found: Vec<_> = found
        .map(|(category, count)| json!({ "type": category, "count": count }))
        .collect();
    let total = line
        .findings
        .values()
        .fold(0_u64, |sum, count| sum.saturating_add(*count));
    document.put(
        "data_security",
        json!({
            "category_id": 1,
            "category": "Personal",
            "data_lifecycle_state_id": 2,
            "data_lifecycle_state": "Data in-Transit",
            "detection_system_id": 2,
            "detection_system": "DLP Gateway",
            "discovery_details": found,
            "total": total,
        }),
    );
    if let Some(column) = &line.column {
        document.put(
            "resources",
            json!([{ "name": column, "role_id": 3, "role": "Affected" }]),
        );
    }
    let unmapped = json!({ "net": line.net, "channel": line.channel, "ends": line.ends });
    document.of_entry(about, line.detection, "detection", [line.command], unmapped)
}

/// The event of a control's row with exceptions, as of `time`; `None` for a row without.
pub(super) fn control(about: &About<'_>, row: &Row, time: &str) -> Option<Value> {
    if row.state != State::Exception {
        return None;
    }
    // What another period of the same log shows is another finding.
    let each = row.exceptions.iter();
    let each: Vec<_> = each
        .map(|exception| format!("{} {:?}", exception.cause, exception.index))
        .collect();
    let part = format!("{} {} {}", row.id, row.count, each.join(", "));
    let mut document = Document::new(&COMPLIANCE, CREATE, MEDIUM, time);
    document.put_coded("status", NEW);
    document.put("message", row.result.as_str());
    document.put(
        "finding_info",
        json!({
            "uid": uid_of(about, CONTROLS, &part),
            "title": format!("Exceptions to {}", row.title),
            "desc": row.result,
            "created_time": milliseconds(time),
        }),
    );
    // Whether an exception is a failure of the control is for the auditor to say, so it has no number of the schema.
    let checks: Vec<_> = row.exceptions.iter().map(|exception| check(about, exception)).collect();
    document.put(
        "compliance",
        json!({
            "control": row.cite,
            "standards": ["45 CFR Part 164"],
            "requirements": [row.cite],
            "desc": row.test,
            "status_id": OTHER,
            "status": State::Exception.as_str(),
            "status_details": [row.result],
            "checks": checks,
        }),
    );
    let entries: Vec<_> = row.exceptions.iter().filter_map(|exception| exception.index).collect();
    let unmapped = json!({
        "control": row.id,
        "population": row.population,
        "count": row.count,
        "strength": row.strength.as_str(),
        "cannot_show": row.cannot_show,
        "not_listed": row.not_listed,
    });
    Some(document.of_entries(about, CONTROLS, &part, &entries, unmapped))
}

/// An exception, by the name of its entry where it has one.
fn check(about: &About<'_>, exception: &ExceptionLine) -> Value {
    let mut check = json!({
        "name": exception.cause,
        "desc": exception.detail,
        "status_id": OTHER,
        "status": State::Exception.as_str(),
    });
    if let (Some(index), Some(check)) = (exception.index, check.as_object_mut()) {
        check.insert("uid".to_owned(), about.entry(Index(index)).into());
    }
    check
}

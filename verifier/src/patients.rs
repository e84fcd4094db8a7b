//! Records of patients: that a response says whose records its rows are, wherever its policy names the columns that say it, and
//! that what it says fits its rows.
//!
//! The verifier has neither the identifiers nor the statement, so it cannot see that a token is the right one, nor that nobody
//! else's values stand beside it; it sees that every row is counted. Who masks stands in no policy, so of a masked column it does
//! not know either that it names patients.

use exhibit_policy::patients::{PATIENTS, are_touched};
use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::event::access::{Access, Action, Column, Command, Outcome, RecordsReleased};
use exhibit_schemas::merkle::Index;

use crate::finding::{Code, Findings, Place};

/// Holds that a command says that it may read records of patients where it names a relation of them. One that did not pass has read
/// nothing, and of what was denied as unproven not everything is known.
pub(crate) fn command(index: Index, command: &Command, target: &str, policy: &Snapshot, findings: &mut Findings) {
    let Command { facts, outcome, .. } = command;
    let stated = facts.attributes.contains_key(PATIENTS);
    if stated && !policy.names_patients(target) {
        let detail = "its policy names no patients of the target";
        findings.add(Code::PatientsUnasked, Place::Entry(index), detail);
    }
    if !matches!(outcome, Outcome::Allowed | Outcome::Approved) {
        return;
    }
    let read = facts.accesses.iter().filter_map(|Access(action, resource)| {
        let resource = resource.as_deref().filter(|_| *action == Action::Read)?;
        policy.identifying(target, resource).map(|_| resource)
    });
    if let Some(relation) = read.into_iter().next().filter(|_| !are_touched(facts)) {
        let detail = format!("it reads {relation} and says that it reads no records of patients");
        findings.add(Code::PatientsMissing, Place::Entry(index), detail);
    }
}

/// Holds a column of a table against its policy.
pub(crate) fn column(index: Index, column: &Column, target: &str, policy: &Snapshot, findings: &mut Findings) {
    let domain = column
        .origin
        .as_deref()
        .and_then(|origin| policy.patients_domain(target, origin));
    match (&column.patients, domain) {
        (Some(named), domain) if domain != Some(named) => {
            let detail = format!("column `{}` names patients by `{named}`", column.name);
            findings.add(Code::PatientsUnasked, Place::Entry(index), detail);
        }
        (None, Some(domain)) if column.mask.is_none() => {
            let detail = format!("column `{}` names no patients by `{domain}`", column.name);
            findings.add(Code::PatientsMissing, Place::Entry(index), detail);
        }
        _ => {}
    }
}

/// Why what a chunk says of its rows cannot be; `naming` is how many of its columns name patients.
pub(crate) fn fault(
    released: Option<&RecordsReleased>,
    of_patients: bool,
    rows: u64,
    naming: u64,
) -> Option<(Code, String)> {
    let Some(released) = released else {
        let detail = || format!("{rows} rows, and nothing says whose records they are");
        return (of_patients && rows > 0).then(|| (Code::PatientsMissing, detail()));
    };
    if !of_patients {
        let detail = "its command says that it reads no records of patients";
        return Some((Code::PatientsUnasked, detail.to_owned()));
    }
    let RecordsReleased { patients, unknown } = released;
    let ascending = patients.iter().zip(patients.iter().skip(1));
    let ascending = ascending.into_iter().all(|(one, next)| one.patient < next.patient);
    let each = patients.iter().all(|one| (1..=rows).contains(&one.records));
    let known = patients.iter().fold(0_u64, |sum, one| sum.saturating_add(one.records));
    let fits = *unknown <= rows
        && known <= rows.saturating_mul(naming)
        && known.saturating_add(*unknown) >= rows
        && known.saturating_add(*unknown) > 0;
    if ascending && each && fits {
        return None;
    }
    let detail = format!("{known} records of known patients and {unknown} of unknown ones in {rows} rows");
    Some((Code::PatientsCount, detail))
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::access::{PatientRecords, PatientToken, RecordsReleased};

    use super::fault;
    use crate::finding::Code;

    fn released(patients: &[(u8, u64)], unknown: u64) -> RecordsReleased {
        let patients = patients.iter().map(|(token, records)| PatientRecords {
            patient: PatientToken([*token; 16]),
            records: *records,
        });
        RecordsReleased {
            patients: patients.collect(),
            unknown,
        }
    }

    #[test]
    fn every_row_is_a_record_of_somebody() {
        let found = |patients: &[(u8, u64)], unknown, rows, naming| {
            fault(Some(&released(patients, unknown)), true, rows, naming).map(|(code, _)| code)
        };
        let wrong = Some(Code::PatientsCount);
        assert_eq!(found(&[(1, 2), (2, 1)], 0, 3, 1), None);
        assert_eq!(found(&[(1, 2), (2, 1)], 3, 3, 1), None);
        assert_eq!(found(&[], 3, 3, 0), None);
        assert_eq!(found(&[(1, 3), (2, 3)], 0, 3, 2), None);
        assert_eq!(found(&[(1, 1)], 0, 3, 1), wrong);
        assert_eq!(found(&[(1, 2), (2, 2)], 0, 3, 1), wrong);
        assert_eq!(found(&[(1, 3)], 0, 3, 0), wrong);
        assert_eq!(found(&[(2, 2), (1, 1)], 0, 3, 1), wrong);
        assert_eq!(found(&[(1, 2), (1, 1)], 0, 3, 1), wrong);
        assert_eq!(found(&[(1, 3), (2, 0)], 0, 3, 1), wrong);
        assert_eq!(found(&[], 4, 3, 0), wrong);
        assert_eq!(found(&[], 0, 0, 0), wrong);
        assert_eq!(fault(None, true, 0, 1), None);
        assert_eq!(fault(None, false, 3, 1), None);
        assert_eq!(
            fault(None, true, 3, 1).map(|(code, _)| code),
            Some(Code::PatientsMissing)
        );
        let unasked = fault(Some(&released(&[], 3)), false, 3, 0);
        assert_eq!(unasked.map(|(code, _)| code), Some(Code::PatientsUnasked));
    }
}

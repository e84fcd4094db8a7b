//! Whose records rows are, and how many patients that makes.

use std::collections::{BTreeSet, HashSet};

use exhibit_schemas::event::access::PatientToken;
use proptest::prelude::*;

use super::{Distinct, Identified, Identifying, Naming, PATIENTS_MAX, Records, token};
use crate::mask::{CellKind, ColumnMask, MaskKey, RowMasker, Technique};
use crate::net::SessionNet;

fn key() -> MaskKey {
    MaskKey::new([7; 32])
}

fn by(places: &[usize], whole: bool) -> Identified {
    let column = |place: &usize| Identifying {
        place: *place,
        domain: "patient".to_owned(),
        naming: Naming::Value(CellKind::Text),
    };
    Identified {
        columns: places.iter().map(column).collect(),
        whole,
    }
}

fn cells<const N: usize>(cells: [Option<&str>; N]) -> Vec<Option<Vec<u8>>> {
    cells.map(|cell| cell.map(|cell| cell.as_bytes().to_vec())).into()
}

fn of(name: &str) -> PatientToken {
    token(&key(), "patient", name.as_bytes())
}

#[test]
fn a_row_is_a_record_of_those_whom_its_columns_name() {
    let records = |identified: &Identified, row: [Option<&str>; 3]| identified.records(&cells(row), &key());
    let one = by(&[0], true);
    let wanted = |patients: &[&str], unknown| Records {
        patients: patients.iter().map(|name| of(name)).collect(),
        unknown,
    };
    assert_eq!(records(&one, [Some("7"), Some("8"), None]), wanted(&["7"], 0));
    assert_eq!(records(&one, [None, Some("8"), None]), wanted(&[], 1));
    assert_eq!(records(&by(&[0], false), [Some("7"), None, None]), wanted(&["7"], 1));
    let both = by(&[0, 1], true);
    assert_eq!(records(&both, [Some("7"), Some("7"), None]), wanted(&["7"], 0));
    assert_eq!(records(&both, [Some("7"), Some("8"), None]), wanted(&["7", "8"], 0));
    assert_eq!(records(&both, [Some("7"), None, None]), wanted(&["7"], 1));
    assert_eq!(records(&by(&[], true), [Some("7"), None, None]), wanted(&[], 1));
    // What is no text of its type names nobody.
    let bad = vec![Some(vec![0xff]), None, None];
    assert_eq!(one.records(&bad, &key()), wanted(&[], 1));
}

#[test]
fn a_token_is_that_of_the_value_and_not_of_its_mask() {
    let mask = ColumnMask {
        mask: "ids".to_owned(),
        technique: Technique::Redact,
        kind: CellKind::Text,
    };
    let mut net = SessionNet::default();
    let mut released = |mask: Option<ColumnMask>| {
        let mut masker = RowMasker::new(vec![mask, None], key()).identified(Some(by(&[0], true)));
        let row = masker.row(cells([Some("7"), Some("x")]), &mut net).unwrap();
        row.records().clone()
    };
    assert_eq!(released(Some(mask)), released(None));
    assert_eq!(released(None).patients, [of("7")]);
    assert_ne!(of("7"), of("8"));
    assert_ne!(of("7"), token(&key(), "other", b"7"));
    assert_ne!(of("7"), token(&MaskKey::new([8; 32]), "patient", b"7"));
}

#[test]
fn the_token_of_a_target_that_masks_is_the_same() {
    let made = key().token("patient", b"7");
    let identified = |kind| Identified {
        columns: vec![Identifying {
            place: 0,
            domain: "patient".to_owned(),
            naming: Naming::Token(kind),
        }],
        whole: true,
    };
    let read = |cell: &str| identified(CellKind::Text).records(&cells([Some(cell)]), &key());
    assert_eq!(read(&made).patients, [of("7")]);
    assert_eq!(read("7"), Records::unknown(1));
    assert_eq!(read("tok_12"), Records::unknown(1));
}

#[test]
fn what_is_cut_or_framed_counts_once() {
    let mut masker = RowMasker::new(vec![None], key()).identified(Some(by(&[0], true)));
    let row = masker.row(cells([Some("7")]), &mut SessionNet::default()).unwrap();
    let pieces: Vec<_> = row.framed(|_| vec![b'x'; 10]).pieces(3).collect();
    assert_eq!(pieces.len(), 4);
    let counted: Vec<_> = pieces
        .iter()
        .map(|piece| (piece.rows(), piece.records().patients.len()))
        .collect();
    assert_eq!(counted, [(1, 1), (0, 0), (0, 0), (0, 0)]);
}

#[test]
fn past_the_bound_all_count_as_one_more() {
    let numbered = |number: u64| PatientToken(u128::from(number).to_be_bytes());
    let mut distinct = Distinct::default();
    distinct.add((0..PATIENTS_MAX).map(numbered), 0);
    assert_eq!(distinct.count(), PATIENTS_MAX);
    distinct.add((0..10).map(numbered), 0);
    assert_eq!(distinct.count(), PATIENTS_MAX);
    assert_eq!(
        distinct.with(&HashSet::from([numbered(PATIENTS_MAX)]), 7),
        PATIENTS_MAX + 1
    );
    distinct.add((PATIENTS_MAX..PATIENTS_MAX + 50).map(numbered), 3);
    assert_eq!(distinct.count(), PATIENTS_MAX + 1);
}

proptest! {
    #[test]
    fn patients_are_counted_however_their_records_are_cut(
        rows in proptest::collection::vec((0_u8..9, any::<bool>()), 0..60),
        cut in 1_usize..9,
    ) {
        let mut distinct = Distinct::default();
        for part in rows.chunks(cut) {
            let patients: Vec<_> = part.iter().filter(|(_, known)| *known).map(|(number, _)| PatientToken([*number; 16])).collect();
            let unknown = u64::try_from(part.len() - patients.len()).unwrap();
            let set = patients.iter().copied().collect();
            let foreseen = distinct.with(&set, unknown);
            distinct.add(patients, unknown);
            prop_assert_eq!(distinct.count(), foreseen);
        }
        let known: BTreeSet<_> = rows.iter().filter(|(_, known)| *known).map(|(number, _)| number).collect();
        let unknown = rows.iter().filter(|(_, known)| !known).count();
        prop_assert_eq!(distinct.count(), u64::try_from(known.len() + unknown).unwrap());
    }
}

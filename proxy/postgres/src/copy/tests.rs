//! Rows as the server writes them, cut at every place, come out with their masked cells masked and every other byte as it
//! was.

use exhibit_policy::mask::{CellKind, ColumnMask, MaskKey, RowMasker, Technique};
use exhibit_policy::net::SessionNet;
use exhibit_schemas::event::access::Frame;
use proptest::prelude::*;

use super::{CopyError, CopyMasker};
use crate::analysis::{CopyForm, CsvOptions};

fn csv() -> CsvOptions {
    CsvOptions {
        delimiter: b',',
        null: Vec::new(),
        quote: b'"',
        escape: b'"',
        header: false,
        force_quote: Some(Vec::new()),
    }
}

fn text(header: bool) -> CopyForm {
    CopyForm::Text {
        delimiter: b'\t',
        null: b"\\N".to_vec(),
        header,
    }
}

/// A masker of two columns, the second of which keeps its last four letters.
fn masker(form: &CopyForm, technique: Technique) -> CopyMasker {
    let mask = ColumnMask {
        mask: "m".into(),
        technique,
        kind: CellKind::Text,
    };
    let names = ["plain".to_owned(), "hidden".to_owned()];
    CopyMasker::new(
        form,
        &names,
        RowMasker::new(vec![None, Some(mask)], MaskKey::new([7; 32])),
    )
}

/// What comes out, without the heads of messages, when the bytes come in pieces.
fn out(mut masker: CopyMasker, pieces: &[&[u8]]) -> Result<(Vec<u8>, u64), CopyError> {
    let mut all = Vec::new();
    for piece in pieces {
        for frame in masker.take(piece, &mut SessionNet::default())? {
            match frame.into_inner() {
                Frame::Verbatim(bytes) => all.extend_from_slice(&bytes.0[5..]),
                Frame::Row(_) => panic!("copied rows are framed"),
            }
        }
    }
    let counts = masker.end()?.masked().get("m").copied().unwrap_or_default();
    Ok((all, counts))
}

fn check(form: &CopyForm, rows: &[u8], wanted: &[u8], masked: u64) {
    let technique = || Technique::Partial { keep: 4 };
    for cut in 0..=rows.len() {
        let (left, right) = rows.split_at(cut);
        let found = out(masker(form, technique()), &[left, right]).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&found.0),
            String::from_utf8_lossy(wanted),
            "cut at {cut}"
        );
        assert_eq!(found.1, masked);
    }
    let bytes: Vec<&[u8]> = rows.chunks(1).collect();
    assert_eq!(out(masker(form, technique()), &bytes).unwrap().0, wanted);
}

#[test]
fn text_rows_are_masked_cell_by_cell() {
    check(
        &text(false),
        b"1\t123-45-6789\n\\N\t\\N\n\\t\\\\\\n\tab\\tc\\\\defgh\n\t\n",
        b"1\t***-**-6789\n\\N\t\\N\n\\t\\\\\\n\t**\\t*\\\\*efgh\n\t\n",
        3,
    );
    check(
        &text(true),
        b"plain\thidden\n1\tabcdefgh\n",
        b"plain\thidden\n1\t****efgh\n",
        1,
    );
    let form = CopyForm::Text {
        delimiter: b'|',
        null: b"none".to_vec(),
        header: false,
    };
    check(
        &form,
        b"a\\|b|abcd\\|efgh\nnone|none\n",
        b"a\\|b|****\\|efgh\nnone|none\n",
        1,
    );
}

#[test]
fn csv_rows_are_masked_cell_by_cell() {
    let form = CopyForm::Csv(csv());
    check(
        &form,
        b"1,123-45-6789\n,\n\"\",\"\"\n\"a,\"\"b\nc\",\"abcd,\"\"\nefgh\"\n",
        b"1,***-**-6789\n,\n\"\",\"\"\n\"a,\"\"b\nc\",\"****,\"\"\nefgh\"\n",
        3,
    );
    let form = CopyForm::Csv(CsvOptions {
        delimiter: b';',
        null: b"NULL".to_vec(),
        quote: b'\'',
        escape: b'\\',
        header: true,
        force_quote: Some(vec!["hidden".to_owned()]),
    });
    check(
        &form,
        b"plain;hidden\n'\\\\;\\'';'abcdefgh'\nNULL;NULL\n'NULL';'NULL'\n",
        b"plain;hidden\n'\\\\;\\'';'****efgh'\nNULL;NULL\n'NULL';'****'\n",
        2,
    );
}

#[test]
fn a_masked_value_that_reads_as_null_is_quoted() {
    let form = CopyForm::Csv(CsvOptions {
        null: b"[redacted]".to_vec(),
        ..csv()
    });
    let found = out(masker(&form, Technique::Redact), &[b"1,x\n[redacted],[redacted]\n"]).unwrap();
    assert_eq!(found.0, b"1,\"[redacted]\"\n[redacted],[redacted]\n");
    let found = out(masker(&form, Technique::Null), &[b"1,x\n"]).unwrap();
    assert_eq!(found.0, b"1,[redacted]\n");
}

/// Rows in binary form, with header and trailer.
fn binary(rows: &[[Option<&[u8]>; 2]]) -> Vec<u8> {
    let mut bytes = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for row in rows {
        bytes.extend(2_i16.to_be_bytes());
        for cell in row {
            let length = cell.map_or(-1, |cell| i32::try_from(cell.len()).unwrap());
            bytes.extend(length.to_be_bytes());
            bytes.extend_from_slice(cell.unwrap_or_default());
        }
    }
    bytes.extend((-1_i16).to_be_bytes());
    bytes
}

#[test]
fn binary_rows_are_masked_cell_by_cell() {
    check(
        &CopyForm::Binary,
        &binary(&[
            [Some(b"\0\xff"), Some(b"123-45-6789")],
            [None, None],
            [Some(b""), Some(b"")],
        ]),
        &binary(&[
            [Some(b"\0\xff"), Some(b"***-**-6789")],
            [None, None],
            [Some(b""), Some(b"")],
        ]),
        2,
    );
}

#[test]
fn refuses_rows_that_are_not_as_the_server_writes_them() {
    let refused = |form: &CopyForm, rows: &[u8], wanted: CopyError| {
        let found = out(masker(form, Technique::Redact), &[rows]);
        assert_eq!(found, Err(wanted), "{}", rows.escape_ascii());
    };
    let csv = CopyForm::Csv(csv());
    let within = CopyError::Shape("it ends within a row");
    refused(&text(false), b"1\t2\t3\n", CopyError::Width);
    refused(&text(false), b"1\n", CopyError::Width);
    refused(&text(false), b"1\t2", within);
    refused(&csv, b"1,\"2\n", within);
    refused(
        &csv,
        b"1,\"2\"3\n",
        CopyError::Shape("something follows a closing quote"),
    );
    refused(&CopyForm::Binary, b"", within);
    let mut trailing = binary(&[]);
    trailing.push(0);
    refused(
        &CopyForm::Binary,
        &trailing,
        CopyError::Shape("something follows its end"),
    );
    let mut flags = binary(&[]);
    flags[14] = 1;
    refused(&CopyForm::Binary, &flags, CopyError::Shape("its header is another one"));
    let mut below = binary(&[]);
    let end = below.len();
    below[end - 1] = 0xfe;
    refused(
        &CopyForm::Binary,
        &below,
        CopyError::Shape("a row has less than no cells"),
    );
}

proptest! {
    /// Whatever a cell holds, it is read as what was written, and neither swallows nor leaves a part of its row.
    #[test]
    fn what_is_written_is_read(cells in proptest::collection::vec("[a-z\\\\\"',;\t\n\r\\.N|]{0,12}", 2), cut in 0_usize..60) {
        for form in [text(false), CopyForm::Csv(csv()), CopyForm::Binary] {
            let names = ["plain".to_owned(), "hidden".to_owned()];
            let none = RowMasker::new(vec![None, None], MaskKey::new([7; 32]));
            let mut masker = CopyMasker::new(&form, &names, none);
            let values = cells.iter().enumerate();
            let written: Vec<_> = values.map(|(column, cell)| masker.format.write(column, 2, Some(cell.as_bytes()))).collect();
            for (cell, written) in cells.iter().zip(&written) {
                prop_assert_eq!(masker.format.read(written), Some(cell.as_bytes().to_vec()));
            }
            let row = masker.format.row(&written);
            let (header, trailer): (&[u8], &[u8]) = match form {
                CopyForm::Binary => (b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", b"\xff\xff"),
                _ => (b"", b""),
            };
            let all = [header, &row, &row, trailer].concat();
            let (left, right) = all.split_at(cut.min(all.len()));
            let mut found = Vec::new();
            let mut net = SessionNet::default();
            let frames = [left, right].map(|piece| masker.take(piece, &mut net).unwrap());
            for frame in frames.into_iter().flatten() {
                if let Frame::Verbatim(bytes) = frame.into_inner() {
                    found.extend_from_slice(&bytes.0[5..]);
                }
            }
            prop_assert_eq!(found, all);
            prop_assert!(masker.end().is_ok());
        }
    }
}

//! CSV and TSV.

use exhibit_documents::{COLUMNS_MAX, RECORD_BYTES_MAX, Reason};
use proptest::prelude::*;

use super::{check, format, masked, masker, masks, net, policy, refused};

#[test]
fn cells_of_masked_columns_are_masked_and_all_others_keep_their_bytes() {
    let both = masks(&[
        ("d.ssn", "\"partial\"\nkeep = 4"),
        ("d.last", "\"redact\""),
        ("d.born", "\"year\""),
    ]);
    let policy = policy(&format("csv"), &both);
    check(
        &policy,
        "id,ssn,last,born,note\n1,999-12-3456,Duran,1970-02-03,\"a \"\"b\"\", c\"\n2,,\"\",x,\n",
        "id,ssn,last,born,note\n1,***-**-3456,[redacted],1970-01-01,\"a \"\"b\"\", c\"\n2,,\"[redacted]\",,\n",
    );
    // Line ends, a mark of the byte order, quotes around line ends, no line end at the end, empty lines.
    check(
        &policy,
        "\u{feff}id,ssn,\"last\",born,note\r\n\r\n1,999-12-3456,\"Du\r\nran\",,\"x\ny\"\r\n2,a,b,,c",
        "\u{feff}id,ssn,\"last\",born,note\r\n\r\n1,***-**-3456,\"[redacted]\",,\"x\ny\"\r\n2,*,[redacted],,c",
    );
    check(&policy, "", "");
}

#[test]
fn columns_are_found_in_small_letters_around_blanks_and_by_number() {
    let redacted = masks(&[("d.ssn", "\"redact\"")]);
    check(
        &policy(&format("csv"), &redacted),
        " SSN ,a\n1,2\n",
        " SSN ,a\n[redacted],2\n",
    );
    let second = masks(&[("d.2", "\"redact\"")]);
    let bare = policy("format = \"tsv\"\nheader = false", &second);
    check(&bare, "1\t2,\"\t3\n".replace('"', "").as_str(), "1\t[redacted]\t3\n");
    check(&bare, "1\t\"2,\"\t3\n4\t5\t6", "1\t\"[redacted]\"\t3\n4\t[redacted]\t6");
    let many = masks(&[("*.s*", "\"null\"")]);
    check(
        &policy(&format("csv"), &many),
        "ssn,sex,a\n1,\"2\",3\n",
        "ssn,sex,a\n,,3\n",
    );
}

#[test]
fn a_masked_cell_is_quoted_where_it_has_to_be() {
    let partial = masks(&[("d.a", "\"partial\"\nkeep = 1")]);
    let policy = policy(&format("csv"), &partial);
    check(&policy, "a,b\n\"x,\"\"y\"\"\",1\n", "a,b\n\"*,\"\"y\"\"\",1\n");
}

#[test]
fn what_no_mask_takes_goes_through_the_net() {
    let both = masks(&[("d.ssn", "\"token\"")]) + &net("\"ssn\", \"email\"");
    let policy = policy(&format("csv"), &both);
    let found = String::from_utf8(
        masked(
            &policy,
            b"ssn,note,SSN2\n999-12-3456,\"call 123-45-6789, or a@example.org\",plain\n",
        )
        .unwrap(),
    );
    let found = found.unwrap();
    assert!(found.starts_with("ssn,note,SSN2\ntok_"), "{found}");
    assert!(found.ends_with(",\"call [ssn], or [email]\",plain\n"), "{found}");
}

#[test]
fn quotes_around_the_ends_of_cells_are_refused_where_tabs_separate_them() {
    let second = policy("format = \"tsv\"\nheader = false", &masks(&[("d.2", "\"redact\"")]));
    let wanted = "record 1: a cell in quotes holds a tab or a line end";
    for document in [
        "\"abc\t111-11-1111\ndef\"\t222-22-2222\n",
        "\"abc\t\"\t222-22-2222\n",
        "1\t\"a\nb\"\n",
        "1\t\"a\rb\"\n",
    ] {
        refused(&second, document.as_bytes(), wanted);
    }
    check(&second, "\"a \"\"b\"\"\"\t\"c\"\n", "\"a \"\"b\"\"\"\t\"[redacted]\"\n");
}

#[test]
fn evidence_calls_a_column_by_its_number_and_never_by_its_header() {
    let both = net("\"ssn\", \"email\"");
    let policy = policy("format = \"csv\"\nphi = false", &both);
    let (mut masker, mut net) = masker(&policy);
    let header = format!("id,Duran 123-45-6789,{}\n", "Kowalczyk".repeat(9_000));
    masker.push(header.as_bytes(), &mut net).unwrap();
    masker.push(b"1,saw 123-45-6789,to a@example.org\n", &mut net).unwrap();
    masker.finish(&mut net).unwrap();
    let columns: Vec<_> = net.take().into_iter().filter_map(|one| one.column).collect();
    assert_eq!(columns, ["d.#2", "d.#3"]);
}

#[test]
fn a_first_row_of_data_is_no_header_of_a_table_with_phi() {
    let star = masks(&[("d.*", "\"redact\"")]);
    let strict = policy(&format("csv"), &star);
    let wanted = "record 1: its header has a cell that names no column";
    for header in [
        "id,,note",
        "id,\" \",note",
        "id,\u{200b},note",
        "id,note,Note",
        "id,note,no\u{200b}te",
        "1,note,born",
        "id,999-12-3456,born",
        "id,a@example.org,born",
        "id,born,1970-02-03",
    ] {
        refused(&strict, format!("{header}\n1,2,3\n").as_bytes(), wanted);
    }
    check(
        &strict,
        "id,ssn,born\n1,2,3\n",
        "id,ssn,born\n[redacted],[redacted],[redacted]\n",
    );
    // Words that tables are full of are names.
    let words = "FIRST,LAST,MAIDEN,PREFIX,SUFFIX,ZIP,CITY,STATE,Date of Birth,DEA,patient_name,Dr,address2,icd10,hba1c,ip_address";
    let found = masked(&strict, format!("{words}\n").as_bytes()).unwrap();
    assert_eq!(String::from_utf8(found).unwrap(), format!("{words}\n"));
    // Where nothing has to be masked, any row may be one, as far as nets let it.
    let loose = policy("format = \"csv\"\nphi = false", "");
    check(&loose, "1,999-12-3456,\n", "1,999-12-3456,\n");
}

#[test]
fn a_table_with_phi_has_a_column_with_a_mask() {
    let star = masks(&[("d.s*", "\"redact\"")]);
    let wanted = "record 1: no mask is for any of its columns";
    refused(&policy(&format("csv"), &star), b"id,note\n1,2\n", wanted);
    refused(&policy(&format("csv"), &net("\"ssn\"")), b"id,note\n1,2\n", wanted);
    refused(&policy("format = \"tsv\"\nheader = false", &star), b"1\t2\n", wanted);
    check(
        &policy(&format("csv"), &star),
        "id,\u{200b}social\n1,2\n",
        "id,\u{200b}social\n1,[redacted]\n",
    );
}

#[test]
fn what_is_no_table_is_refused() {
    let redacted = masks(&[("d.ssn", "\"redact\"")]);
    let strict = policy(&format("csv"), &redacted);
    for (document, wanted) in [
        (
            &b"ssn,a\n1\n"[..],
            "record 2: it has 1 cells where the table has 2 columns",
        ),
        (
            b"ssn,a\n1,2,3\n",
            "record 2: it has 3 cells where the table has 2 columns",
        ),
        (b"ssn,a\n1,2\"3\n", "record 2: a quote stands"),
        (b"ssn,a\n1,\"2\"3\n", "record 2: a quote stands"),
        (b"ssn,a\n1,\"2", "record 2: the document ends inside"),
        (b"ssn,a\n1,2\r3,4\n", "record 2: a carriage return stands alone"),
        (b"ssn,a\n1,2\r", "record 2: a carriage return stands alone"),
        (b"ssn,a\n1,\xff\n", "record 2: it is no UTF-8 text"),
        (b"ssn,a\n1,\0\n", "record 2: it has a zero byte"),
        (b"s\0s\0n\0\n\0", "record 1: it has a zero byte"),
        (b"\xff\xfes\0,\0", "record 1: it has a zero byte"),
        (
            b"id,social\n1,2\n",
            "record 1: the table has no column as the mask m-d.ssn names it",
        ),
        (
            b"PAR1\x15\x04",
            "record 1: it is a Parquet file, in which nothing is masked",
        ),
    ] {
        refused(&strict, document, wanted);
    }
}

#[test]
fn limits_hold_at_and_past_the_edge() {
    let plain = policy("format = \"csv\"\nheader = false\nphi = false", "");
    let row = |columns: usize| vec!["a"; columns].join(",") + "\n";
    assert!(masked(&plain, row(COLUMNS_MAX).as_bytes()).is_ok());
    refused(&plain, row(COLUMNS_MAX + 1).as_bytes(), "columns");
    let long = |bytes: usize| "a".repeat(bytes - 1) + "\n";
    assert!(masked(&plain, long(RECORD_BYTES_MAX).as_bytes()).is_ok());
    let error = masked(&plain, long(RECORD_BYTES_MAX + 1).as_bytes()).unwrap_err();
    assert!(error.to_string().starts_with("record 1: it has more than"), "{error}");
}

/// Cells of a table: any text, and among it what has to be quoted.
fn cells() -> impl Strategy<Value = Vec<Vec<String>>> {
    let cell = prop_oneof!["[a-z0-9 ]{0,8}", "[\",\r\n\ta-c]{0,6}", "\\PC{0,6}"];
    proptest::collection::vec(proptest::collection::vec(cell, 3), 1..12)
}

proptest! {
    #[test]
    fn another_parser_reads_what_is_masked(rows in cells(), tabs: bool, crlf: bool) {
        let separator = if tabs { b'\t' } else { b',' };
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().delimiter(separator).terminator(terminator).from_writer(Vec::new());
        writer.write_record(["a", "b", "c"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let document = writer.into_inner().unwrap();
        let redacted = masks(&[("d.b", "\"redact\"")]);
        let policy = policy(&format(if tabs { "tsv" } else { "csv" }), &redacted);
        let ends = |cell: &String| cell.contains(['\t', '\r', '\n']);
        if tabs && rows.iter().flatten().any(ends) {
            prop_assert_eq!(masked(&policy, &document).unwrap_err().reason, Reason::QuotedTab);
            return Ok(());
        }
        let found = masked(&policy, &document).unwrap();
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(&found[..]);
        let read: Vec<Vec<String>> = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        let wanted: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                let second = if row[1].is_empty() { "" } else { "[redacted]" };
                vec![row[0].clone(), second.to_owned(), row[2].clone()]
            })
            .collect();
        prop_assert_eq!(read, wanted);
    }
}

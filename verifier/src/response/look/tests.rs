use exhibit_policy::mask::Technique;
use exhibit_policy::mask::ff1::Alphabet;
use exhibit_policy::mask::path::{Path, PathMask};

use super::looks_like;

fn check(technique: &Technique, data_type: &str, cell: &[u8], wanted: bool) {
    let shown = String::from_utf8_lossy(cell);
    assert_eq!(
        looks_like(technique, data_type, cell),
        wanted,
        "{technique:?} {data_type} {shown}"
    );
}

#[test]
fn masked_texts_look_as_their_technique_leaves_them() {
    let token = Technique::Token { domain: "mrn".into() };
    let partial = Technique::Partial { keep: 4 };
    for (technique, cell, wanted) in [
        (&Technique::Redact, "[redacted]", true),
        (&Technique::Redact, "\"[redacted]\"", true),
        (&Technique::Redact, "[redacted] ", false),
        (&Technique::Null, "", false),
        (&partial, "***-**-1234", true),
        (&partial, "**1-**-1234", false),
        (&partial, "\"**\\n1234\"", true),
        (&token, "tok_0123456789abcdef0123456789abcdef", true),
        (&token, "tok_0123456789abcdef0123456789abcdeF", false),
        (&token, "tok_0123456789abcdef0123456789abcde", false),
        (&Technique::Year, "1970-01-01", true),
        (&Technique::Detect, "Dr. [name] called", true),
        (&Technique::Year, "1970-01-02", false),
        (&Technique::Year, "1970-01-01 BC", false),
    ] {
        check(technique, "text", cell.as_bytes(), wanted);
    }
    check(&Technique::Redact, "text", &[0xff], false);
    check(&Technique::Detect, "text", &[0xff], false);
    check(&Technique::Redact, "jsonb", b"\x01\"[redacted]\"", true);
    check(&Technique::Redact, "jsonb", b"\x01{\"a\":1}", false);
}

#[test]
fn a_first_of_january_is_taken_in_every_style_of_dates() {
    for (data_type, cell, wanted) in [
        ("date", "01.01.1970", true),
        ("date", "01/01/1970", true),
        ("date", "01-01-1970", true),
        ("date", "02.01.1970", false),
        ("date", "01/02/1970", false),
        ("date", "01.01.1970 00:00:00", false),
        ("timestamp", "01/01/1970 00:00:00", true),
        ("timestamp", "01/01/1970 00:00:01", false),
        ("timestamp", "Thu Jan 01 00:00:00 1970", true),
        ("timestamp", "Thu 01 Jan 00:00:00 1970", true),
        ("timestamp", "Thu Jan 02 00:00:00 1970", false),
        ("timestamp", "Any Jan 01 00:00:00 1970", false),
        ("timestamptz", "01.01.1970 00:00:00 JST", true),
        ("timestamptz", "01.01.1970 00:00:00", false),
        ("timestamptz", "Thu Jan 01 00:00:00 1970 +0530", true),
        ("int4", "01.01.1970", false),
    ] {
        let fits = looks_like(&Technique::Year, data_type, cell.as_bytes());
        assert_eq!(fits, wanted, "{data_type} {cell}");
    }
}

#[test]
fn values_that_are_cut_look_so_in_both_formats() {
    let shift = Technique::DateShift {
        domain: "d".into(),
        days: 365,
        person: None,
    };
    let ff1 = Technique::Ff1 {
        domain: "d".into(),
        alphabet: Alphabet::Digits,
    };
    let paths = Technique::Paths {
        paths: vec![PathMask {
            path: Path::parse("/a").unwrap(),
            technique: Technique::Redact,
        }],
        rest: Some(Box::new(Technique::Null)),
    };
    for (technique, data_type, cell, wanted) in [
        (&Technique::Zip3, "text", &b"12300"[..], true),
        (&Technique::Zip3, "text", b"00000", true),
        (&Technique::Zip3, "text", b"12345", false),
        (&Technique::Zip3, "text", b"03600", false),
        (&Technique::Zip3, "int4", b"12300", true),
        (&Technique::Zip3, "int4", &12_345_i32.to_be_bytes(), false),
        (&Technique::Age, "int4", b"90", true),
        (&Technique::Age, "int4", b"91", false),
        (&Technique::Age, "int4", &90_i32.to_be_bytes(), true),
        (&Technique::Age, "int2", &91_i16.to_be_bytes(), false),
        (&Technique::Age, "text", b"93", false),
        (&Technique::Age, "numeric", b"89.5", true),
        (&Technique::Age, "numeric", b"90.5", false),
        (&Technique::Age, "numeric", &[0, 1, 0, 0, 0, 0, 0, 0, 0, 90], true),
        (&Technique::Age, "numeric", &[0, 1, 0, 0, 0, 0, 0, 0, 0, 91], false),
        (
            &Technique::Age,
            "numeric",
            &[0, 2, 0, 0, 0, 0, 0, 1, 0, 90, 0x13, 0x88],
            false,
        ),
        (
            &Technique::Age,
            "numeric",
            &[0, 2, 0, 0, 0, 0, 0, 1, 0, 89, 0x13, 0x88],
            true,
        ),
        (&Technique::Age, "numeric", &[0, 1, 0, 1, 0, 0, 0, 0, 0, 9], false),
        (&Technique::Age, "text", b"+9", false),
        (&Technique::Zip3, "numeric", b"12300", false),
        (&Technique::Zip3, "int4", b"3600", false),
        (&shift, "date", b"1970-02-03", true),
        (&shift, "date", b"Ann", false),
        (&shift, "timestamp", &1_i64.to_be_bytes(), true),
        (&ff1, "text", b"123-456", true),
        (&ff1, "text", b"12345", false),
        (&ff1, "text", b"A12345678", false),
        (&ff1, "int4", b"-123456", false),
        (&ff1, "int4", b"999999999", true),
        (&ff1, "int4", b"1000000000", false),
        (&ff1, "int2", b"12345", false),
        (&ff1, "numeric", b"1234567", false),
        (&shift, "text", b"1970-02-03T10:00Z", true),
        (&shift, "text", b"1970-02-03 Ann", false),
        (&shift, "date", b"1970-02-03 10:00:00", false),
        (&shift, "date", b"31.12.1970", true),
        (&shift, "timestamptz", b"1970-02-03 10:00:00.5+05:53:28", true),
        (&shift, "timestamp", b"Thu Jan 01 00:00:00 1970", true),
        (&shift, "timestamp", b"infinity", false),
        (&shift, "date", &i32::MAX.to_be_bytes(), false),
        (&shift, "timestamp", &i64::MAX.to_be_bytes(), false),
        (&paths, "json", b"{\"a\":\"[redacted]\",\"b\":null}", true),
        (&paths, "jsonb", b"\x01{\"a\":[\"[redacted]\", 0],\"b\":null}", true),
        (&paths, "json", b"{\"a\":\"Ann\"}", false),
        (&paths, "json", b"{\"a\":true}", false),
        (&paths, "json", b"{\"a\":-1234567}", false),
        (&paths, "json", b"{\"b\":\"Ann\"}", false),
        (&paths, "json", b"{\"a\":", false),
        (&paths, "text", b"{}", false),
    ] {
        check(technique, data_type, cell, wanted);
    }
}

#[test]
fn masked_values_of_other_types_look_so_in_both_formats() {
    let token = Technique::Token { domain: "mrn".into() };
    let tokens = b"{tok_0123456789abcdef0123456789abcdef,NULL}";
    let new_year_2001 = 366 * 86_400_000_000_i64;
    for (technique, data_type, cell, wanted) in [
        (&Technique::Redact, "int4", &b"0"[..], true),
        (&Technique::Redact, "int4", &[0, 0, 0, 0], true),
        (&Technique::Redact, "int4", &[0, 0, 0, 7], false),
        (&Technique::Redact, "int8", &[0, 0, 0, 0], false),
        (&Technique::Redact, "int4", b"12", false),
        (&token, "int4", b"2147483647", true),
        (&token, "int4", b"-1", false),
        (&token, "int4", &[0x7f, 0xff, 0xff, 0xff], true),
        (&token, "int4", &[0xff, 0xff, 0xff, 0xff], false),
        (&Technique::Year, "int4", b"1970", false),
        (&Technique::Redact, "numeric", &[0; 8], true),
        (&Technique::Redact, "numeric", &[0, 1, 0, 0, 0, 0, 0, 0, 0, 7], false),
        (&token, "numeric", &[0, 1, 0, 0, 0, 0, 0, 0, 0, 7], true),
        (&token, "numeric", &[0, 1, 0, 0, 0x40, 0, 0, 0, 0, 7], false),
        (&token, "numeric", b"1.5", false),
        (
            &Technique::Redact,
            "uuid",
            b"00000000-0000-0000-0000-000000000000",
            true,
        ),
        (&Technique::Redact, "uuid", &[0; 16], true),
        (
            &Technique::Redact,
            "uuid",
            b"00000000-0000-0000-0000-000000000001",
            false,
        ),
        (&token, "uuid", b"82a09473-289e-88df-8c56-d19e316d4d40", true),
        (&token, "uuid", b"82a09473-289e-48df-8c56-d19e316d4d40", false),
        (&token, "uuid", b"82a09473-289e-88df-7c56-d19e316d4d40", false),
        (&token, "bytea", &[7; 16], true),
        (&token, "bytea", &[7; 15], false),
        (&token, "bytea", b"\\x82a09473289e88df8c56d19e316d4d40", true),
        (&Technique::Redact, "bytea", b"\\x5b72656461637465645d", true),
        (&Technique::Redact, "bytea", b"[redacted]", true),
        (&Technique::Redact, "bytea", b"\\x00", false),
        (&Technique::Year, "date", &[0; 4], true),
        (&Technique::Year, "date", &[0, 0, 0, 1], false),
        (&Technique::Year, "date", b"1970-01-01", true),
        (&Technique::Year, "date", b"1970-01-02", false),
        (&token, "date", b"1970-01-01", false),
        (&Technique::Year, "timestamp", b"1970-01-01 00:00:00", true),
        (&Technique::Year, "timestamp", b"1970-01-01 00:00:01", false),
        (&Technique::Year, "timestamp", &new_year_2001.to_be_bytes(), true),
        (&Technique::Year, "timestamp", &1_i64.to_be_bytes(), false),
        (&Technique::Year, "timestamptz", b"1970-01-01 00:00:00+05:30", true),
        (
            &Technique::Year,
            "timestamptz",
            b"1970-01-01 00:00:00+05 and more",
            false,
        ),
        (
            &Technique::Year,
            "timestamptz",
            &(new_year_2001 - 3_600_000_000).to_be_bytes(),
            true,
        ),
        (
            &Technique::Year,
            "timestamptz",
            &(2 * new_year_2001 / 3).to_be_bytes(),
            false,
        ),
        (&token, "text[]", tokens, true),
        (&token, "text[]", b"{Ann}", false),
        (&token, "text[]", b"{}", true),
        (&token, "text[]", b"Ann", false),
        (&Technique::Redact, "text[]", b"{[redacted]}", true),
        (&Technique::Redact, "text[]", b"{[redacted],[redacted]}", false),
        (
            &Technique::Redact,
            "int4[]",
            &[
                0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0,
            ],
            true,
        ),
        (
            &Technique::Redact,
            "int4[]",
            &[
                0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9,
            ],
            false,
        ),
    ] {
        check(technique, data_type, cell, wanted);
    }
}

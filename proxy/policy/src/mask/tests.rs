use std::collections::BTreeSet;

use exhibit_schemas::event::access::Frame;
use proptest::prelude::*;

use super::apply::apply;
use super::ff1::Alphabet;
use super::shift::{DAYS_MAX, days};
use super::value::{Day, Decimal, Integer, Moment, Value, hyphenated};
use super::{CellKind, ColumnMask, MaskError, MaskKey, Masked, RowMasker, Technique};
use crate::net::SessionNet;

fn masked(technique: Technique, kind: CellKind, value: &str) -> Option<String> {
    let column = ColumnMask {
        mask: "m".into(),
        technique,
        kind,
    };
    let mut masker = RowMasker::new(vec![Some(column)], MaskKey::new([7; 32]));
    let row = masker
        .row(vec![Some(value.as_bytes().to_vec())], &mut SessionNet::default())
        .unwrap();
    assert_eq!(masker.masked()["m"], 1);
    match row.into_inner() {
        Frame::Row(cells) => cells[0].as_ref().map(|cell| String::from_utf8(cell.0.clone()).unwrap()),
        Frame::Verbatim(_) => panic!("a row stays a row"),
    }
}

#[test]
fn a_part_has_no_more_rows_than_bytes_and_rows_move_to_frames_that_have_them() {
    let frame = |bytes: usize, rows: u64| Masked {
        rows,
        ..Masked::framing(vec![b'x'; bytes])
    };
    for (range, bytes, rows) in [(0..10, 10, 7), (2..5, 3, 3), (9..20, 0, 0), (4..4, 0, 0)] {
        let part = frame(10, 7).part(range.clone());
        let Frame::Verbatim(found) = part.get() else {
            panic!("verbatim stays verbatim")
        };
        assert_eq!((found.0.len(), part.rows()), (bytes, rows), "{range:?}");
    }
    let mut frames = [frame(0, 5), frame(3, 0), frame(9, 1), frame(1, 4)];
    Masked::spread(&mut frames);
    assert_eq!(frames.map(|frame| frame.rows()), [0, 3, 3, 1]);
}

#[test]
fn pieces_are_the_same_bytes_and_rows_stay_whole() {
    let bytes: Vec<u8> = (0..=255).collect();
    for size in [1, 7, 255, 256, 257] {
        let whole = Masked::framing(bytes.clone());
        let pieces: Vec<Frame> = whole.pieces(size).map(Masked::into_inner).collect();
        let verbatim = |frame: &Frame| match frame {
            Frame::Verbatim(piece) => piece.0.clone(),
            Frame::Row(_) => panic!("it was none"),
        };
        assert!(pieces.iter().all(|piece| (1..=size).contains(&verbatim(piece).len())));
        assert_eq!(pieces.iter().flat_map(verbatim).collect::<Vec<u8>>(), bytes);
    }
    let mut masker = RowMasker::new(vec![None, None], MaskKey::new([7; 32]));
    let row = masker.row(vec![Some(bytes), None], &mut SessionNet::default()).unwrap();
    assert_eq!(row.clone().pieces(1).collect::<Vec<_>>(), [row]);
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn integer(number: i64, max: i64) -> Value {
    Value::Integer(Integer::new(number, max).unwrap())
}

fn decimal(value: &str) -> Value {
    Value::Decimal(Decimal::parse(value).unwrap())
}

fn date(value: &str) -> Value {
    Value::Date(Day::read_iso(value).unwrap().0)
}

fn moment(value: &str, micros: i64) -> Value {
    Value::Moment(Moment {
        day: Day::read_iso(value).unwrap().0,
        micros,
        offset_s: Some(3_600),
    })
}

fn uuid(value: &str) -> Value {
    let mut bytes = [0; 16];
    hex::decode_to_slice(value.replace('-', ""), &mut bytes).unwrap();
    Value::Uuid(bytes)
}

fn list(values: &[Option<Value>]) -> Value {
    Value::List(values.to_vec())
}

fn token() -> Technique {
    Technique::Token { domain: "mrn".into() }
}

/// What a test may show of a value.
fn shown(value: Option<&Value>) -> String {
    match value {
        None => "NULL".into(),
        Some(Value::Text(text)) => format!("text {text}"),
        Some(Value::Json(text)) => format!("json {text}"),
        Some(Value::Integer(integer)) => format!("integer {}", integer.number),
        Some(Value::Decimal(decimal)) => format!("decimal {}", decimal.as_str()),
        Some(Value::Date(day)) => format!("date {}", day.iso()),
        Some(Value::Moment(moment)) => format!("moment {} {} {:?}", moment.day.iso(), moment.micros, moment.offset_s),
        Some(Value::Uuid(uuid)) => format!("uuid {}", hyphenated(uuid)),
        Some(Value::Bytes(bytes)) => format!("bytes {}", hex::encode(bytes)),
        Some(Value::List(values)) => {
            let values: Vec<String> = values.iter().map(|value| shown(value.as_ref())).collect();
            format!("list [{}]", values.join(", "))
        }
        Some(Value::Other(text)) => format!("other {text}"),
    }
}

fn check(technique: &Technique, value: Value, wanted: &str) {
    let case = shown(Some(&value));
    let found = apply(technique, value, &MaskKey::new([7; 32]));
    assert_eq!(shown(found.as_ref()), wanted, "{technique:?} of {case}");
}

#[test]
fn each_technique_keeps_the_type_valid() {
    let json = |value: &str| Value::Json(value.into());
    let partial = |keep| Technique::Partial { keep };
    let note = "Dr. Young called 212-555-0123 about the CT.";
    for (technique, value, wanted) in [
        (Technique::Redact, text("Ann"), "text [redacted]"),
        (Technique::Redact, json("{\"a\":1}"), "json \"[redacted]\""),
        (Technique::Redact, integer(12, 0x7fff), "integer 0"),
        (Technique::Redact, decimal("12.50"), "decimal 0"),
        (Technique::Redact, date("1970-02-03"), "NULL"),
        (Technique::Redact, moment("1970-02-03", 1), "NULL"),
        (
            Technique::Redact,
            uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
            "uuid 00000000-0000-0000-0000-000000000000",
        ),
        (Technique::Redact, Value::Bytes(vec![1]), "bytes 5b72656461637465645d"),
        (
            Technique::Redact,
            list(&[None, Some(text("a")), Some(text("b"))]),
            "list [text [redacted]]",
        ),
        (Technique::Redact, list(&[None, None]), "list []"),
        (Technique::Redact, list(&[Some(date("1970-02-03"))]), "list [NULL]"),
        (Technique::Null, text("Ann"), "NULL"),
        (Technique::Null, list(&[Some(text("a"))]), "NULL"),
        (Technique::Null, list(&[]), "NULL"),
        (token(), list(&[]), "NULL"),
        (token(), list(&[None]), "NULL"),
        (Technique::Year, date("1970-02-03"), "date 1970-01-01"),
        (
            Technique::Year,
            moment("1970-02-03", 5),
            "moment 1970-01-01 0 Some(3600)",
        ),
        (Technique::Year, text("1970-02-03 and more"), "text 1970-01-01"),
        (Technique::Year, text("0044-03-15 BC"), "NULL"),
        (Technique::Year, text("infinity"), "NULL"),
        (Technique::Year, integer(1970, i64::MAX), "NULL"),
        (Technique::Year, json("\"1970-02-03\""), "NULL"),
        (partial(4), text("123-45-6789"), "text ***-**-6789"),
        (partial(4), text("12-345"), "text **-***"),
        (partial(1), integer(123_456, i64::MAX), "NULL"),
        (partial(1), list(&[Some(text("abc")), None]), "list [text **c, NULL]"),
        (partial(1), list(&[Some(integer(1, 9)), None]), "NULL"),
        (
            Technique::Detect,
            text(note),
            "text Dr. [name] called [phone] about the CT.",
        ),
        (Technique::Detect, text("stable"), "text stable"),
        (
            Technique::Detect,
            json("{\"ssn\": 1,  \"n\": \"a@b.org\"}"),
            "json {\"ssn\": \"[ssn]\",  \"n\": \"[email]\"}",
        ),
        (Technique::Detect, date("1970-02-03"), "NULL"),
        (Technique::Detect, integer(12, i64::MAX), "NULL"),
        (token(), date("1970-02-03"), "NULL"),
        (token(), moment("1970-02-03", 0), "NULL"),
        (token(), list(&[Some(list(&[]))]), "NULL"),
    ] {
        check(&technique, value, wanted);
    }
}

#[test]
fn dates_ages_and_zip_codes_are_cut_as_the_rule_wants() {
    let json = |value: &str| Value::Json(value.into());
    for (technique, value, wanted) in [
        (Technique::Zip3, text("12345"), "text 12300"),
        (Technique::Zip3, text("12345-6789"), "text 12300"),
        (Technique::Zip3, text("123456789"), "text 12300"),
        (Technique::Zip3, text("00501"), "text 00500"),
        (Technique::Zip3, text("03601"), "text 00000"),
        (Technique::Zip3, text("89399"), "text 00000"),
        (Technique::Zip3, text("1234"), "NULL"),
        (Technique::Zip3, text("12345-"), "NULL"),
        (Technique::Zip3, text("12345-678"), "NULL"),
        (Technique::Zip3, text("1234567890"), "NULL"),
        (Technique::Zip3, text("SW1A 1AA"), "NULL"),
        (Technique::Zip3, text("1234é"), "NULL"),
        (Technique::Zip3, integer(12_345, 0x7fff_ffff), "integer 12300"),
        (Technique::Zip3, integer(501, 0x7fff), "integer 500"),
        (Technique::Zip3, integer(3_601, 0x7fff), "integer 0"),
        (Technique::Zip3, integer(99_999, 0x7fff_ffff), "integer 99900"),
        (Technique::Zip3, integer(100_000, 0x7fff_ffff), "NULL"),
        (Technique::Zip3, integer(-1, 0x7fff_ffff), "NULL"),
        (Technique::Zip3, decimal("12345"), "NULL"),
        (Technique::Age, integer(0, 0x7fff), "integer 0"),
        (Technique::Age, integer(89, 0x7fff), "integer 89"),
        (Technique::Age, integer(90, 0x7fff), "integer 90"),
        (Technique::Age, integer(i64::MAX, i64::MAX), "integer 90"),
        (Technique::Age, integer(-1, 0x7fff), "NULL"),
        (Technique::Age, decimal("89.99"), "decimal 89.99"),
        (Technique::Age, decimal("90.01"), "decimal 90"),
        (Technique::Age, decimal("99999999999999999999999"), "decimal 90"),
        (Technique::Age, decimal("-0.5"), "NULL"),
        (Technique::Age, text("42"), "text 42"),
        (Technique::Age, text("089"), "text 089"),
        (Technique::Age, text("103"), "text 90"),
        (Technique::Age, text("1000"), "NULL"),
        (Technique::Age, text("93 years"), "NULL"),
        (Technique::Age, text(""), "NULL"),
        (Technique::Age, date("1970-02-03"), "NULL"),
        (shift(365, None), date("1970-02-03"), "date 1971-01-19"),
        (
            shift(365, None),
            moment("1970-02-03", 5),
            "moment 1971-01-19 5 Some(3600)",
        ),
        (shift(365, None), text("1970-02-03"), "text 1971-01-19"),
        (
            shift(365, None),
            text("1970-02-03T10:11:12.5Z"),
            "text 1971-01-19T10:11:12.5Z",
        ),
        (shift(365, None), date("9999-12-31"), "NULL"),
        (shift(365, None), date("0010-12-31"), "NULL"),
        (shift(365, None), text("1970-02-03 Ann"), "NULL"),
        (shift(365, None), text("1970-02-30"), "NULL"),
        (shift(365, None), text("1970-02-03T10"), "NULL"),
        (shift(365, None), text("1970-02-03T10:11+1"), "NULL"),
        (shift(365, None), integer(7, 0x7fff), "NULL"),
        // Whose row it is, is not known to a cell.
        (shift(365, Some("id")), date("1970-02-03"), "NULL"),
        (
            Technique::Ff1 {
                domain: "d".into(),
                alphabet: Alphabet::Digits,
            },
            decimal("1234567"),
            "NULL",
        ),
        (
            Technique::Paths {
                paths: Vec::new(),
                rest: None,
            },
            json("{\"a\":1} x"),
            "NULL",
        ),
        (
            Technique::Paths {
                paths: Vec::new(),
                rest: None,
            },
            text("{}"),
            "NULL",
        ),
    ] {
        check(&technique, value, wanted);
    }
}

fn shift(days: u32, person: Option<&str>) -> Technique {
    Technique::DateShift {
        domain: "d".into(),
        days,
        person: person.map(Into::into),
    }
}

#[test]
fn a_shift_is_never_zero_and_fills_its_range() {
    let key = MaskKey::new([7; 32]);
    for range in [1, 2, 365, DAYS_MAX] {
        let people = 0..20 * range.min(365);
        let found: BTreeSet<i64> = people.map(|one| days(range, "d", &one.to_string(), &key)).collect();
        let range = i64::from(range);
        assert!(found.iter().all(|days| *days != 0 && days.abs() <= range), "{range}");
        if range <= 365 {
            assert_eq!(found.len(), usize::try_from(2 * range).unwrap(), "{range}");
        }
    }
    assert_ne!(days(365, "a", "7", &key), days(365, "b", "7", &key));
}

/// Whoever stored tokens has these: they never change for a key. Made by another program (Python's `hmac`).
#[test]
fn tokens_of_each_type_are_the_golden_ones() {
    for (value, wanted) in [
        (text("4711"), "text tok_bc290255f39a0d618ec4184568c8a4cc"),
        (
            Value::Json("{\"a\": 1}".into()),
            "json \"tok_5aafa3c56538b899d228baf8bbeed30b\"",
        ),
        (integer(4711, 0x7fff), "integer 3425"),
        (integer(4711, 0x7fff_ffff), "integer 1939475809"),
        (integer(4711, i64::MAX), "integer 4334998684503248225"),
        (integer(-1, i64::MAX), "integer 3328211182299924079"),
        (decimal("4711.00"), "decimal 4334998684503248225"),
        (decimal("-0.5"), "decimal 7435703859527690287"),
        (
            uuid("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
            "uuid 82a09473-289e-88df-8c56-d19e316d4d40",
        ),
        (Value::Bytes(b"4711".to_vec()), "bytes bc290255f39a0d618ec4184568c8a4cc"),
        (
            list(&[Some(text("4711")), None, Some(text(""))]),
            "list [text tok_bc290255f39a0d618ec4184568c8a4cc, NULL, text tok_2d620b5410bdc3af8716e2848fd6d375]",
        ),
    ] {
        check(&token(), value, wanted);
    }
}

#[test]
fn what_is_no_text_has_no_identifiers_to_find_and_is_null() {
    let column = ColumnMask {
        mask: "m".into(),
        technique: Technique::Detect,
        kind: CellKind::Text,
    };
    let mut masker = RowMasker::new(vec![Some(column)], MaskKey::new([7; 32]));
    let row = masker
        .row(vec![Some(vec![b'a', 0xff])], &mut SessionNet::default())
        .unwrap();
    assert_eq!(row.into_inner(), Frame::Row(vec![None]));
}

#[test]
fn tokens_are_stable_in_a_domain_and_differ_between_domains() {
    let token = |domain: &str, value: &str| masked(Technique::Token { domain: domain.into() }, CellKind::Text, value);
    assert_eq!(token("mrn", "1"), token("mrn", "1"));
    assert_ne!(token("mrn", "1"), token("mrn", "2"));
    assert_ne!(token("mrn", "1"), token("ssn", "1"));
    assert_ne!(token("a", "b"), token("a\0", "b"));
}

#[test]
fn the_pads_of_a_key_make_its_tokens() {
    use sha2::{Digest as _, Sha256};
    let key = MaskKey::new([7; 32]);
    let [inner, outer] = key.pads();
    let hash = |parts: &[&[u8]]| Sha256::digest(parts.concat());
    let inner = hash(&[&*inner, b"mrn", &[0], b"4711"]);
    let mac = hash(&[&*outer, &inner]);
    assert_eq!(key.token("mrn", b"4711"), format!("tok_{}", hex::encode(&mac[..16])));
}

#[test]
fn a_row_of_another_width_is_not_released() {
    let mut masker = RowMasker::new(vec![None], MaskKey::new([7; 32]));
    let wanted = Err(MaskError::Width { found: 2, wanted: 1 });
    assert_eq!(masker.row(vec![None, None], &mut SessionNet::default()), wanted);
}

#[test]
fn data_comes_as_a_whole_only_where_no_column_has_a_mask() {
    let column = ColumnMask {
        mask: "m".into(),
        technique: Technique::Null,
        kind: CellKind::Text,
    };
    let masker = |columns| RowMasker::new(columns, MaskKey::new([7; 32]));
    assert!(
        masker(vec![None, None])
            .whole(b"x".to_vec(), 1, None, &SessionNet::default())
            .is_ok()
    );
    let refused = masker(vec![None, Some(column)]).whole(b"x".to_vec(), 1, None, &SessionNet::default());
    assert_eq!(refused, Err(MaskError::Mask { mask: "m".into() }));
}

/// Any technique and kind of cell.
fn column() -> impl Strategy<Value = (Technique, CellKind)> {
    let technique = prop_oneof![
        Just(Technique::Redact),
        Just(Technique::Null),
        Just(Technique::Year),
        Just(Technique::Detect),
        Just(Technique::Zip3),
        Just(Technique::Age),
        Just(shift(365, None)),
        (0_usize..3).prop_map(|place| Technique::Ff1 {
            domain: "d".into(),
            alphabet: Alphabet::ALL[place]
        }),
        Just(Technique::Paths {
            paths: Vec::new(),
            rest: Some(Box::new(Technique::Redact))
        }),
        (1_usize..=8).prop_map(|keep| Technique::Partial { keep }),
        Just(Technique::Token { domain: "d".into() }),
    ];
    let kind = prop_oneof![Just(CellKind::Text), Just(CellKind::Json), Just(CellKind::Opaque),];
    (technique, kind)
}

proptest! {
    #[test]
    fn no_bytes_make_masking_panic((technique, kind) in column(), value: Vec<u8>) {
        let column = ColumnMask { mask: "m".into(), technique, kind };
        let mut masker = RowMasker::new(vec![Some(column)], MaskKey::new([7; 32]));
        prop_assert!(masker.row(vec![Some(value)], &mut SessionNet::default()).is_ok());
    }

    #[test]
    fn redact_and_token_never_hold_the_value(value in "[A-Z][g-z]{3,40}") {
        // Capitals and letters past `f` stand in neither a token nor the redacted mark.
        for technique in [Technique::Redact, Technique::Token { domain: "d".into() }] {
            for kind in [CellKind::Text, CellKind::Json, CellKind::Opaque] {
                let shown = masked(technique.clone(), kind, &value).unwrap_or_default();
                prop_assert!(!shown.contains(&value), "{technique:?} {kind:?}");
            }
        }
    }

    #[test]
    fn partial_shows_at_most_keep_letters_and_half_of_them(value in "[a-z0-9é.-]{0,40}", keep in 1_usize..=8) {
        let shown = masked(Technique::Partial { keep }, CellKind::Text, &value).unwrap();
        let letters = |text: &str| text.chars().filter(|one| one.is_alphanumeric()).count();
        prop_assert!(letters(&shown) <= keep);
        prop_assert!(letters(&shown) * 2 <= letters(&value));
        prop_assert_eq!(shown.chars().count(), value.chars().count());
    }
}

#[test]
fn the_id_of_a_key_is_its_own_and_no_token_or_subkey() {
    let key = MaskKey::new([7; 32]);
    // Computed apart: printf '\0mask-key-id' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…07, first 16 bytes.
    assert_eq!(key.id().to_string(), "157b4b13c0a8626cee90489d807cc9df");
    assert_eq!(key.clone().in_place_of(&[MaskKey::new([8; 32]).id()]).id(), key.id());
    assert_ne!(key.id(), MaskKey::new([8; 32]).id());
    let shown = key.id().to_string();
    for value in ["", "mask-key-id", "\0mask-key-id", "k-id"] {
        for domain in ["mask-key-id", "mas", "m"] {
            assert!(
                !key.token(domain, value.as_bytes()).contains(&shown),
                "{domain} {value:?}"
            );
        }
    }
    for parts in [&["mask-key-id", ""][..], &["ff1", "mask-key-id"], &["date-shift"]] {
        assert!(
            !hex::encode(key.subkey(parts).as_slice()).starts_with(&shown),
            "{parts:?}"
        );
    }
}

#[test]
fn techniques_that_go_by_the_key_say_so() {
    use crate::snapshot::Snapshot;
    let keyed = |technique: &str| {
        let policy = format!(
            "version = 1\n[[targets]]\nname = \"t\"\nprotocol = \"postgres\"\n[[masks]]\nname = \"m\"\ntargets = [\"t\"]\n\
             resources = [\"public.a.b\"]\n{technique}"
        );
        let policy = Snapshot::parse(policy.as_bytes()).unwrap();
        policy.mask("t", "public.a.b").unwrap().technique.is_keyed()
    };
    for (technique, wanted) in [
        ("technique = \"token\"", true),
        ("technique = \"ff1\"\nalphabet = \"digits\"", true),
        ("technique = \"date_shift\"", true),
        ("technique = \"redact\"", false),
        ("technique = \"null\"", false),
        ("technique = \"partial\"\nkeep = 4", false),
        ("technique = \"year\"", false),
        ("technique = \"zip3\"", false),
        ("technique = \"age\"", false),
        (
            "technique = \"paths\"\nrest = \"null\"\npaths = [{ path = \"/a\", technique = \"token\" }]",
            true,
        ),
        (
            "technique = \"paths\"\nrest = \"keep\"\npaths = [{ path = \"/a\", technique = \"redact\" }]",
            false,
        ),
    ] {
        assert_eq!(keyed(technique), wanted, "{technique}");
    }
}

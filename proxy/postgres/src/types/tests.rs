//! Values in both formats: the server's own bytes, what is refused, and that both formats mean the same.

use exhibit_policy::mask::value::{Coding, Value};
use proptest::prelude::*;

use super::{Known, RECORD, SEARCHED, TYPES, Type, kind, name, of, readable};

fn known(name_wanted: &str) -> &'static Known {
    TYPES
        .iter()
        .copied()
        .find(|known| name(known.oid) == name_wanted)
        .unwrap()
}

/// A text of a type is read and written in both formats; `binary` is what the server sends (`SELECT int4send(1)`).
fn check(type_name: &str, text: &str, binary: &str) {
    let known = known(type_name);
    let binary = hex::decode(binary.replace(' ', "")).unwrap();
    let value = known.text.read(text.as_bytes()).expect(text);
    let same = known.binary.read(&binary).expect(text);
    assert!(value == same, "{type_name} {text}");
    assert_eq!(String::from_utf8(known.text.write(&value).unwrap()).unwrap(), text);
    assert_eq!(
        hex::encode(known.binary.write(&value).unwrap()),
        hex::encode(binary),
        "{text}"
    );
}

#[test]
fn both_formats_are_the_server_s() {
    for (type_name, text, binary) in [
        ("int2", "-2", "fffe"),
        ("int2", "-32768", "8000"),
        ("int4", "2147483647", "7fffffff"),
        ("int8", "-9223372036854775808", "8000000000000000"),
        ("numeric", "0", "0000 0000 0000 0000"),
        ("numeric", "12345.678", "0003 0001 0000 0003 0001 0929 1a7c"),
        ("numeric", "-0.0001", "0001 ffff 4000 0004 0001"),
        ("numeric", "0.00001", "0001 fffe 0000 0005 03e8"),
        ("numeric", "100000000", "0001 0002 0000 0000 0001"),
        ("date", "2000-01-01", "00000000"),
        ("date", "1970-02-03", "ffffd554"),
        ("timestamp", "2000-01-01 00:00:01.5", "000000000016e360"),
        ("timestamp", "1999-12-31 23:59:59", "fffffffffff0bdc0"),
        ("timestamptz", "2000-01-01 00:00:01+00", "00000000000f4240"),
        (
            "uuid",
            "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            "f81d4fae7dec11d0a76500a0c91e6bf6",
        ),
        ("bytea", "\\x00ff", "00ff"),
        ("bytea", "\\x", ""),
        ("text[]", "{}", "00000000 00000000 00000019"),
        (
            "text[]",
            "{a,NULL,\"NULL\",\"\",\"b \\\"c\\\\\"}",
            "00000001 00000001 00000019 00000005 00000001 00000001 61 ffffffff 00000004 4e554c4c 00000000 00000005 622022635c",
        ),
        (
            "int4[]",
            "{1,-1}",
            "00000001 00000000 00000017 00000002 00000001 00000004 00000001 00000004 ffffffff",
        ),
    ] {
        check(type_name, text, binary);
    }
}

#[test]
fn what_is_not_as_the_server_writes_it_is_not_read() {
    for (type_name, text) in [
        ("int2", "32768"),
        ("int4", "+1"),
        ("int4", "01"),
        ("int4", " 1"),
        ("numeric", "NaN"),
        ("date", "infinity"),
        ("date", "02/03/1970"),
        ("date", "0044-03-15 BC"),
        ("timestamp", "1970-02-03"),
        ("timestamp", "1970-02-03 10:00"),
        ("timestamp", "1970-02-03 24:00:00"),
        ("timestamp", "1970-02-03 10:00:00."),
        ("timestamp", "1970-02-03 10:00:00.1234567"),
        ("timestamp", "1970-02-03 10:00:00+01"),
        ("timestamp", "0044-03-15 10:00:00 BC"),
        ("timestamptz", "1970-02-03 10:00:00"),
        ("timestamptz", "1970-02-03 10:00:00+1"),
        ("timestamptz", "1970-02-03 10:00:00+01:00:00:00"),
        ("uuid", "F81D4FAE-7dec-11d0-a765-00a0c91e6bf6"),
        ("uuid", "f81d4fae7dec11d0a76500a0c91e6bf6"),
        ("bytea", "\\000"),
        ("text[]", "{{a},{b}}"),
        ("text[]", "[0:1]={a,b}"),
        ("text[]", "{a,}"),
        ("text[]", "{,a}"),
        ("text[]", "{\"a}"),
        ("text[]", "{\"a\"b}"),
        ("int4[]", "{a}"),
    ] {
        // It is its own text, which masks do not know.
        let read = known(type_name).text.read(text.as_bytes());
        let wanted = if type_name == "bytea" { "\0" } else { text };
        assert!(read == Some(Value::Other(wanted.to_owned())), "{type_name} {text}");
    }
    for (type_name, binary) in [
        ("int2", "00000001"),
        ("int4", "0001"),
        ("numeric", "0001 0000 0000 0000 2710"),
        ("numeric", "0002 0000 0000 0000 0001"),
        ("uuid", "00"),
        ("jsonb", "027b7d"),
        ("jsonb", ""),
        ("text[]", "00000001 00000000 00000019 7fffffff 00000001 00000001 61"),
        ("text[]", "00000001 00000000 00000019 00000001 00000001 00000001 61 00"),
        (
            "text[]",
            "00000007 00000000 00000019 00000001 00000001 00000001 00000001 00000001 00000001 00000001 00000001 \
             00000001 00000001 00000001 00000001 00000001 00000001 00000001 61",
        ),
    ] {
        let bytes = hex::decode(binary.replace(' ', "")).unwrap();
        assert!(known(type_name).binary.read(&bytes).is_none(), "{type_name} {binary}");
    }
}

#[test]
fn what_masks_do_not_know_is_read_as_text_to_be_searched() {
    let row = "00000003 00000019 00000002 6162 00000017 ffffffff \
               000003f8 00000020 00000001 00000000 00000014 00000001 00000001 00000008 000000000000 0007";
    for (oid, binary, wanted) in [
        (1700, "0000 0000 c000 0000", "NaN"),
        (1082, "7fffffff", "2147483647 days"),
        (1082, "80000000", "-2147483648 days"),
        (1114, "7fffffffffffffff", "9223372036854775807 microseconds"),
        (26, "ffffffff", "4294967295"),
        (790, "064cc8488b8e7b2a", "4539578763621486"),
        (701, "432d36114ad1e38e", "4111111111111111"),
        (
            1009,
            "00000002 00000000 00000019 00000001 00000001 00000002 00000001 00000001 61 ffffffff",
            "a",
        ),
        (1009, "00000001 00000000 00000019 00000001 00000000 00000001 61", "a"),
        (
            1009,
            "00000001 00000000 00000017 00000001 00000001 00000004 075bcd15",
            "123456789",
        ),
        (2249, row, "ab, 7"),
    ] {
        let bytes = hex::decode(binary.replace(' ', "")).unwrap();
        let read = readable(oid).unwrap().binary.read(&bytes).expect(wanted);
        assert!(matches!(read, Value::Other(_)), "{oid} {binary}");
        assert_eq!(read.text(), wanted, "{oid} {binary}");
    }
    for (written, wanted) in [
        ("$4,539,578,763,621,486.00", "4539578763621486"),
        ("-4.539.578,50 €", "4539578"),
        ("4.539.578,50", "4539578"),
        ("¥4,539", "4539"),
    ] {
        let read = readable(790).unwrap().text.read(written.as_bytes()).unwrap();
        assert!(read == Value::Other(wanted.to_owned()), "{written}");
    }
    let escapes = known("bytea").text.read(b"\\061\\062\\\\").unwrap();
    assert_eq!(escapes.text(), "12\\");
    // Rows in rows are read so many layers deep.
    let mut nested = b"ab".to_vec();
    for oid in [25_i32].into_iter().chain([2249; 12]) {
        let head = [1, oid, i32::try_from(nested.len()).unwrap()].map(i32::to_be_bytes);
        nested = [head.concat(), nested].concat();
    }
    assert!(RECORD.binary.read(&nested).unwrap().text().contains("ab"));
}

#[test]
fn offsets_of_time_zones_are_kept_in_text_and_are_utc_in_binary_form() {
    let zoned = known("timestamptz");
    for (text, utc) in [
        ("2024-02-29 01:30:00+05:30", "2024-02-28 20:00:00+00"),
        ("2024-02-29 23:00:00-01:15:30", "2024-03-01 00:15:30+00"),
    ] {
        let value = zoned.text.read(text.as_bytes()).unwrap();
        assert_eq!(zoned.text.write(&value).unwrap(), text.as_bytes());
        let binary = zoned.binary.write(&value).unwrap();
        let same = zoned.binary.read(&binary).unwrap();
        assert_eq!(zoned.text.write(&same).unwrap(), utc.as_bytes());
    }
}

#[test]
fn a_value_of_another_type_or_out_of_range_is_not_written() {
    let number = known("int8").text.read(b"32768").unwrap();
    for known in TYPES {
        let wanted = matches!(known.of, Type::Integer(max) if max > 0x7fff);
        assert_eq!(known.text.write(&number).is_some(), wanted, "{}", name(known.oid));
        assert_eq!(known.binary.write(&number).is_some(), wanted, "{}", name(known.oid));
    }
    assert!(matches!(kind(16, false), exhibit_policy::mask::CellKind::Opaque));
    assert_eq!(of(16), None);
}

/// Texts of a type as the server could write them.
fn texts(of: Type) -> BoxedStrategy<String> {
    match of {
        Type::Text => any::<String>().boxed(),
        Type::Json | Type::Jsonb => any::<i32>().prop_map(|number| number.to_string()).boxed(),
        Type::Integer(max) => (-max - 1..=max).prop_map(|number| number.to_string()).boxed(),
        Type::Numeric => "(0|-?[1-9][0-9]{0,30}|-?(0|[1-9][0-9]{0,9})\\.[0-9]{0,12}[1-9])".boxed(),
        Type::Date => "[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])".boxed(),
        Type::Timestamp { zoned } => {
            let zone = if zoned { "\\+00" } else { "" };
            let text = "[1-9][0-9]{3}-0[1-9]-2[0-8] [01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{0,5}[1-9])?";
            proptest::string::string_regex(&format!("{text}{zone}"))
                .unwrap()
                .boxed()
        }
        Type::Uuid => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".boxed(),
        Type::Bytea => proptest::collection::vec(any::<u8>(), 0..9)
            .prop_map(|bytes| format!("\\x{}", hex::encode(bytes)))
            .boxed(),
        Type::Array(element) => proptest::collection::vec(proptest::option::of(texts(element.of)), 0..5)
            .prop_map(move |values| {
                let read = |text: String| element.text.read(text.as_bytes()).unwrap();
                let values = values.into_iter().map(|value| value.map(read)).collect();
                let array = TYPES.iter().find(|known| known.of == Type::Array(element)).unwrap();
                String::from_utf8(array.text.write(&Value::List(values)).unwrap()).unwrap()
            })
            .boxed(),
        Type::Number(_) | Type::Row | Type::Roomless => unreachable!("masks know none of them"),
    }
}

proptest! {
    #[test]
    fn what_is_read_is_written_as_it_was((known, text) in (0..TYPES.len()).prop_flat_map(|place| {
        let known = TYPES[place];
        texts(known.of).prop_map(move |text| (known, text))
    })) {
        let value = known.text.read(text.as_bytes()).expect("the server writes it so");
        prop_assert_eq!(known.text.write(&value), Some(text.into_bytes()));
        let binary = known.binary.write(&value).expect("a value has both formats");
        prop_assert!(known.binary.read(&binary) == Some(value), "{}", hex::encode(&binary));
    }

    #[test]
    fn no_bytes_make_reading_panic(place in 0..TYPES.len() + SEARCHED.len(), bytes: Vec<u8>) {
        let known = TYPES.iter().chain(&SEARCHED).nth(place).unwrap();
        let formats: [&dyn Coding; 2] = [&known.text, &known.binary];
        for format in formats {
            match format.read(&bytes) {
                None | Some(Value::Other(_)) => {}
                Some(value) => prop_assert!(format.write(&value).is_some()),
            }
        }
    }
}

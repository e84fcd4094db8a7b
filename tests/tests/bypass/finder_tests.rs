//! The finder itself: every form that it claims to find, and what it must not take for one.

use std::sync::LazyLock;

use base64::Engine as _;

use crate::canaries::ward;
use crate::digests::Made;
use crate::finder::{Finder, Heard, Pieces, Row};

const NAME: &str = "Zyxwarabel";
const SSN: &str = "912-84-7731";

static SHORT: LazyLock<Finder> = LazyLock::new(|| Finder::new(&ward(), Pieces::Short));

fn found(text: &str) -> Vec<&'static str> {
    SHORT.found(&Heard::of(text.as_bytes())).into_iter().collect()
}

fn rows(rows: &[&[&str]]) -> Vec<&'static str> {
    let row = |cells: &&[&str]| Row {
        kind: (b'D', 0),
        cells: cells.iter().map(|cell| cell.as_bytes().to_vec()).collect(),
    };
    let heard = Heard {
        rows: rows.iter().map(row).collect(),
        raw: Vec::new(),
    };
    SHORT.found(&heard).into_iter().collect()
}

fn each(text: &str, form: impl Fn(u8) -> String, between: &str) -> String {
    text.bytes().map(form).collect::<Vec<_>>().join(between)
}

#[test]
fn finds_a_text_in_every_form() {
    let reversed: String = NAME.chars().rev().collect();
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let hex = |byte| format!("{byte:02x}");
    for text in [
        NAME.to_owned(),
        NAME.to_uppercase(),
        format!("invalid input syntax for type integer: \"{NAME}\""),
        reversed.clone(),
        "Z-y-x-w-a-r".to_owned(),
        "Zyx\nwar\nabel".to_owned(),
        hex::encode(NAME),
        hex::encode_upper(NAME),
        hex::encode(&reversed),
        hex::encode(NAME.to_uppercase()),
        each(NAME, hex, " "),
        each(NAME, |byte| format!("\\x{byte:02x}"), ""),
        each(NAME, |byte| format!("\\u00{byte:02x}"), " "),
        each(NAME, |byte| format!("%{byte:02X}"), ""),
        base64(NAME),
        base64(&format!("a{NAME}b")),
        base64(&format!("ab{NAME}")),
        base64(&format!("abc{NAME}abc")),
        base64(&reversed),
        base64(&NAME.to_lowercase()),
        each(NAME, |byte| byte.to_string(), ","),
        each(NAME, |byte| byte.to_string(), ""),
        each(NAME, |byte| format!("{byte:03}"), ""),
        each(NAME, |byte| format!("&#{byte};"), ""),
        each(&reversed, |byte| byte.to_string(), " "),
        each(NAME, |byte| format!("\\{byte:03o}"), ""),
        each(NAME, |byte| format!("{byte:03o}"), " "),
        each(NAME, |byte| format!("{byte:08b}"), " "),
        each(NAME, |byte| format!("{byte:08b}"), ""),
        // Six letters are enough.
        "xwarab".to_owned(),
    ] {
        assert_eq!(found(&text), ["first name 1"], "{text}");
    }
}

#[test]
fn finds_numbers_and_dates_in_every_form() {
    for (text, wanted) in [
        (SSN, "ssn 1"),
        ("912847731", "ssn 1"),
        ("1377-48-219", "ssn 1"),
        ("912 | 84 | 7731", "ssn 1"),
        ("3931322d38342d37373331", "ssn 1"),
        ("OTEyLTg0LTc3MzE=", "ssn 1"),
        ("1943-08-17", "born 1"),
        ("{1943-08-17,2000-01-01}", "born 1"),
        ("17.08.1943", "born 1"),
        ("08/17/1943", "born 1"),
        ("4,815,162,342", "pin 1"),
        ("7316.49058", "balance 1"),
        ("(503) 555-0187", "phone"),
        ("7f3a9c15d2b84e60a1475bc8e9026d31", "key 1"),
        ("9c15-d2b8-4", "key 1"),
        ("4929183766502204", "card 1"),
        ("4929-1837-6", "card 1"),
    ] {
        assert_eq!(found(text), [wanted], "{text}");
    }
}

#[test]
fn finds_what_is_split_over_rows_and_columns() {
    assert_eq!(
        rows(&[&["Z"], &["y"], &["x"], &["w"], &["a"], &["r"]]),
        ["first name 1"]
    );
    assert_eq!(rows(&[&["Zyx", "war"]]), ["first name 1"]);
    assert_eq!(rows(&[&["\\x5a7978", "\\x776172"]]), ["first name 1"]);
    let placed: [&[&str]; 6] = [
        &["1", "Z"],
        &["2", "y"],
        &["3", "x"],
        &["4", "w"],
        &["5", "a"],
        &["6", "r"],
    ];
    assert_eq!(rows(&placed), ["first name 1"]);
    let shuffled: [&[&str]; 6] = [
        &["4", "w"],
        &["2", "y"],
        &["6", "r"],
        &["1", "Z"],
        &["3", "x"],
        &["5", "a"],
    ];
    assert_eq!(rows(&shuffled), ["first name 1"]);
    let codes: [&[&str]; 6] = [
        &["1", "90"],
        &["2", "121"],
        &["3", "120"],
        &["4", "119"],
        &["5", "97"],
        &["6", "114"],
    ];
    assert_eq!(rows(&codes), ["first name 1"]);
    let errors: [&[&str]; 6] = [
        &["it is \"Z\"!"],
        &["it is \"y\"!"],
        &["it is \"x\"!"],
        &["it is \"w\"!"],
        &["it is \"a\"!"],
        &["it is \"r\"!"],
    ];
    assert_eq!(rows(&errors), ["first name 1"]);
    assert_eq!(rows(&[&["INSERT", "0", "912"], &["INSERT", "0", "847731"]]), ["ssn 1"]);
}

#[test]
fn finds_values_in_binary_formats() {
    let finder = &*SHORT;
    for (bytes, wanted) in [
        ([&[0, 0, 0, 4][..], &948_151_623_i32.to_be_bytes()].concat(), "badge 1"),
        ([&[0, 0, 0, 4][..], &948_151_623_i32.to_le_bytes()].concat(), "badge 1"),
        (948_151_623_f64.to_be_bytes().to_vec(), "badge 1"),
        (4_815_162_342_i64.to_be_bytes().to_vec(), "pin 1"),
        ([&[0, 0, 0, 4][..], &(-20_591_i32).to_be_bytes()].concat(), "born 1"),
        (hex::decode("7f3a9c15d2b84e60a1475bc8e9026d31").unwrap(), "key 1"),
        (hex::decode("000300010000000202db195a16a8").unwrap(), "balance 1"),
    ] {
        let heard = Heard {
            rows: Vec::new(),
            raw: bytes,
        };
        assert_eq!(finder.found(&heard).into_iter().collect::<Vec<_>>(), [wanted]);
    }
}

#[test]
fn takes_masks_and_strangers_for_nothing() {
    for text in [
        "",
        "[redacted]",
        "1|[redacted]|tok_5f1c0e8ab5d1c7a9e2f4b6d8a0c2e4f6|1943-01-01||||||[redacted]|Ulm",
        "****-****-****-2204",
        "****-****-****-6615",
        "Zyxwa, Bront and Qonte, five letters of each",
        "1943-01-01 1951-01-01 1987-01-01",
        "912-84, 773, 84-219",
        "permission denied for table patients",
        "2026-11-28 01:31:22.123456+00",
        "90,121,120,119,97",
        "7f3a9c15",
    ] {
        assert!(found(text).is_empty(), "{text}: {:?}", found(text));
    }
    // A row's own number between its letters is no cipher, and five letters are no name.
    assert!(rows(&[&["Z"], &["y"], &["x"], &["w"], &["a"]]).is_empty());
}

#[test]
fn whole_canaries_are_looked_for_in_files() {
    let finder = Finder::new(&ward(), Pieces::Whole);
    let found = |text: &str| finder.found(&Heard::of(text.as_bytes())).len();
    assert_eq!(found("xwarab"), 0);
    assert_eq!(found("912-84-773"), 0);
    assert_eq!(found(&format!("\0\u{1}{NAME}\0{SSN}\0")), 2);
    assert_eq!(found(&hex::encode(NAME)), 1);
}

#[test]
fn finds_letters_that_were_moved_or_stand_among_others() {
    let rot13 = "Mlkjnenory";
    let base32 = ["LJ4XQ53BOJQWEZLM", "mfnhs6dxmfzgcytfnrxa===="];
    for text in [rot13, base32[0], base32[1], "3:Zyx3:war4:abel", "Z1y2x3w4a5r6a7b8e9l10"] {
        assert_eq!(found(text), ["first name 1"], "{text}");
    }
    // Digits stand for themselves only where a cell is all of them.
    assert_eq!(found("023-95-8842"), ["ssn 1"]);
    assert!(found("the number 023958842 of somebody").is_empty());
}

#[test]
fn finds_what_the_server_makes_of_a_value() {
    let ssn = ward().iter().position(|canary| canary.name == "ssn 1").unwrap();
    let digest: Vec<u8> = (100..120).collect();
    let digests = [
        (ssn, Made::Bytes(digest.clone())),
        (ssn, Made::Text("$1$exhibit$Qw3rTyUiOpAsDfGh".to_owned())),
        (ssn, Made::Number("-1093728461".to_owned())),
    ];
    let finder = Finder::knowing(&ward(), Pieces::Short, &digests);
    let found = |text: &str| finder.found(&Heard::of(text.as_bytes())).len();
    let whole = hex::encode(&digest);
    let base64 = base64::engine::general_purpose::STANDARD.encode(&digest);
    for text in [
        &whole,
        &whole[..12],
        &whole[9..],
        &base64,
        "$1$exhibit$Qw3rTyUiOpAsDfGh",
        "-1093728461",
    ] {
        assert_eq!(found(text), 1, "{text}");
    }
    let raw = Heard {
        rows: Vec::new(),
        raw: digest,
    };
    assert_eq!(finder.found(&raw).len(), 1);
    for text in [&whole[..11], "$1$exhibit$", "of -1093728461 rows"] {
        assert_eq!(found(text), 0, "{text}");
    }
}

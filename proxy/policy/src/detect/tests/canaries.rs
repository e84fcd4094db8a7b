//! Ten thousand canaries over the identifiers of 45 CFR 164.514(b)(2)(i), each in a sentence, seeded: what comes out is
//! counted by category.

use std::collections::BTreeMap;

use base64::Engine as _;

use exhibit_schemas::event::access::Frame;

use super::{Category, Confidence, DETECTORS, Hints, table};
use crate::detect::{check, decode};
use crate::mask::{MaskKey, RowMasker};
use crate::net::{Channel, Form, Known, SessionNet};
use crate::snapshot::Snapshot;

/// Canaries that are made.
const CANARIES: usize = 10_000;

/// A generator of numbers that is the same everywhere (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.below(u64::try_from(count).unwrap())).unwrap()
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.index(list.len())]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'0' + u8::try_from(self.below(10)).unwrap()))
            .collect()
    }

    /// Digits by a form: `N` is 2 to 9, `D` any digit, `A` a capital, the rest stands for itself.
    fn form(&mut self, form: &str) -> String {
        form.chars()
            .map(|one| match one {
                'N' => char::from(b'2' + u8::try_from(self.below(8)).unwrap()),
                'D' => char::from(b'0' + u8::try_from(self.below(10)).unwrap()),
                'A' => char::from(b'A' + u8::try_from(self.below(26)).unwrap()),
                'L' => *b"ACDEFGHJKMNPQRTUVWXY"
                    .map(char::from)
                    .get(usize::try_from(self.below(20)).unwrap())
                    .unwrap(),
                other => other,
            })
            .collect()
    }
}

/// Digits with the last one chosen so that a rule holds.
fn completed(base: &str, holds: impl Fn(&[u32]) -> bool) -> String {
    (0..10)
        .map(|digit| format!("{base}{digit}"))
        .find(|number| holds(&check::digits(number)))
        .expect("one digit in ten completes it")
}

const GIVEN: &[&str] = &[
    "Maria", "Dwayne", "Priya", "Olga", "Tyrone", "Siobhan", "Kenji", "Ahmed", "Ingrid", "Mateo",
];
const SURNAMES: &[&str] = &[
    "Kowalczyk",
    "Okonkwo",
    "Johansson",
    "Ramirez",
    "Nguyen",
    "Fitzgerald",
    "Petrov",
    "Yamada",
    "Haddad",
    "Schwartz",
];
const STREETS: &[&str] = &[
    "Maple",
    "Oak Ridge",
    "Kemmer",
    "5th",
    "Martin Luther King",
    "N Lakeshore",
];
const KINDS: &[&str] = &[
    "Street", "St", "Ave", "Blvd", "Road", "Lane", "Ct", "Drive", "Way", "Terrace",
];
const CITIES: &[&str] = &["Boston", "Worcester", "Chicago", "Denver", "Austin"];
const MONTHS: &[&str] = &[
    "January",
    "Feb",
    "March",
    "Apr",
    "May",
    "June",
    "July",
    "Aug",
    "September",
    "Oct",
    "Nov",
    "December",
];

/// A canary: the words before it, and the value.
#[expect(clippy::too_many_lines, reason = "one arm to a category")]
fn canary(random: &mut Random, category: Category) -> (String, String) {
    let value = match category {
        Category::Name => {
            let (given, surname) = (random.of(GIVEN), random.of(SURNAMES));
            match random.below(4) {
                0 => format!("{given} {surname}"),
                1 => format!("{given} {}. {surname}", random.form("A")),
                2 => format!("{surname}, {given}"),
                _ => format!("{given} {surname}-{}", random.of(SURNAMES)),
            }
        }
        Category::Address => {
            let number = random.below(9_990) + 1;
            format!("{number} {} {}", random.of(STREETS), random.of(KINDS))
        }
        Category::Place => random.of(CITIES).to_owned(),
        Category::Zip => match random.below(2) {
            0 => format!("ZIP {}", random.digits(5)),
            _ => random.form("DDDDD-DDDD"),
        },
        Category::Date => {
            let (year, month, day) = (1_920 + random.below(105), 1 + random.below(12), 1 + random.below(28));
            match random.below(8) {
                0 => format!("{year}-{month:02}-{day:02}"),
                1 => format!("{month}/{day}/{year}"),
                2 => format!("{month:02}/{day:02}/{:02}", year % 100),
                3 => format!("{day:02}.{month:02}.{year}"),
                4 => format!("{} {day}, {year}", random.of(MONTHS)),
                5 => format!("{day} {} {year}", random.of(MONTHS)),
                6 => format!(
                    "{year}-{month:02}-{day:02}T{:02}:{:02}:00Z",
                    random.below(24),
                    random.below(60)
                ),
                _ => format!("{day:02}-{}-{year}", random.of(MONTHS)),
            }
        }
        Category::Age => format!("{}", 90 + random.below(20)),
        Category::Phone | Category::Fax => {
            let form = random.of(&[
                "ND3-NDD-DDDD",
                "(ND4) NDD-DDDD",
                "ND5.NDD.DDDD",
                "+1 ND6 NDD DDDD",
                "1-ND7-NDD-DDDD",
                "ND8 NDD DDDD",
            ]);
            random.form(form)
        }
        Category::Email => {
            let (given, surname) = (random.of(GIVEN).to_lowercase(), random.of(SURNAMES).to_lowercase());
            let host = random.of(&["example.org", "mail.example.com", "clinic.test", "uni.ac.uk"]);
            format!(
                "{given}{}{surname}{}@{host}",
                random.of(&[".", "_", "-", "+", ""]),
                random.below(100)
            )
        }
        Category::Ssn => {
            let form = random.of(&["{}-{}-{}", "{} {} {}", "{}.{}.{}"]);
            let parts = [
                format!("{:03}", 1 + random.below(665)),
                format!("{:02}", 1 + random.below(99)),
                format!("{:04}", 1 + random.below(9_999)),
            ];
            parts
                .iter()
                .fold(form.to_owned(), |text, part| text.replacen("{}", part, 1))
        }
        Category::Mrn => random.form(random_form(
            random.0,
            &["DDDDDDD", "A-DDDDDD", "DDDDDDDD", "AADDDDDD", "DDD-DDD-D"],
        )),
        Category::HealthPlan => random.form(random_form(random.0, &["1LD0-LD5-LL73", "1LD0LD5LL73"])),
        Category::Account => random.form(random_form(random.0, &["DDDDDDDDDD", "AA-DDDDDDD", "DDDD-DDDD"])),
        Category::Card => {
            let base = random.form(random_form(
                random.0,
                &[
                    "4DDDDDDDDDDDDDD",
                    "52DDDDDDDDDDDDD",
                    "37DDDDDDDDDDDD",
                    "6011DDDDDDDDDDD",
                ],
            ));
            let number = completed(&base, check::luhn);
            match (number.len(), random.below(3)) {
                (16, 0) => format!(
                    "{} {} {} {}",
                    &number[..4],
                    &number[4..8],
                    &number[8..12],
                    &number[12..]
                ),
                (16, 1) => format!(
                    "{}-{}-{}-{}",
                    &number[..4],
                    &number[4..8],
                    &number[8..12],
                    &number[12..]
                ),
                _ => number,
            }
        }
        Category::Iban => {
            let account = random.digits(18);
            let number = (2..99)
                .map(|check| format!("DE{check:02}{account}"))
                .find(|number| check::iban(number))
                .unwrap();
            match random.below(2) {
                0 => number,
                _ => number
                    .as_bytes()
                    .chunks(4)
                    .map(|part| std::str::from_utf8(part).unwrap())
                    .collect::<Vec<_>>()
                    .join(" "),
            }
        }
        Category::Licence => random.form(random_form(random.0, &["SDDDDDDDD", "ADDDDDDD", "DDDDDDDDD"])),
        Category::Npi => completed(&random.form("1DDDDDDDD"), check::npi),
        Category::Dea => {
            let base = random.form("DDDDDD");
            format!("B{}{}", random.form("L"), completed(&base, check::dea))
        }
        Category::Vehicle => random.form("1LLLLDDLALDDDDDDD").replace(['I', 'O', 'Q'], "X"),
        Category::Device => random.form(random_form(
            random.0,
            &["SN-DDDDDD-A", "00:1f:2b:DD:DD:DD", "(01)DDDDDDDDDDDDDD(21)DDDDDD"],
        )),
        Category::Url => format!(
            "{}{}.example.{}/p/{}",
            random.of(&["https://", "http://", "www."]),
            random.of(SURNAMES).to_lowercase(),
            random.of(&["org", "com"]),
            random.below(10_000)
        ),
        Category::Ip => match random.below(2) {
            0 => format!(
                "{}.{}.{}.{}",
                1 + random.below(223),
                random.below(256),
                random.below(256),
                random.below(256)
            ),
            _ => format!("2001:db8:{:x}::{:x}", random.below(65_535), random.below(65_535)),
        },
        Category::Biometric | Category::Image | Category::Unique => random.digits(12),
    };
    (before(random, category), value)
}

fn random_form<'a>(seed: u64, forms: &[&'a str]) -> &'a str {
    forms[Random(seed).index(forms.len())]
}

/// Words before a value: without a cue for what has a form of its own, with one for what has not.
fn before(random: &mut Random, category: Category) -> String {
    let words: &[&str] = match category {
        Category::Name => &[
            "Seen today:",
            "The patient",
            "reviewed with",
            "",
            "note about",
            "spoke to",
        ],
        Category::Address => &["lives at", "", "moved to", "The home is"],
        Category::Place => &["lives in", "moved from"],
        Category::Age => &["age", "aged", "Age:", "turned"],
        Category::Fax => &["fax", "Fax:", "sent by fax to"],
        Category::Mrn => &["MRN", "MRN:", "mrn#", "Medical record number", "medical record no."],
        Category::Account => &["account number", "Acct #", "account no:", "Account:"],
        Category::HealthPlan => &["", "MBI", "Medicare ID:"],
        Category::Licence => &["license number", "driver's license:", "Passport no."],
        Category::Device => &["serial number", "device serial:"],
        _ => &["", "on file:", "the value was", "noted", "and then", "pt gave"],
    };
    random.of(words).to_owned()
}

/// What is a structured identifier: a form that a rule or a label proves.
const STRUCTURED: &[Category] = &[
    Category::Zip,
    Category::Date,
    Category::Age,
    Category::Phone,
    Category::Fax,
    Category::Email,
    Category::Ssn,
    Category::Mrn,
    Category::HealthPlan,
    Category::Account,
    Category::Card,
    Category::Iban,
    Category::Licence,
    Category::Npi,
    Category::Dea,
    Category::Vehicle,
    Category::Device,
    Category::Url,
    Category::Ip,
];

/// Identifiers that have neither a form nor words around them: a column's name says what they are.
const LABELLED: &[(Category, &str)] = &[
    (Category::Biometric, "fingerprint"),
    (Category::Image, "photo"),
    (Category::Unique, "person_id"),
];

/// A canary in a sentence, one in eight encoded, with its cue, as an agent might.
fn sentence(random: &mut Random, before: &str, value: &str) -> String {
    let after = random.of(&["", ".", ", stable.", " and was well", " (confirmed)", "\nPlan: rest."]);
    match random.below(32) {
        0 => hex::encode(format!("{before} {value}")),
        1 => base64::engine::general_purpose::STANDARD.encode(format!("{before} {value}")),
        2 => percent(&format!("{before} {value}")),
        3 => serde_json::to_string(&format!("{before} {value}\u{fffd}")).unwrap(),
        _ => format!("{before} {value}{after}"),
    }
}

/// Whether what identifies is left, as it stands or decoded.
fn out(shown: &str, value: &str) -> bool {
    let body = value.strip_prefix("ZIP ").unwrap_or(value);
    left(shown, body) || opened(shown).is_some_and(|open| left(&open, body))
}

/// What misses there are of the structured kinds, and of all.
fn check_misses(misses: &BTreeMap<Category, Vec<String>>) {
    let table = table(misses);
    for category in STRUCTURED {
        assert!(!misses.contains_key(category), "{table}");
    }
    let names: usize = misses.values().map(Vec::len).sum();
    assert!(names * 100 <= CANARIES, "more than one in a hundred: {table}");
}

#[test]
fn no_structured_canary_of_ten_thousand_comes_out() {
    let mut random = Random(20_260_101);
    let mut misses: BTreeMap<Category, Vec<String>> = BTreeMap::new();
    let found: Vec<Category> = Category::ALL
        .into_iter()
        .filter(|category| !LABELLED.iter().any(|(other, _)| other == category))
        .collect();
    for count in 0..CANARIES {
        let category = found[count % found.len()];
        let (before, value) = canary(&mut random, category);
        let text = sentence(&mut random, &before, &value);
        let masked = DETECTORS
            .mask(&text, &Hints::none(), Confidence::Likely)
            .unwrap_or_else(|| text.clone());
        if out(&masked, &value) {
            misses.entry(category).or_default().push(format!("{text} -> {masked}"));
        }
    }
    check_misses(&misses);
}

/// The ways by which a value is released: what comes out of the net, and whether it is what went in.
fn released(net: &mut SessionNet, way: usize, label: Option<&str>, text: &str) -> (String, bool) {
    let cell = |net: &mut SessionNet, form: Form, bytes: Vec<u8>| {
        let known = Known {
            name: label.unwrap_or("body"),
            origin: None,
            label,
            meaning: None,
        };
        let column = net.column(known, form);
        let mut masker = RowMasker::new(vec![None], MaskKey::new([7; 32])).described(vec![column]);
        let shown = match masker.row(vec![Some(bytes.clone())], net).unwrap().into_inner() {
            Frame::Row(cells) => cells[0].as_ref().map(|cell| cell.0.clone()).unwrap_or_default(),
            Frame::Verbatim(_) => panic!("a row stays a row"),
        };
        let same = shown == bytes;
        (shown, same)
    };
    let plain = text.as_bytes().to_vec();
    let (shown, same) = match way {
        0 => cell(net, Form::Text, plain),
        1 => cell(
            net,
            Form::Json,
            serde_json::to_vec(&serde_json::json!({ "a": [7, text] })).unwrap(),
        ),
        2 => cell(net, Form::Json, serde_json::to_vec(text).unwrap()),
        3 => cell(
            net,
            Form::Unknown,
            format!("{{x,\"{}\"}}", text.replace('"', "\\\"")).into_bytes(),
        ),
        4 => cell(net, Form::Other(|value| String::from_utf8(value.to_vec()).ok()), plain),
        // Bytes between which zeros stand, as the binary forms of rows have them.
        5 => cell(
            net,
            Form::Unknown,
            [&[0, 0, 0, 25, 0xff, 0, 0, 1], plain.as_slice()].concat(),
        ),
        // A column's name says nothing of a text beside rows.
        _ if label.is_some() => cell(net, Form::Text, plain),
        _ => match net.text(Channel::Error, &plain) {
            Some(masked) => (masked, false),
            None => (plain, true),
        },
    };
    (String::from_utf8_lossy(&shown).into_owned(), same)
}

#[test]
fn no_structured_canary_of_ten_thousand_comes_out_of_the_net() {
    let categories: Vec<String> = Category::ALL
        .iter()
        .map(|one| format!("\"{}\"", one.as_str()))
        .collect();
    let policy = format!(
        "version = 1\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n[[nets]]\nname = \"phi\"\n\
         targets = [\"clinic\"]\ncategories = [{}]\n",
        categories.join(", ")
    );
    let policy = Snapshot::parse(policy.as_bytes()).unwrap();
    let mut random = Random(20_261_128);
    let mut misses: BTreeMap<Category, Vec<String>> = BTreeMap::new();
    let mut net = SessionNet::new(&policy, "clinic");
    for count in 0..CANARIES {
        let category = Category::ALL[count % Category::ALL.len()];
        let (before, value) = canary(&mut random, category);
        let text = sentence(&mut random, &before, &value);
        let label = LABELLED
            .iter()
            .find(|(other, _)| *other == category)
            .map(|(_, label)| *label);
        let way = random.index(7);
        let (shown, same) = released(&mut net, way, label, &text);
        assert_eq!(
            net.take().is_empty(),
            same,
            "what is changed is told: {text} -> {shown}"
        );
        if out(&shown, &value) {
            misses
                .entry(category)
                .or_default()
                .push(format!("{way}: {text} -> {shown}"));
        }
    }
    for (category, _) in LABELLED {
        assert!(!misses.contains_key(category), "{}", table(&misses));
    }
    check_misses(&misses);
}

/// Every byte but letters as `%XX`.
fn percent(text: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphabetic() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(byte).collect()
}

/// What a reader makes of a text that is still hex, base64 or percent encoded.
fn opened(masked: &str) -> Option<String> {
    let bytes = hex::decode(masked)
        .ok()
        .or_else(|| base64::engine::general_purpose::STANDARD.decode(masked).ok());
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .or_else(|| decode::unescape(masked).map(|view| view.text))
}

/// Whether what identifies is left: the value, or four letters or digits of it in a row.
fn left(masked: &str, value: &str) -> bool {
    let masked = Category::ALL
        .into_iter()
        .fold(masked.to_owned(), |text, one| text.replace(one.token(), " "));
    let parts = value
        .split(|one: char| !one.is_alphanumeric())
        .filter(|part| part.len() >= 4);
    masked.contains(value)
        || parts
            .into_iter()
            .any(|part| masked.contains(part) && !["https", "http", "example"].contains(&part))
}

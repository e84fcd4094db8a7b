//! Canaries: invented identifiers of each category of 45 CFR 164.514(b)(2)(i), seeded, and the sentences that they stand in.
//!
//! Check digits are computed here by the standards' own words, and not by the detectors' code.

use base64::Engine as _;
use exhibit_policy::detect::Category;

/// A generator of numbers that is the same everywhere (`SplitMix64`).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn index(&mut self, count: usize) -> usize {
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
        .find(|number| holds(&digits(number)))
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
pub(crate) fn canary(random: &mut Random, category: Category) -> (String, String) {
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
            let number = completed(&base, luhn);
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
                .find(|number| iban(number))
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
        Category::Npi => completed(&random.form("1DDDDDDDD"), npi),
        Category::Dea => {
            let base = random.form("DDDDDD");
            format!("B{}{}", random.form("L"), completed(&base, dea))
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

/// Identifiers that have neither a form nor words around them: a column's name says what they are.
pub(crate) const LABELLED: &[(Category, &str)] = &[
    (Category::Biometric, "fingerprint"),
    (Category::Image, "photo"),
    (Category::Unique, "person_id"),
];

/// A canary in a sentence, one in eight encoded, with its cue, as an agent might.
pub(crate) fn sentence(random: &mut Random, before: &str, value: &str) -> String {
    let after = random.of(&["", ".", ", stable.", " and was well", " (confirmed)", "\nPlan: rest."]);
    match random.below(32) {
        0 => hex::encode(format!("{before} {value}")),
        1 => base64::engine::general_purpose::STANDARD.encode(format!("{before} {value}")),
        2 => percent(&format!("{before} {value}")),
        3 => serde_json::to_string(&format!("{before} {value}\u{fffd}")).unwrap(),
        _ => format!("{before} {value}{after}"),
    }
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

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|one| one.to_digit(10)).collect()
}

/// ISO/IEC 7812-1, annex B: from the right every second digit is doubled, and the digits of all add up to a multiple of ten.
fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            if place % 2 == 0 {
                *digit
            } else {
                digit * 2 / 10 + digit * 2 % 10
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// 45 CFR 162.406: Luhn over the number with 80840 before it.
fn npi(digits: &[u32]) -> bool {
    luhn(&[&[8, 0, 8, 4, 0], digits].concat())
}

/// The last digit is that of the sum of the odd places and of twice the even ones.
fn dea(digits: &[u32]) -> bool {
    let place = |place: usize| digits[place];
    (place(0) + place(2) + place(4) + 2 * (place(1) + place(3) + place(5))) % 10 == place(6)
}

/// ISO 13616: the first four characters at the end, letters as 10 to 35, and the remainder by 97 is 1.
fn iban(number: &str) -> bool {
    let moved = format!("{}{}", &number[4..], &number[..4]);
    let value = |one: char| one.to_digit(36).unwrap();
    let rest = moved.chars().fold(0, |rest, one| {
        let value = value(one);
        (rest * if value < 10 { 10 } else { 100 } + value) % 97
    });
    rest == 1
}

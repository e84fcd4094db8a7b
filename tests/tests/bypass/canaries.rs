//! The values that are looked for. All are invented.

/// A value that may not come out: its name for people, how it is written, and its bytes in binary formats.
pub(crate) struct Canary {
    pub(crate) name: &'static str,
    pub(crate) written: &'static [&'static str],
    pub(crate) binary: Vec<Vec<u8>>,
}

/// The values of `ward.sql` that masks hide.
pub(crate) fn ward() -> Vec<Canary> {
    vec![
        text("first name 1", &["Zyxwarabel"]),
        text("last name 1", &["Qonterlyne"]),
        text("first name 2", &["Brontelia"]),
        text("last name 2", &["Vuxmoorfield"]),
        text("ssn 1", &["912-84-7731"]),
        text("ssn 2", &["913-55-0042"]),
        date("born 1", &["1943-08-17", "17.08.1943", "08/17/1943"], -20_591),
        date("born 2", &["1951-03-09", "09.03.1951", "03/09/1951"], -17_830),
        integer("pin 1", &["4815162342"], 4_815_162_342),
        integer("pin 2", &["6295141361"], 6_295_141_361),
        integer("badge 1", &["948151623"], 948_151_623),
        integer("badge 2", &["735920486"], 735_920_486),
        decimal("balance 1", &["7316490.58"], [731, 6_490, 5_800]),
        decimal("balance 2", &["8402957.36"], [840, 2_957, 3_600]),
        uuid("key 1", &["7f3a9c15-d2b8-4e60-a147-5bc8e9026d31"]),
        uuid("key 2", &["0b6e58d4-93c7-4f1a-8d25-e67f10a3c942"]),
        text("tag 1", &["Hushtagword"]),
        text("tag 2", &["Vespertinely"]),
        text("document", &["Quillfeatherdoc"]),
        text("photo", &["Murrinegoblet"]),
        text("email", &["murmelkraut"]),
        text("phone", &["(503) 555-0187"]),
        text("card 1", &["4929-1837-6650-2204"]),
        text("card 2", &["5312-7709-4428-6615"]),
        Canary {
            binary: vec![(-395_057_522_000_000_i64).to_be_bytes().to_vec()],
            ..text(
                "seen",
                &["1987-06-25 13:47:58", "25/06/1987 13:47:58", "06/25/1987 13:47:58"],
            )
        },
        text("note", &["Gryphonwalt"]),
        text("secret 1", &["Tamarixwood"]),
        text("secret 2", &["Ocelotriver"]),
    ]
}

/// Cells of `ward.sql` as the server writes them, and parts that somebody would take: the name of a canary, and a text.
pub(crate) fn cells() -> [(&'static str, &'static str); 30] {
    [
        ("first name 1", "Zyxwarabel Qonterlyne"),
        ("first name 1", "Zyxwarabel"),
        ("last name 1", "Qonterlyne"),
        ("first name 2", "Brontelia Vuxmoorfield"),
        ("first name 2", "Brontelia"),
        ("last name 2", "Vuxmoorfield"),
        ("ssn 1", "912-84-7731"),
        ("ssn 2", "913-55-0042"),
        ("born 1", "1943-08-17"),
        ("born 2", "1951-03-09"),
        ("pin 1", "4815162342"),
        ("pin 2", "6295141361"),
        ("badge 1", "948151623"),
        ("badge 2", "735920486"),
        ("balance 1", "7316490.58"),
        ("balance 2", "8402957.36"),
        ("key 1", "7f3a9c15-d2b8-4e60-a147-5bc8e9026d31"),
        ("key 2", "0b6e58d4-93c7-4f1a-8d25-e67f10a3c942"),
        ("tag 1", "{Hushtagword,Vespertinely}"),
        ("tag 2", "Vespertinely"),
        ("document", r#"{"n": [1, 2], "kin": {"name": "Quillfeatherdoc"}}"#),
        ("photo", "Murrinegoblet"),
        ("email", "zyx@murmelkraut.example"),
        ("phone", "(503) 555-0187"),
        ("card 1", "4929-1837-6650-2204"),
        ("card 2", "5312-7709-4428-6615"),
        ("seen", "1987-06-25 13:47:58"),
        ("note", "Gryphonwalt seen"),
        ("secret 1", "Tamarixwood"),
        ("secret 2", "Ocelotriver"),
    ]
}

/// The values of `notes.sql` that the net of `net.toml` catches.
pub(crate) fn notes() -> Vec<Canary> {
    vec![
        text("ssn", &["219-09-9981"]),
        Canary {
            binary: vec![
                4_539_578_763_621_486_i64.to_be_bytes().to_vec(),
                453_957_876_362_148_600_i64.to_be_bytes().to_vec(),
                4_539_578_763_621_486_f64.to_be_bytes().to_vec(),
            ],
            ..text("card", &["4539578763621486"])
        },
        text("email", &["quillomar"]),
        text("phone", &["(503) 555-0187"]),
        text("iban", &["DE89370400440532013000"]),
        text("url", &["gryphonwalt"]),
        text("name", &["Zyxwarabel"]),
    ]
}

fn text(name: &'static str, written: &'static [&'static str]) -> Canary {
    Canary {
        name,
        written,
        binary: Vec::new(),
    }
}

/// Four bytes after their length, as cells and elements of arrays have it.
fn with_length(bytes: [u8; 4]) -> Vec<u8> {
    [4_u32.to_be_bytes(), bytes].concat()
}

fn date(name: &'static str, written: &'static [&'static str], days: i32) -> Canary {
    Canary {
        name,
        written,
        binary: vec![with_length(days.to_be_bytes())],
    }
}

fn integer(name: &'static str, written: &'static [&'static str], value: i64) -> Canary {
    let mut binary = match i32::try_from(value) {
        Ok(short) => vec![with_length(short.to_be_bytes()), with_length(short.to_le_bytes())],
        Err(_) => Vec::new(),
    };
    // Nothing here is past 2^53, so the float is the number.
    #[allow(clippy::cast_precision_loss, clippy::as_conversions, reason = "nothing is past 2^53")]
    let float = value as f64;
    binary.extend([value.to_be_bytes(), value.to_le_bytes(), float.to_be_bytes()].map(Vec::from));
    Canary { name, written, binary }
}

/// `numeric_send` of three digits to the base 10,000 and two decimal places.
fn decimal(name: &'static str, written: &'static [&'static str], digits: [i16; 3]) -> Canary {
    let words = [3, 1, 0, 2].into_iter().chain(digits);
    Canary {
        name,
        written,
        binary: vec![words.flat_map(i16::to_be_bytes).collect()],
    }
}

fn uuid(name: &'static str, written: &'static [&'static str]) -> Canary {
    Canary {
        name,
        written,
        binary: vec![hex::decode(written[0].replace('-', "")).unwrap()],
    }
}

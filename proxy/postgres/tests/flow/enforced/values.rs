//! The same value has the same mask in both modes: what the database makes of it, and what the proxy makes of its text.

use exhibit_policy::mask::{CellKind, ColumnMask, RowMasker, Technique};
use exhibit_policy::net::SessionNet;
use exhibit_postgres::types;
use exhibit_schemas::event::access::Frame;

use super::{Server, administrator, as_agent, key, policy};

/// Texts with letters of all kinds, and with what escaping could lose.
const TEXTS: [&str; 30] = [
    "12345",
    "12345-6789",
    "03601",
    "123456789",
    "89",
    "090",
    "93 years",
    "2023-02-28T10:11:12.5+01:00",
    "2024-02-29 10:11",
    "2023-02-29",
    "2023-04-31",
    "0000-01-01",
    "9999-12-31",
    "1970-02-03 Ann",
    "",
    "7",
    "1234567",
    "12345678",
    "123-45-6789",
    "Ångström-42 ÉÇ",
    "١٢٣٤٥٦٧٨٩٠",
    "ßǅ Ⅷ ² ª ٣ 中文字符 한국어",
    "e\u{301}a\u{308}o\u{302}u\u{304}",
    "😀 a 😀 b c d e f g h",
    "line\nbreak\tand \"quotes\" 'and' \\ backslash",
    "1970-02-03",
    "0044-03-15 BC",
    "12345-06-07 and more",
    "𝒜𝟚 \u{10ffff} \u{e000} z9z9z9z9",
    "trailing blanks   ",
];

/// Numbers that fit none, some or all of the types of numbers.
const NUMBERS: [&str; 10] = [
    "0",
    "7",
    "-1",
    "90",
    "12345",
    "32767",
    "-32768",
    "2147483647",
    "9223372036854775807",
    "-9223372036854775808",
];

const DATES: [&str; 8] = [
    "1970-02-03",
    "0001-01-01",
    "0044-03-15 BC",
    "infinity",
    "-infinity",
    "9999-12-31",
    "2024-02-29",
    "12345-06-07",
];

fn techniques() -> Vec<(&'static str, Technique)> {
    vec![
        ("technique = \"redact\"", Technique::Redact),
        ("technique = \"null\"", Technique::Null),
        ("technique = \"partial\"\nkeep = 1", Technique::Partial { keep: 1 }),
        ("technique = \"partial\"\nkeep = 4", Technique::Partial { keep: 4 }),
        ("technique = \"partial\"\nkeep = 8", Technique::Partial { keep: 8 }),
        (
            "technique = \"token\"\ndomain = \"m'r\\\\n\"",
            Technique::Token {
                domain: "m'r\\n".into(),
            },
        ),
        ("technique = \"year\"", Technique::Year),
        ("technique = \"zip3\"", Technique::Zip3),
        ("technique = \"age\"", Technique::Age),
        (
            "technique = \"date_shift\"\ndomain = \"d\"\ndays = 30",
            Technique::DateShift {
                domain: "d".into(),
                days: 30,
                person: None,
            },
        ),
    ]
}

/// The proxy's mask of the text of a value.
fn at_the_proxy(technique: &Technique, kind: CellKind, text: Option<&str>) -> Option<String> {
    let column = ColumnMask {
        mask: "m".into(),
        technique: technique.clone(),
        kind,
    };
    let mut masker = RowMasker::new(vec![Some(column)], key());
    let row = masker
        .row(
            vec![text.map(|text| text.as_bytes().to_vec())],
            &mut SessionNet::default(),
        )
        .unwrap();
    match row.into_inner() {
        Frame::Row(cells) => cells[0].as_ref().map(|cell| String::from_utf8(cell.0.clone()).unwrap()),
        Frame::Verbatim(_) => panic!("a row stays a row"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_modes_give_the_same_values() {
    let server = Server::start();
    let quoted = |texts: &[&str]| -> Vec<String> {
        texts
            .iter()
            .map(|text| format!("('{}')", text.replace('\'', "''")))
            .collect()
    };
    server.execute(&format!(
        "CREATE ROLE agent LOGIN PASSWORD 'agent'; CREATE DOMAIN short AS text CHECK (length(VALUE) < 90); \
         CREATE TABLE texts (id int GENERATED ALWAYS AS IDENTITY, v text, w varchar(80) COLLATE \"C\", b char(60), d short, j json, k jsonb); \
         INSERT INTO texts (v, w, b, d, j, k) SELECT x, x, x, x, to_json(x), to_jsonb(x) FROM (VALUES {}) t(x); \
         INSERT INTO texts (j, k) VALUES ('{{\"a\" : [1, \"é\\u00e9\"]}}', '{{\"b\": [2, \"é\"]}}'); \
         CREATE TABLE dates (id int GENERATED ALWAYS AS IDENTITY, d date, t timestamp, z timestamptz, f bool); \
         INSERT INTO dates (d, t, z, f) SELECT x::date, x::timestamp, x::timestamptz, true FROM (VALUES {}) t(x); \
         INSERT INTO dates (d) VALUES (NULL); \
         CREATE TABLE others (id int GENERATED ALWAYS AS IDENTITY, h int2, n int4, i int8, q numeric, m numeric(30,4), \
           u uuid, y bytea, a text[], b varchar(12)[], c int4[], e uuid[]); \
         INSERT INTO others (h, n, i, q, m) SELECT CASE WHEN x BETWEEN -32768 AND 32767 THEN x END, \
           CASE WHEN x BETWEEN -2147483648 AND 2147483647 THEN x END, x, x, x / 16 FROM (VALUES {}) t(s), \
           LATERAL (SELECT s::numeric AS x) x; \
         INSERT INTO others (q, u, y, a, b, c, e) VALUES ('NaN', gen_random_uuid(), 'x', '{{}}', '{{}}', '{{}}', '{{}}'), \
           ('-0.00', 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6', '', '{{a,NULL,\"b \\\" c\",\"\"}}', '{{1970-02-03,abcdefg}}', \
            '{{1,-1,NULL}}', ARRAY[gen_random_uuid()]), \
           ('1e40', NULL, '\\x00ff', '[0:1]={{a,b}}', '{{{{a}},{{b}}}}', '{{1}}', NULL); \
         GRANT SELECT ON texts, dates, others TO agent",
        quoted(&TEXTS).join(", "),
        quoted(&DATES).join(", "),
        quoted(&NUMBERS).join(", "),
    ));
    let columns = [
        ("texts", "v", 25),
        ("texts", "w", 1043),
        ("texts", "b", 1042),
        ("texts", "d", 25),
        ("texts", "j", 114),
        ("texts", "k", 3802),
        ("dates", "d", 1082),
        ("dates", "t", 1114),
        ("dates", "z", 1184),
        ("dates", "f", 16),
        ("others", "h", 21),
        ("others", "n", 23),
        ("others", "i", 20),
        ("others", "q", 1700),
        ("others", "m", 1700),
        ("others", "u", 2950),
        ("others", "y", 17),
        ("others", "a", 1009),
        ("others", "b", 1015),
        ("others", "c", 1007),
        ("others", "e", 2951),
    ];
    for (text, technique) in techniques() {
        let masks = format!(
            "version = 1\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n[[masks]]\nname = \"m\"\n\
             targets = [\"clinic\"]\nresources = [\"public.texts.*\", \"public.dates.*\", \"public.others.*\"]\n{text}\n"
        );
        let mut administrator = administrator(&server).await;
        administrator.apply(&policy(&masks), "clinic", &key()).await.unwrap();
        for (table, column, oid) in columns {
            // Each cell comes as the hexadecimal digits of its text, so that no terminal form is between.
            let output = |relation: &str| {
                let out = match (table, column) {
                    ("texts", "b") => format!("textin(bpcharout({column}))"),
                    _ => format!("{column}::text"),
                };
                format!("SELECT coalesce(encode(convert_to({out}, 'UTF8'), 'hex'), 'null') FROM {relation}")
            };
            let raw = server.execute(&format!("{} ORDER BY id", output(&format!("public.{table}"))));
            // The key is masked, too; rows stand in the order of the table.
            let seen = as_agent(&server, &output(&format!("exhibit.\"public.{table}\"")));
            assert_eq!(raw.lines().count(), seen.lines().count(), "{seen}");
            for (raw, seen) in raw.lines().zip(seen.lines()) {
                let (raw, seen) = (plain(raw), plain(seen));
                let wanted = at_the_proxy(&technique, types::kind(oid, false), raw.as_deref());
                assert_eq!(seen, wanted, "{technique:?} {table}.{column}: {raw:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_of_one_person_move_alike_and_keep_their_time() {
    let server = Server::start();
    server.execute(
        "CREATE ROLE agent LOGIN PASSWORD 'agent'; CREATE TABLE stays (patient int, a date, b timestamp, v text); \
         INSERT INTO stays SELECT n / 2, '2000-01-01', '2000-01-11 10:00', '2000-01-01T10:00Z' FROM generate_series(2, 9) n; \
         INSERT INTO stays VALUES (NULL, '2000-01-01', '2000-01-11', '2000-01-01'); GRANT SELECT ON stays TO agent",
    );
    let masks = |person: &str| {
        policy(&format!(
            "version = 1\n[[targets]]\nname = \"clinic\"\nprotocol = \"postgres\"\n[[masks]]\nname = \"m\"\n\
             targets = [\"clinic\"]\nresources = [\"public.stays.a\", \"public.stays.b\", \"public.stays.v\"]\n\
             technique = \"date_shift\"\nperson = \"{person}\"\ndays = 365\n"
        ))
    };
    let shown = "SELECT DISTINCT patient, a - '2000-01-01' AS days, b - '2000-01-11 10:00' = (a - '2000-01-01') * interval '24:00:00', \
                 v = to_char(a, 'YYYY-MM-DD') || 'T10:00Z' FROM exhibit.\"public.stays\" ORDER BY patient";
    administrator(&server)
        .await
        .apply(&masks("patient"), "clinic", &key())
        .await
        .unwrap();
    let found = as_agent(&server, shown);
    let rows: Vec<Vec<&str>> = found.lines().map(|line| line.split('|').collect()).collect();
    assert_eq!(rows.len(), 5, "{found}");
    let (nobody, people) = rows.split_last().unwrap();
    assert_eq!(nobody, &["", "", "", ""]);
    let shifts: std::collections::BTreeSet<i64> = people.iter().map(|row| row[1].parse().unwrap()).collect();
    assert_eq!(shifts.len(), 4, "{found}");
    assert!(shifts.iter().all(|days| *days != 0 && days.abs() <= 365), "{found}");
    assert!(people.iter().all(|row| row[2..] == ["t", "t"]), "{found}");
    // A column that is not there is nobody.
    administrator(&server)
        .await
        .apply(&masks("nobody"), "clinic", &key())
        .await
        .unwrap();
    assert_eq!(
        as_agent(&server, "SELECT count(a) FROM exhibit.\"public.stays\"").trim(),
        "0"
    );
}

fn plain(digits: &str) -> Option<String> {
    if digits == "null" {
        return None;
    }
    let byte = |place: usize| u8::from_str_radix(&digits[place..place + 2], 16).unwrap();
    let bytes = (0..digits.len()).step_by(2).map(byte).collect();
    Some(String::from_utf8(bytes).unwrap())
}

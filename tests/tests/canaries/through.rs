//! Ten thousand canaries through `exhibit up` before a real PostgreSQL, in three places:
//!
//! | where | how | what has to come out |
//! | --- | --- | --- |
//! | columns with a mask, one to a category | in every form of [`FORMS`] that an agent can ask the server for, in three formats, where the proxy masks and where the database does | each column of an answer is one and the same value in every row, whatever the values are |
//! | free text without a mask, under a net | a sentence with its cue, one in eight encoded, by seven ways; of [`LABELLED`] a column that says what it is | nothing |
//! | a cell that holds nothing but the value | under the same net | nothing but of [`CUED`] |
//!
//! The export, the log and every other file of the deployment are searched for what was masked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Output;

use aho_corasick::AhoCorasick;
use exhibit_policy::detect::Category;
use exhibit_postgres::config::Masking;
use exhibit_tests::programs;
use exhibit_tests::stack::{Options, Stack};

use crate::made::{LABELLED, Random, canary, sentence};
use crate::seen::out;
use crate::{CANARIES, check_misses};

/// Rows of masked columns; each has a canary of every category.
const ROWS: usize = CANARIES / Category::ALL.len();

/// What an agent makes of a value, `{}` being the column.
const FORMS: &[&str] = &[
    "{}",
    "upper({})",
    "lower({})",
    "reverse({})",
    "encode(convert_to({}, 'UTF8'), 'hex')",
    "encode(convert_to({}, 'UTF8'), 'base64')",
    "encode(convert_to({}, 'UTF8'), 'escape')",
    "convert_to({}, 'UTF8')",
    "{}::bytea::text",
    "md5({})",
    "encode(sha256(convert_to({}, 'UTF8')), 'hex')",
    "translate({}, 'abcdefghijklmnopqrstuvwxyz0123456789', 'nopqrstuvwxyzabcdefghijklm5678901234')",
    "substr({}, 2, 5)",
    "right({}, 4)",
    "ascii(right({}, 1))",
    "length({})",
    "split_part({}, '-', 2)",
    "regexp_replace({}, '(.)', '\\1 ', 'g')",
    "replace({}, '1', 'one')",
    "to_json({}::text)",
    "jsonb_build_object('v', {})",
    "quote_literal({})",
    "{} || '.'",
    "concat({}, '.')",
    "format('%s', {})",
    "ARRAY[{}]",
    "ROW({}::text)",
    "string_to_array({}, NULL)",
    "lpad({}, 60)",
    "coalesce({}, '')",
    "CASE WHEN right({}, 1) > '4' THEN 'more' ELSE 'less' END",
    "hashtext({})",
];

/// Categories of which a value alone may be a number or a code like any other: only words around it tell.
const CUED: &[Category] = &[
    Category::Age,
    Category::Mrn,
    Category::Account,
    Category::Licence,
    Category::Device,
];

/// What came out of one place, by category.
type Out = BTreeMap<Category, Vec<String>>;

/// The column of a category.
fn column(category: Category) -> String {
    format!("k_{}", category.as_str().replace('-', "_"))
}

fn policy() -> String {
    let list = |words: Vec<String>| {
        words
            .iter()
            .map(|word| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let categories = list(Category::ALL.iter().map(|one| one.as_str().to_owned()).collect());
    let columns = list(
        Category::ALL
            .iter()
            .map(|one| format!("public.people.{}", column(*one)))
            .collect(),
    );
    format!(
        r#"version = 1
[[roles]]
name = "pipeline"
match = {{ method = "api-key", groups = ["pipelines"] }}
[[targets]]
name = "clinic"
protocol = "postgres"
[[rules]]
name = "reads"
roles = ["pipeline"]
targets = ["clinic"]
actions = ["read", "execute", "session", "transaction"]
effect = "allow"
[[masks]]
name = "people"
targets = ["clinic"]
resources = [{columns}]
technique = "redact"
[[nets]]
name = "identifiers"
targets = ["clinic"]
categories = [{categories}]
"#
    )
}

/// A canary of the free text: what it is, and the text.
struct Planted {
    category: Category,
    value: String,
    text: String,
}

/// What is in the database.
struct World {
    masked: Vec<BTreeMap<Category, String>>,
    notes: Vec<Planted>,
    alone: Vec<Planted>,
    /// Values under a column that says what they are.
    labelled: Vec<Planted>,
}

impl World {
    fn new() -> Self {
        let mut random = Random(20_261_129);
        let masked = (0..ROWS)
            .map(|_| {
                Category::ALL
                    .iter()
                    .map(|one| (*one, canary(&mut random, *one).1))
                    .collect()
            })
            .collect();
        let label = |category: Category| LABELLED.iter().any(|(other, _)| *other == category);
        let mut planted = |count: usize, sentences: bool| {
            let category = Category::ALL[count % Category::ALL.len()];
            let (before, value) = canary(&mut random, category);
            let text = if sentences && !label(category) {
                sentence(&mut random, &before, &value)
            } else {
                value.clone()
            };
            Planted { category, value, text }
        };
        let all: Vec<_> = (0..CANARIES).map(|count| planted(count, true)).collect();
        let (labelled, notes) = all.into_iter().partition(|one| label(one.category));
        let alone = (0..CANARIES).map(|count| planted(count, false));
        Self {
            masked,
            notes,
            alone: alone.filter(|one| !label(one.category)).collect(),
            labelled,
        }
    }

    fn sql(&self) -> String {
        let columns: Vec<String> = Category::ALL.iter().map(|one| column(*one)).collect();
        let mut sql = format!(
            "CREATE TABLE people (id integer PRIMARY KEY, {} text NOT NULL);\n\
             CREATE TABLE notes (id integer PRIMARY KEY, body text NOT NULL, doc jsonb, tags text[], raw bytea);\n\
             CREATE TABLE alone (id integer PRIMARY KEY, value text NOT NULL);\n",
            columns.join(" text NOT NULL, ")
        );
        for (category, label) in LABELLED {
            let _ = writeln!(
                sql,
                "CREATE TABLE {} (id integer PRIMARY KEY, {label} text);",
                column(*category)
            );
        }
        let quoted = |text: &str| format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let mut insert = |table: &str, rows: Vec<String>| {
            let _ = writeln!(sql, "INSERT INTO {table} VALUES {};", rows.join(",\n"));
        };
        let row = |(id, row): (usize, &BTreeMap<Category, String>)| {
            let cells: Vec<_> = row.values().map(|value| quoted(value)).collect();
            format!("({id}, {})", cells.join(", "))
        };
        insert("people", self.masked.iter().enumerate().map(row).collect());
        let cell = |(id, one): (usize, &Planted)| format!("({id}, {})", quoted(&one.text));
        insert("notes (id, body)", self.notes.iter().enumerate().map(cell).collect());
        insert("alone", self.alone.iter().enumerate().map(cell).collect());
        for (category, _) in LABELLED {
            let own = self
                .labelled
                .iter()
                .enumerate()
                .filter(|(_, one)| one.category == *category);
            insert(&column(*category), own.map(cell).collect());
        }
        sql += "UPDATE notes SET doc = jsonb_build_object('a', jsonb_build_array(7, body)), tags = ARRAY['x', body], \
                raw = convert_to(body, 'UTF8');\n\
                GRANT SELECT ON ALL TABLES IN SCHEMA public TO exhibit;\n";
        sql
    }
}

/// A deployment before a server that holds it all.
struct Place {
    stack: Stack,
    _directory: tempfile::TempDir,
}

impl Place {
    fn new(world: &World, masking: Masking) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("world.sql");
        exhibit_tests::write(&file, world.sql().as_bytes()).unwrap();
        let mut options = Options::new(&directory.path().join("deployment"));
        options.patients = 0;
        options.sql = Some(file);
        options.policy = policy();
        options.masking = masking;
        let mut stack = Stack::prepare(&options).unwrap();
        stack.up().unwrap();
        Self {
            stack,
            _directory: directory,
        }
    }

    /// What an agent gets.
    fn ask(&self, sql: &str) -> Output {
        self.stack.psql().args(["--csv", "-c", sql]).output().unwrap()
    }

    fn answer(&self, sql: &str) -> Vec<u8> {
        let output = self.ask(sql);
        assert!(
            output.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }
}

fn csv(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    let rows = reader.byte_records().map(|row| {
        let row = row.unwrap();
        row.iter()
            .map(|cell| String::from_utf8_lossy(cell).into_owned())
            .collect()
    });
    rows.collect()
}

/// Rows of COPY in text format.
fn copied(bytes: &[u8]) -> Vec<Vec<String>> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let read = |cell: &str| {
        if cell == "\\N" {
            return String::new();
        }
        cell.replace("\\n", "\n").replace("\\\\", "\\")
    };
    text.lines().map(|line| line.split('\t').map(read).collect()).collect()
}

/// Rows of COPY in binary format, whose first column is a number.
fn binary(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut rest = &bytes[19..];
    let mut rows = Vec::new();
    loop {
        let (count, after) = rest.split_first_chunk::<2>().unwrap();
        rest = after;
        let Ok(count) = usize::try_from(i16::from_be_bytes(*count)) else {
            return rows;
        };
        let mut row = Vec::new();
        for place in 0..count {
            let (length, after) = rest.split_first_chunk::<4>().unwrap();
            let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
            let (cell, after) = after.split_at(length);
            rest = after;
            row.push(match place {
                0 => u32::from_be_bytes(cell.try_into().unwrap()).to_string(),
                _ => String::from_utf8_lossy(cell).into_owned(),
            });
        }
        rows.push(row);
    }
}

/// How an answer is read.
type Reading = fn(&[u8]) -> Vec<Vec<String>>;

/// Columns in which a row differs from another one show something of the values: how many rows do, by category.
fn differing(rows: &[Vec<String>]) -> Vec<usize> {
    assert_eq!(rows.len(), ROWS);
    let first = &rows[0];
    let differs = |place: usize| rows.iter().filter(|row| row[place] != first[place]).count();
    (0..Category::ALL.len()).map(differs).collect()
}

/// Each form of every masked column: gives how many forms were answered, and what came out of them.
fn masked(place: &Place, world: &World) -> (usize, Out) {
    let mut misses = Out::new();
    let mut answered = 0;
    for form in FORMS {
        let columns: Vec<_> = Category::ALL
            .iter()
            .map(|one| form.replace("{}", &column(*one)))
            .collect();
        let select = format!("SELECT {} FROM people ORDER BY id", columns.join(", "));
        let direct = place
            .stack
            .psql_direct()
            .args(["--csv", "-c", &select])
            .output()
            .unwrap();
        let shown = differing(&csv(&direct.stdout))
            .iter()
            .filter(|count| **count > 0)
            .count();
        assert!(
            shown * 3 > Category::ALL.len(),
            "{form} shows values of only {shown} columns where nothing masks"
        );
        let ways: [(String, Reading); 3] = [
            (select.clone(), csv),
            (format!("COPY ({select}) TO STDOUT"), copied),
            (
                format!(
                    "COPY ({}) TO STDOUT (FORMAT binary)",
                    select.replacen("SELECT ", "SELECT id, ", 1)
                ),
                binary,
            ),
        ];
        for (sql, read) in ways {
            let output = place.ask(&sql);
            if !output.status.success() {
                assert!(output.stdout.is_empty(), "{sql}");
                let said = String::from_utf8_lossy(&output.stderr);
                let told = world.masked[0]
                    .values()
                    .find(|value| value.len() > 6 && said.contains(*value));
                assert!(told.is_none(), "{said}");
                continue;
            }
            answered += 1;
            let mut rows = read(&output.stdout);
            if sql.contains("(FORMAT binary)") {
                for row in &mut rows {
                    row.remove(0);
                }
            }
            for (category, count) in Category::ALL.iter().zip(differing(&rows)) {
                let list = misses.entry(*category).or_default();
                list.extend(std::iter::repeat_n(form.to_string(), count));
            }
        }
    }
    misses.retain(|_, list| !list.is_empty());
    (answered, misses)
}

/// The free text by each way, a share of the rows by each.
fn free(place: &Place, notes: &[Planted]) -> Out {
    let of = |way: usize, column: &str| format!("SELECT id, {column} FROM notes WHERE id % 7 = {way} ORDER BY id");
    let ways: [(String, Reading); 7] = [
        (of(0, "body"), csv),
        (format!("COPY ({}) TO STDOUT", of(1, "body")), copied),
        (format!("COPY ({}) TO STDOUT (FORMAT csv)", of(2, "body")), csv),
        (format!("COPY ({}) TO STDOUT (FORMAT binary)", of(3, "body")), binary),
        (of(4, "doc"), csv),
        (of(5, "tags"), csv),
        (of(6, "raw"), csv),
    ];
    let mut misses = Out::new();
    let mut seen = BTreeSet::new();
    for (sql, read) in ways {
        for row in read(&place.answer(&sql)) {
            let id: usize = row[0].parse().unwrap();
            seen.insert(id);
            check(&notes[id], &shown(&row[1]), &mut misses);
        }
    }
    assert_eq!(seen.len(), notes.len(), "each came by one way");
    misses
}

/// What a reader makes of a cell: bytes from their digits, a document's own text.
fn shown(cell: &str) -> String {
    if let Some(bytes) = cell.strip_prefix("\\x").and_then(|digits| hex::decode(digits).ok()) {
        return String::from_utf8_lossy(&bytes).into_owned();
    }
    match serde_json::from_str::<serde_json::Value>(cell) {
        Ok(document) => document["a"][1].as_str().map_or_else(|| cell.to_owned(), str::to_owned),
        Err(_) => cell.to_owned(),
    }
}

fn check(planted: &Planted, shown: &str, misses: &mut Out) {
    if out(shown, &planted.value) {
        let list = misses.entry(planted.category).or_default();
        list.push(format!("{} -> {shown}", planted.text));
    }
}

/// Values of one table, as an agent reads them.
fn column_of(place: &Place, sql: &str, planted: &[Planted], misses: &mut Out) -> usize {
    let rows = csv(&place.answer(sql));
    for row in &rows {
        let id: usize = row[0].parse().unwrap();
        check(&planted[id], &row[1], misses);
    }
    rows.len()
}

/// Files of the deployment, after an export, that hold a masked value of nine letters and digits or more.
fn files_with(place: &mut Place, world: &World) -> Vec<String> {
    let bundle = place.stack.directory().join("bundle");
    exhibit_tests::run(place.stack.exhibit().unwrap().arg("export").arg(&bundle)).unwrap();
    let mut verify = programs::command("exhibit-verify").unwrap();
    exhibit_tests::run(verify.arg(&bundle).arg("--keys").arg(place.stack.trust())).unwrap();
    place.stack.down().unwrap();
    let long = |value: &&String| value.bytes().filter(u8::is_ascii_digit).count() >= 9;
    let values: Vec<&String> = world.masked.iter().flat_map(BTreeMap::values).filter(long).collect();
    assert!(values.len() > ROWS * 8, "{}", values.len());
    let needles: Vec<String> = values
        .iter()
        .flat_map(|value| [(*value).clone(), value.chars().rev().collect(), hex::encode(value)])
        .collect();
    let automaton = AhoCorasick::new(&needles).unwrap();
    let mut files = Vec::new();
    collect(place.stack.directory(), &mut files);
    assert!(files.len() > 20 && files.iter().any(|file| file.ends_with("exhibit.log")));
    let held = files
        .into_iter()
        .filter(|file| automaton.is_match(&std::fs::read(file).unwrap()));
    held.collect()
}

fn collect(directory: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path.display().to_string());
        }
    }
}

/// The table of `docs/detectors.md`.
fn print(masked: &[(usize, Out)], free: &Out, alone: &Out) {
    println!(
        "| category | in masked columns: seeded, out | in free text: seeded, out | alone in a cell: seeded, out |"
    );
    println!("| --- | --- | --- | --- |");
    let count = |out: &Out, category| out.get(category).map_or(0, Vec::len);
    for category in &Category::ALL {
        let columns: usize = masked.iter().map(|(_, out)| count(out, category)).sum();
        let labelled = LABELLED.iter().find(|(other, _)| other == category);
        let (text, bare) = match labelled {
            Some((_, label)) => (
                format!("by label (`{label}`): {ROWS}, {}", count(free, category)),
                "none".to_owned(),
            ),
            None => (
                format!("{ROWS}, {}", count(free, category)),
                format!("{ROWS}, {}", count(alone, category)),
            ),
        };
        println!("| `{}` | {ROWS}, {columns} | {text} | {bare} |", category.as_str());
    }
    let answered: Vec<_> = masked.iter().map(|(answered, _)| answered.to_string()).collect();
    println!(
        "{} forms by 3 ways; answered where the proxy masks, and where the database does: {}",
        FORMS.len(),
        answered.join(", ")
    );
}

#[test]
fn no_canary_of_ten_thousand_comes_out_of_the_real_programs() {
    let world = World::new();
    let mut proxy = Place::new(&world, Masking::Proxy);
    let columns = masked(&proxy, &world);
    let mut text = free(&proxy, &world.notes);
    let mut rows = 0;
    for (category, label) in LABELLED {
        let sql = format!("SELECT id, {label} FROM {}", column(*category));
        rows += column_of(&proxy, &sql, &world.labelled, &mut text);
    }
    assert_eq!(rows, world.labelled.len());
    let mut bare = Out::new();
    let rows = column_of(&proxy, "SELECT id, value FROM alone", &world.alone, &mut bare);
    assert_eq!(rows, world.alone.len());
    let held = files_with(&mut proxy, &world);
    let mut database = Place::new(&world, Masking::Database);
    let there = masked(&database, &world);
    let held_there = files_with(&mut database, &world);
    let all = [columns, there];
    print(&all, &text, &bare);
    for (answered, misses) in &all {
        assert!(*answered >= FORMS.len(), "{answered} were answered");
        assert!(misses.is_empty(), "masked columns: {misses:?}");
    }
    assert!(held.is_empty() && held_there.is_empty(), "{held:?} {held_there:?}");
    check_misses(&text);
    bare.retain(|category, _| !CUED.contains(category));
    check_misses(&bare);
}

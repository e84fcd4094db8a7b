//! The PDF of a report, from outside: poppler reads what is on its sheets, and qpdf holds the file to its format.
//!
//! Not here: text that looks like markup (`verifier/pdf/tests`), and values that masks took (the demo looks for them).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails, in its helpers too"
)]

#[path = "wording/never.rs"]
mod never;
#[allow(dead_code, reason = "packages of the checkers' tests, of which some are used here")]
#[path = "checkers/packages.rs"]
mod packages;
#[allow(dead_code, reason = "plants of the verifier's tests, of which some are used here")]
#[path = "verifier/planted/plans.rs"]
mod plans;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use exhibit_tests::{programs, run};
use exhibit_verify::report::Report;
use serde_json::Value;
use tempfile::TempDir;

use self::never::{NEVER, plain};
use self::packages::{ENTITY, Exported, broken, whole, with_exceptions};

/// A log, and the report that was made of it.
struct Made {
    place: TempDir,
}

impl Made {
    fn of(exported: &Exported) -> Self {
        let place = tempfile::tempdir().unwrap();
        exported.write(place.path());
        let made = Self { place };
        let ran = made.report("exhibit-verify-pdf", &["--entity", ENTITY, "--out", "report"], &[]);
        assert!(matches!(ran.status.code(), Some(0 | 1)), "{ran:?}");
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Runs `report` of a program on the log, with more arguments and variables.
    fn report(&self, program: &str, wanted: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = programs::command(program).unwrap();
        command.current_dir(self.place.path()).envs(variables.iter().copied());
        command.args(["report", "bundle.tar", "--keys", "trust.toml", "--heads", "kept"]);
        command.args(wanted).output().unwrap()
    }

    /// Exit code and answer of `report --check`.
    fn check(&self, program: &str) -> (Option<i32>, String) {
        let ran = self.report(program, &["--check", "report"], &[]);
        (ran.status.code(), String::from_utf8(ran.stdout).unwrap())
    }

    fn pdf(&self) -> PathBuf {
        self.path("report/report.pdf")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path("report/report.json")).unwrap()).unwrap()
    }

    /// What is on the sheets, each with an end of its own.
    fn text(&self) -> String {
        run(Command::new("pdftotext").arg(self.pdf()).arg("-")).unwrap()
    }

    /// What the tags of the file hold, in the order in which it is to be read: everything but the heads and feet of the sheets,
    /// and the numbers of sheets. Poppler takes seconds for some ten sheets.
    fn tagged(&self) -> String {
        let tree = Command::new("pdfinfo")
            .arg("-struct-text")
            .arg(self.pdf())
            .output()
            .unwrap();
        // Titles of tags are printed in another encoding.
        let tree = String::from_utf8_lossy(&tree.stdout);
        let mut lines = tree.lines().map(str::trim);
        let mut texts = String::new();
        while let Some(line) = lines.next() {
            if line.starts_with("Lbl ") {
                // The mark of an item, which a browser adds, too.
                lines.next();
            } else if let Some(text) = line.strip_prefix('"') {
                texts.push_str(text.strip_suffix('"').unwrap_or(text));
            }
        }
        texts
    }
}

/// Without white space.
fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The text of an HTML page.
fn text_of(page: &str) -> String {
    let mut rest = page.split_once("<body>").unwrap().1;
    let mut text = String::new();
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        // What a picture shows only where something points at it is not on paper.
        rest = match tag.strip_prefix("title>") {
            Some(title) => title.split_once("</title>").unwrap().1,
            None => tag.split_once('>').unwrap().1,
        };
    }
    ["&lt;", "&gt;", "&quot;", "&amp;"]
        .iter()
        .zip(["<", ">", "\"", "&"])
        .fold(text, |text, (entity, character)| text.replace(entity, character))
}

#[test]
fn the_pdf_says_what_the_page_says_word_for_word() {
    for exported in [with_exceptions(), broken()] {
        let made = Made::of(&exported);
        let outcome = exported.outcome();
        let program = made.json()["cover"]["verifier_sha256"].as_str().unwrap().to_owned();
        let report = Report::of(&outcome).for_entity(ENTITY).by_program(Some(program));
        // One statement has an escape, which is written out.
        let wanted = dense(&text_of(&report.paper().page).replace('\u{1b}', "\\u{1b}"));
        let found = dense(&made.tagged());
        let place = wanted
            .chars()
            .zip(found.chars())
            .take_while(|(one, other)| one == other)
            .count();
        let around = |text: &str| {
            text.chars()
                .skip(place.saturating_sub(80))
                .take(160)
                .collect::<String>()
        };
        assert!(
            wanted == found,
            "from {place} on:\n{}\n{}",
            around(&wanted),
            around(&found)
        );
    }
}

#[test]
fn the_cover_and_every_control_with_its_count_are_printed() {
    for (exported, result) in [
        (whole(), "Verified: the checks found no error in"),
        (with_exceptions(), "The record of"),
        (broken(), "This bundle proves nothing that this page could report"),
    ] {
        let made = Made::of(&exported);
        let (report, text) = (made.json(), dense(&made.text()));
        let cover = &report["cover"];
        let has = |wanted: &str| assert!(text.contains(&dense(wanted)), "{wanted} is not in {text}");
        has(result);
        has(ENTITY);
        has(cover["origin"].as_str().unwrap());
        has(cover["log_key"].as_str().unwrap());
        has(&format!("{} entries", cover["size"]));
        if let Some(root) = cover["root"].as_str() {
            has(root);
        }
        for limit in cover["limits"].as_array().unwrap() {
            has(limit.as_str().unwrap());
        }
        let controls = report["controls"].as_array().unwrap();
        assert_eq!(controls.len(), 14);
        for row in controls {
            has(row["title"].as_str().unwrap());
            has(row["count"].as_u64().unwrap().to_string().as_str());
        }
        if cover["record"] == "exceptions" {
            has_rows(&dense(&made.tagged()), controls);
        }
    }
}

/// Each row of the matrix stands in a text, from its cite to its test.
fn has_rows(text: &str, controls: &[Value]) {
    for row in controls {
        let word = |name: &str| row[name].as_str().unwrap().to_owned();
        let line = [
            word("cite").replace(", ", ""),
            word("title"),
            word("population"),
            word("query"),
            row["count"].to_string(),
            word("test"),
        ];
        let line = dense(&line.concat());
        assert!(text.contains(&line), "{line}");
    }
}

#[test]
fn a_sheet_names_the_record_and_what_came_of_verifying_it() {
    for (exported, result) in [
        (whole(), "verified"),
        (with_exceptions(), "refused"),
        (broken(), "refused"),
    ] {
        let made = Made::of(&exported);
        let cover = made.json()["cover"].clone();
        let record = match cover["root"].as_str() {
            Some(root) => format!("root {root}"),
            None => "no root, because the record is broken".to_owned(),
        };
        let foot = format!("{result}, {} entries, {record}", cover["size"]);
        let text = made.text();
        let sheets: Vec<_> = text.split('\u{c}').filter(|sheet| !sheet.trim().is_empty()).collect();
        for (number, sheet) in (1..).zip(&sheets) {
            assert!(dense(sheet).contains(&dense(&foot)), "sheet {number}: {sheet}");
            let page = format!("page {number} of {}", sheets.len());
            assert!(sheet.contains(&page), "{page}: {sheet}");
        }
    }
}

#[test]
fn it_is_a_tagged_document_with_a_title_a_language_and_fonts_of_its_own() {
    let made = Made::of(&with_exceptions());
    let info = run(Command::new("pdfinfo").arg(made.pdf())).unwrap();
    for line in [
        "Title:           Access evidence of",
        "Tagged:          yes",
        "JavaScript:      no",
        "Encrypted:       no",
    ] {
        assert!(info.contains(line), "{line}: {info}");
    }
    assert!(!info.contains("Date:"), "{info}");
    let fonts = run(Command::new("pdffonts").arg(made.pdf())).unwrap();
    let fonts: Vec<_> = fonts.lines().skip(2).collect();
    assert!(fonts.len() > 2, "{fonts:?}");
    for font in fonts {
        // Embedded, a subset, and with the characters that its glyphs are.
        let says: Vec<_> = font.split_whitespace().rev().skip(2).take(3).collect();
        assert_eq!(says, ["yes", "yes", "yes"], "{font}");
    }
    let plain = made.path("plain.pdf");
    run(Command::new("qpdf")
        .args(["--qdf", "--object-streams=disable"])
        .arg(made.pdf())
        .arg(&plain))
    .unwrap();
    let plain = std::fs::read(plain).unwrap();
    let plain = String::from_utf8_lossy(&plain);
    for wanted in ["/Lang (en)", "/Outlines ", "/MarkInfo ", "/S /TH"] {
        assert!(plain.contains(wanted), "{wanted}");
    }
}

#[test]
fn the_same_report_is_the_same_bytes_wherever_it_is_made() {
    let made = Made::of(&with_exceptions());
    let first = std::fs::read(made.pdf()).unwrap();
    let elsewhere = [
        ("TZ", "Pacific/Apia"),
        ("LANG", "ar_EG.UTF-8"),
        ("HOME", "/nowhere"),
        ("SOURCE_DATE_EPOCH", "1"),
    ];
    let ran = made.report(
        "exhibit-verify-pdf",
        &["--entity", ENTITY, "--out", "again"],
        &elsewhere,
    );
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    assert!(
        first == std::fs::read(made.path("again/report.pdf")).unwrap(),
        "two runs differ"
    );
    let ran = made.report("exhibit-verify-pdf", &["--entity", "Another", "--out", "other"], &[]);
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    assert!(first != std::fs::read(made.path("other/report.pdf")).unwrap());
}

#[test]
fn qpdf_takes_it_and_refuses_every_mutant() {
    let made = Made::of(&with_exceptions());
    let check = |path: &Path| {
        let ran = Command::new("qpdf").arg("--check").arg(path).output().unwrap();
        ran.status.code()
    };
    assert_eq!(check(&made.pdf()), Some(0));
    let bytes = std::fs::read(made.pdf()).unwrap();
    let at = |wanted: &[u8]| {
        bytes
            .windows(wanted.len())
            .rposition(|window| window == wanted)
            .unwrap()
    };
    let mutants: [(&str, Vec<u8>); 4] = [
        ("cut off", bytes[..bytes.len() / 2].to_vec()),
        ("another start of its objects", {
            let mut mutant = bytes.clone();
            let place = at(b"startxref") + 10;
            mutant[place] = b'9';
            mutant
        }),
        ("no root of its objects", {
            let mut mutant = bytes.clone();
            mutant[at(b"/Root") + 1] = b'X';
            mutant
        }),
        ("no PDF", b"%PDF-1.7\nnothing\n".to_vec()),
    ];
    for (name, mutant) in mutants {
        let path = made.path("mutant.pdf");
        exhibit_tests::write(&path, &mutant).unwrap();
        assert!(matches!(check(&path), Some(2 | 3)), "{name} is taken");
    }
}

#[test]
fn nothing_is_claimed_on_paper_that_evidence_cannot_carry() {
    for exported in [whole(), with_exceptions(), broken()] {
        let made = Made::of(&exported);
        let text = plain(&made.text());
        assert!(text.contains("what this does not claim"), "{text}");
        let found: Vec<_> = NEVER.iter().filter(|phrase| text.contains(**phrase)).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

/// `report --check` of both programs, of a report with a PDF and of one without.
#[test]
fn what_was_not_compared_is_never_called_the_same() {
    let made = Made::of(&whole());
    let says = |program: &str, code: i32, word: &str, more: &str| {
        let (found, said) = made.check(program);
        assert!(
            found == Some(code) && said.contains(&format!("\n{word} ")) && said.contains(more),
            "{found:?} {said}"
        );
        assert_eq!(said.contains("SAME "), word == "SAME", "{said}");
    };
    let (with, without) = ("exhibit-verify-pdf", "exhibit-verify");
    says(with, 0, "SAME", "each of its 39 files");
    says(
        without,
        2,
        "PARTLY",
        "38 of its 39 files are what this bundle gives; report.pdf was not compared",
    );
    let table = made.path("report/tables/commands.csv");
    let kept = std::fs::read(&table).unwrap();
    exhibit_tests::write(&table, b"another").unwrap();
    says(with, 1, "DIFFERS", "tables/commands.csv is not what the bundle gives");
    says(without, 1, "DIFFERS", "report.pdf was not made again");
    exhibit_tests::write(&table, &kept).unwrap();

    let mut bytes = std::fs::read(made.pdf()).unwrap();
    let kept = bytes.clone();
    bytes.push(b'\n');
    exhibit_tests::write(&made.pdf(), &bytes).unwrap();
    says(with, 1, "DIFFERS", "report.pdf is not what the bundle gives");
    says(
        without,
        1,
        "DIFFERS",
        "report.pdf is not the file that the manifest lists",
    );
    std::fs::remove_file(made.pdf()).unwrap();
    says(with, 1, "DIFFERS", "report.pdf is missing");
    says(without, 1, "DIFFERS", "report.pdf is missing");
    exhibit_tests::write(&made.pdf(), &kept).unwrap();
    says(with, 0, "SAME", "each of its 39 files");

    // Of a report without one both programs make the same, and one that is put beside it is no file of it.
    let ran = made.report(without, &["--entity", ENTITY, "--out", "report"], &[]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert!(!made.pdf().exists(), "an earlier PDF stays");
    for program in [with, without] {
        says(program, 0, "SAME", "each of its 38 files");
    }
    exhibit_tests::write(&made.pdf(), &kept).unwrap();
    for program in [with, without] {
        says(program, 1, "DIFFERS", "report.pdf is no file of this report");
    }
}

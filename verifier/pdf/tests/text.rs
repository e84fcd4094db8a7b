//! Text that looks like something else is text: it is read back, as it is or with its code points, by poppler.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::io::Write as _;
use std::process::Command;

use exhibit_verify::report::paper::Paper;
use exhibit_verify_pdf::{TypstError, set};

/// What would be markup, or code, where text is evaluated; and what does not break, or acts on what is around it.
const TEXTS: [&str; 13] = [
    "#import \"/etc/passwd\": *",
    "#read(\"/etc/passwd\") #sys.version #panic(1)",
    "$x^2$ *bold* _emphasis_ `raw` = heading",
    "[content] {code} <label> @reference \\ ~ -- --- \"quotes\" 'single' /* comment */ // rest",
    "&amp; &lt;b&gt; </td><td> <script>alert(1)</script>",
    "- a + b / c: d ; #(1 + 1)",
    "fi ffl office \u{fb01}",
    "Приём Ω ÄÖÜß ñ ł",
    "\u{1f600}\u{1f468}\u{200d}\u{2695}\u{fe0f}",
    "病歴 환자",
    "a\u{202e}b\u{2066}c\u{200b}d\u{feff}e\u{ad}f",
    "\u{1b}[2K\u{7}\u{0}\u{85}\u{9f}",
    "1e3 0x41 none true auto 12pt https://example.org/ name@example.org",
];

/// HTML of a text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn paper(body: &str) -> Paper {
    Paper {
        title: "Title #panic() of *a* [log]".to_owned(),
        foot: "foot $x$ #panic()".to_owned(),
        page: format!("<html><body>{body}</body></html>"),
    }
}

/// What poppler reads, by a program of it, without white space.
fn read(pdf: &[u8], program: &str, before: &[&str], after: &[&str]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pdf).unwrap();
    let ran = Command::new(program)
        .args(before)
        .arg(file.path())
        .args(after)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    // Titles of tags are printed in another encoding.
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The texts of the tags, in their order.
fn tagged(pdf: &[u8]) -> String {
    let tree = read(pdf, "pdfinfo", &["-struct-text"], &[]);
    let texts = tree.lines().filter_map(|line| line.trim().strip_prefix('"'));
    dense(
        &texts
            .map(|text| text.strip_suffix('"').unwrap_or(text))
            .collect::<String>(),
    )
}

/// What is to be read of a text: characters that show, and code points of the others.
fn shown(text: &str) -> String {
    let unseen = |character: char| {
        (character.is_control() && !character.is_whitespace())
            || character == '\u{85}'
            || matches!(
                character,
                '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{202e}' | '\u{2066}' | '\u{fe0f}' | '\u{feff}'
            )
            || ('\u{3000}'..='\u{d7ff}').contains(&character)
            || character > '\u{ffff}'
    };
    let mut shown = String::new();
    for character in text.chars() {
        if unseen(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    dense(&shown)
}

#[test]
fn whatever_a_text_looks_like_it_is_text() {
    for text in TEXTS {
        let escaped = escaped(text);
        let body = format!(
            "<h1>{escaped}</h1><h2 id=\"{escaped}\">{escaped}</h2><p>{escaped} <code>{escaped}</code></p>\
             <ul><li>{escaped}</li></ul><table><thead><tr><th>{escaped}</th></tr></thead>\
             <tbody><tr><td><strong>{escaped}</strong></td></tr></tbody></table>"
        );
        let pdf = set(&paper(&body)).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let wanted = shown(text);
        let found = tagged(&pdf);
        assert_eq!(found.matches(&wanted).count(), 7, "{text:?} as {wanted} in {found}");
    }
}

/// Right-to-left text is set as such; pdftotext gives it in the order of reading, tags hold the glyphs as they stand.
#[test]
fn text_from_right_to_left_is_read_in_its_order() {
    let pdf = set(&paper("<p>one שלום two</p>")).unwrap();
    let text = read(&pdf, "pdftotext", &[], &["-"]);
    assert!(text.contains("שלום"), "{text:?}");
    assert!(tagged(&pdf).contains("םולש"), "{text:?}");
}

/// Where a word stands: the sheet, and the edges of its box.
struct Word {
    sheet: usize,
    edges: [f64; 4],
    text: String,
}

fn words(pdf: &[u8]) -> Vec<Word> {
    let boxes = read(pdf, "pdftotext", &["-bbox"], &["-"]);
    let mut sheet = 0;
    let mut words = Vec::new();
    for line in boxes.lines() {
        if line.contains("<page ") {
            sheet += 1;
        }
        if let Some(word) = line.trim().strip_prefix("<word ") {
            let edge = |name: &str| {
                let (_, rest) = word.split_once(&format!("{name}=\"")).unwrap();
                rest.split_once('"').unwrap().0.parse::<f64>().unwrap()
            };
            let text = word.split_once('>').unwrap().1;
            words.push(Word {
                sheet,
                edges: ["xMin", "yMin", "xMax", "yMax"].map(edge),
                text: text.trim_end_matches("</word>").to_owned(),
            });
        }
    }
    words
}

/// However long words are and however many columns there are, no word leaves its sheet or runs into another.
#[test]
fn long_words_break_and_stay_in_their_columns() {
    let digest = "0123456789abcdef".repeat(4);
    let long = "W".repeat(3_000);
    for (columns, text) in [
        (2, digest.as_str()),
        (9, digest.as_str()),
        (13, digest.as_str()),
        (
            13,
            "2026-11-29T12:00:00.000000Z by somebody@example.org for repository/name",
        ),
        (40, digest.as_str()),
        (3, long.as_str()),
    ] {
        let head = "<th>Heading-of-it</th>".repeat(columns);
        let cell = format!("<td>{text}</td><td><code>{text}</code></td>").repeat(columns);
        let cells: String = cell.split_inclusive("</td>").take(columns).collect();
        let body = format!(
            "<p>{text}</p><table><thead><tr>{head}</tr></thead><tbody><tr>{cells}</tr><tr>{cells}</tr></tbody></table>"
        );
        let words = words(&set(&paper(&body)).unwrap());
        assert!(words.len() > columns * 2);
        for word in &words {
            let [left, top, right, bottom] = word.edges;
            // US Letter across is 792 by 612 points; the margins are 51.
            assert!(
                left > 45.0 && right < 747.0 && top > 10.0 && bottom < 602.0,
                "{} at {:?}",
                word.text,
                word.edges
            );
        }
        for (place, one) in words.iter().enumerate() {
            let beside = words.iter().skip(place + 1).filter(|other| other.sheet == one.sheet);
            for other in beside {
                let across = one.edges[2].min(other.edges[2]) - one.edges[0].max(other.edges[0]);
                let down = one.edges[3].min(other.edges[3]) - one.edges[1].max(other.edges[1]);
                assert!(
                    across < 0.6 || down < 4.0,
                    "{} {:?} on {} {:?}",
                    one.text,
                    one.edges,
                    other.text,
                    other.edges
                );
            }
        }
    }
}

/// What is not known is refused: it would be missing on paper.
#[test]
fn what_is_not_known_is_refused() {
    for (body, wanted) in [
        ("<blink>x</blink>", "blink"),
        ("<p><b>x</b></p>", "b"),
        (
            "<table><tbody><tr><td colspan=\"2\">x</td></tr></tbody></table>",
            "colspan",
        ),
        ("<ul><p>x</p></ul>", "p"),
        ("text beside blocks", "text"),
        ("<p>not closed", "well-formed"),
        ("<p>&nbsp;</p>", "well-formed"),
        ("<figure>x</figure>", "text"),
    ] {
        match set(&paper(body)) {
            Err(TypstError::Page(error)) => assert!(error.to_string().contains(wanted), "{body}: {error}"),
            other => panic!("{body}: {other:?}"),
        }
    }
    let no_body = Paper {
        page: "<html></html>".to_owned(),
        ..paper("")
    };
    assert!(matches!(set(&no_body), Err(TypstError::Page(_))));
}

//! Words that no page, output or source of ours may use: claims that evidence cannot carry.
//!
//! The ledger shows evidence that is consistent with a provision; an auditor concludes. A page that must name a phrase in
//! order to disown it stands in [`DISOWNED`], with the phrase.

#[path = "wording/never.rs"]
mod never;

use std::path::{Path, PathBuf};

use self::never::{NEVER, plain};

/// Where a phrase stands in order to be disowned.
const DISOWNED: &[(&str, &str)] = &[
    // "None of partial, token and year-only is called de-identified".
    ("proxy/policy/src/mask.rs", "de-identified"),
    // A variable: sessions whose caller is unknown.
    ("verifier/src/report.rs", "anonymous"),
];

/// Files that people read, or that hold what people read.
const EXTENSIONS: &[&str] = &["md", "rs", "toml", "html", "sql", "snap", "cddl", "sh", "typ"];

/// Not ours, or made of phrases to look for.
const SKIPPED: &[&str] = &["target", ".git", "tests/tests", "proxy/postgres/src/analysis/tests"];

#[test]
fn nothing_is_claimed_that_evidence_cannot_carry() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    assert!(files.len() > 50, "only {} files were found", files.len());
    let mut found = Vec::new();
    for file in files {
        let text = plain(&std::fs::read_to_string(root.join(&file)).expect("it reads"));
        let name = file.to_string_lossy().into_owned();
        for phrase in NEVER {
            if text.contains(phrase) && !DISOWNED.contains(&(name.as_str(), *phrase)) {
                found.push(format!("{name}: {phrase}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_phrase_is_found_across_lines_and_cases() {
    assert!(plain("//! A Complete\n//!   audit TRAIL").contains("complete audit trail"));
    assert!(plain("<b>Tamper-Proof</b>").contains("tamper-proof"));
    assert!(!plain("tamper-evident").contains("tamper-proof"));
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("it lists") {
        let path = entry.expect("an entry").path();
        let inside = path.strip_prefix(root).expect("below the root").to_owned();
        if SKIPPED.iter().any(|skipped| inside == Path::new(skipped)) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files);
        } else if path
            .extension()
            .and_then(|name| name.to_str())
            .is_some_and(|name| EXTENSIONS.contains(&name))
        {
            files.push(inside);
        }
    }
}

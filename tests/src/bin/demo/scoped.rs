//! An auditor of one incident: the session of the schema change alone, and nothing of the others.

use std::path::Path;
use std::process::Command;

use exhibit_tests::stack::Stack;
use exhibit_tests::{HarnessError, programs};

use crate::claims::{Claims, Ran, note};
use crate::pipeline::Change;

/// The export of one session, and what is in it.
pub(crate) fn session(stack: &Stack, change: &Change, claims: &mut Claims) -> Result<(), HarnessError> {
    claims.part("An auditor needs one session");
    let out = stack.directory().join("bundle-of-one-session");
    let mut export = stack.exhibit()?;
    export.arg("export").arg(&out);
    let exported = Ran::of(export.args(["--session", &change.session]))?;
    claims.check(
        "`exhibit export --session` writes what is of the session of the schema change",
        exported.code == Some(0),
        &exported.shown(),
    );
    note(exported.out.trim());
    let verified = verify(stack, &out, &["--json"])?;
    let answer: serde_json::Value = serde_json::from_str(&verified.out).unwrap_or_default();
    claims.check(
        "`exhibit-verify` finds nothing wrong with it, and does not call it the log",
        verified.code == Some(0) && answer.get("result").and_then(|value| value.as_str()) == Some("verified-scoped"),
        &verified.shown(),
    );
    let said = verify(stack, &out, &[])?;
    claims.check(
        "it says what is proven (no key's revocation is left out) and what is not",
        said.out.contains("No event of an administrator is withheld")
            && said.out.contains("Not proven by this bundle:"),
        &said.shown(),
    );
    let others = others(stack, &change.session)?;
    let mut found = Vec::new();
    for other in &others {
        // Ids stand in events as bytes.
        let mut bytes = String::new();
        for pair in other.as_bytes().chunks(2) {
            bytes.push_str("\\x");
            bytes.push_str(&String::from_utf8_lossy(pair));
        }
        let mut grep = Command::new("grep");
        grep.env("LC_ALL", "C").args(["-rlaP", &bytes]).arg(&out);
        let ran = Ran::of(&mut grep)?;
        if ran.code != Some(1) {
            found.push(ran.shown());
        }
    }
    claims.check(
        &format!("it holds nothing of the {} other sessions", others.len()),
        !others.is_empty() && found.is_empty(),
        &found.join("\n"),
    );
    Ok(())
}

fn verify(stack: &Stack, bundle: &Path, more: &[&str]) -> Result<Ran, HarnessError> {
    let mut command = programs::command("exhibit-verify")?;
    Ran::of(
        command
            .arg(bundle)
            .arg("--scoped")
            .arg("--keys")
            .arg(stack.trust())
            .args(more),
    )
}

/// Ids of all other sessions.
fn others(stack: &Stack, session: &str) -> Result<Vec<String>, HarnessError> {
    let opened = Ran::of(
        stack
            .exhibit()?
            .args(["search", "--json", "--limit", "1000", "kind:session-opened"]),
    )?;
    let ids = opened.out.lines().filter_map(|line| {
        let hit: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(hit.get("session")?.as_str()?.to_owned())
    });
    Ok(ids.filter(|id| id != session).collect())
}

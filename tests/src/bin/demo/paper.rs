//! The report as PDF, as poppler reads it.

use std::process::Command;

use exhibit_tests::stack::Stack;
use exhibit_tests::{HarnessError, programs};

use crate::claims::{Claims, Ran};

/// The text of the PDF. What goes on in the next line stands behind a blank, and once more without one.
pub(crate) fn text(stack: &Stack) -> Result<String, HarnessError> {
    let mut command = Command::new("pdftotext");
    let read = Ran::of(command.arg(stack.directory().join("report/report.pdf")).arg("-"))?;
    let lines: Vec<_> = read.out.split_ascii_whitespace().collect();
    Ok(format!("{}\n{}\n", lines.join(" "), lines.concat()))
}

/// It says what the report says, and no program that cannot make it again says that it compared it.
pub(crate) fn report(stack: &Stack, data: &serde_json::Value, claims: &mut Claims) -> Result<(), HarnessError> {
    let text = text(stack)?;
    let word = |of: &serde_json::Value, name: &str| {
        let word = of.get(name).and_then(serde_json::Value::as_str);
        word.unwrap_or_default().to_owned()
    };
    let cover = data.get("cover").cloned().unwrap_or_default();
    let controls: Vec<_> = data
        .get("controls")
        .and_then(|rows| rows.as_array())
        .into_iter()
        .flatten()
        .collect();
    let size = cover.get("size").map(ToString::to_string).unwrap_or_default();
    let mut wanted = vec![
        format!("Verified: the checks found no error in {size} entries."),
        format!("root {}", word(&cover, "root")),
    ];
    wanted.extend(controls.iter().map(|row| word(row, "title")));
    let missing: Vec<_> = wanted.iter().filter(|wanted| !text.contains(*wanted)).collect();
    claims.check(
        "the report is there as PDF, too: pdftotext reads its result, its root and each of its controls",
        controls.len() > 10 && missing.is_empty(),
        &format!("{missing:?} not in {text}"),
    );
    let mut command = programs::command("exhibit-verify")?;
    command
        .arg("report")
        .arg(stack.directory().join("bundle"))
        .arg("--keys")
        .arg(stack.trust());
    let part = Ran::of(command.arg("--check").arg(stack.directory().join("report")))?;
    claims.check(
        "the verifier without a typesetter compares all but the PDF, and does not call that the same",
        part.code == Some(2) && part.out.contains("PARTLY") && !part.out.contains("SAME"),
        &part.shown(),
    );
    Ok(())
}

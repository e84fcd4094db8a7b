//! The proof: export, offline verification, tampering, search, report, and a search for values that must not be anywhere.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use exhibit_schemas::merkle::TreeSize;
use exhibit_schemas::tile::{TileKind, entries, tiles};
use exhibit_tests::stack::{APPROVER, READER, Stack};
use exhibit_tests::{HarnessError, programs};

use crate::claims::{Claims, Ran, note};
use crate::paper;
use crate::pipeline::Change;

/// How long the ledger may take to close sessions and to index; far more than it needs.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often it is asked meanwhile.
const SETTLE_INTERVAL: Duration = Duration::from_millis(100);

/// Each of so many values is asked for in the index; a question takes some hundredths of a second.
const ASKED_EVERY: usize = 500;

/// Asks until the answer is the wanted one, or the time is over; gives the last answer.
fn settled(
    mut ask: impl FnMut() -> Result<Ran, HarnessError>,
    wanted: impl Fn(&Ran) -> bool,
) -> Result<Ran, HarnessError> {
    let start = Instant::now();
    loop {
        let ran = ask()?;
        if wanted(&ran) || start.elapsed() > SETTLE_TIMEOUT {
            return Ok(ran);
        }
        std::thread::sleep(SETTLE_INTERVAL);
    }
}

fn verify(stack: &Stack, bundle: &Path) -> Result<Ran, HarnessError> {
    let mut command = programs::command("exhibit-verify")?;
    Ran::of(command.arg(bundle).arg("--keys").arg(stack.trust()).arg("--json"))
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn bundle(stack: &Stack) -> PathBuf {
    stack.directory().join("bundle")
}

/// The export, and the verifier on it.
pub(crate) fn export(stack: &Stack, claims: &mut Claims) -> Result<(), HarnessError> {
    claims.part("The evidence leaves the machine");
    let open = |ran: &Ran| json(&ran.out).get("open_sessions").and_then(serde_json::Value::as_u64);
    let status = settled(
        || Ran::of(stack.exhibit()?.args(["status", "--json"])),
        |ran| open(ran) == Some(0),
    )?;
    claims.check("every session is closed", open(&status) == Some(0), &status.shown());
    let exported = Ran::of(stack.exhibit()?.arg("export").arg(bundle(stack)))?;
    claims.check(
        "`exhibit export` writes a bundle",
        exported.code == Some(0),
        &exported.shown(),
    );
    note(exported.out.trim());
    let verified = verify(stack, &bundle(stack))?;
    let result = json(&verified.out);
    claims.check(
        "`exhibit-verify` finds nothing wrong with it",
        verified.code == Some(0) && result.get("result").and_then(|value| value.as_str()) == Some("verified"),
        &verified.shown(),
    );
    Ok(())
}

/// One byte of a copy is flipped, in the request that a person approved.
pub(crate) fn tampering(stack: &Stack, change: &Change, claims: &mut Claims) -> Result<(), HarnessError> {
    claims.part("Somebody changes one byte");
    let copy = stack.directory().join("bundle-changed");
    exhibit_tests::run(Command::new("cp").arg("-r").arg(bundle(stack)).arg(&copy))?;
    let file = flip(&copy, change.index)?;
    let refused = verify(stack, &copy)?;
    let names_it = json(&refused.out)
        .get("findings")
        .and_then(|value| value.as_array().cloned());
    let names_it = names_it.unwrap_or_default().iter().any(|finding| {
        let number = |name: &str| finding.get(name).and_then(serde_json::Value::as_u64);
        let first = number("index");
        first.is_some_and(|first| (first..=number("last").unwrap_or(first)).contains(&change.index))
            || finding.get("file").and_then(|value| value.as_str()) == Some(&file)
    });
    claims.check(
        &format!(
            "with one bit of event {} flipped, `exhibit-verify` refuses and names the place",
            change.index
        ),
        refused.code == Some(1) && names_it,
        &refused.shown(),
    );
    for finding in json(&refused.out)
        .get("findings")
        .and_then(|value| value.as_array())
        .into_iter()
        .flatten()
        .take(3)
    {
        note(&finding.to_string());
    }
    std::fs::remove_dir_all(&copy)?;
    Ok(())
}

/// Flips a bit in the middle of an entry; gives the path of its file in the bundle.
fn flip(bundle: &Path, index: u64) -> Result<String, HarnessError> {
    let failed = |said: &str| HarnessError::Failed {
        program: "flipping a byte".to_owned(),
        said: said.to_owned(),
    };
    let manifest = json(&std::fs::read_to_string(bundle.join("manifest.json"))?);
    let size = manifest
        .get("size")
        .and_then(serde_json::Value::as_u64)
        .unwrap_or_default();
    let mut first = 0;
    for tile in tiles(TreeSize(size)).filter(|tile| tile.kind() == TileKind::Entries) {
        let width = u64::from(tile.width());
        if index >= first + width {
            first += width;
            continue;
        }
        let path = bundle.join(tile.path());
        let mut bytes = std::fs::read(&path)?;
        let place = {
            let all = entries(&bytes, tile.width()).map_err(|error| failed(&error.to_string()))?;
            let number = usize::try_from(index - first).map_err(|error| failed(&error.to_string()))?;
            let before: usize = all.iter().take(number).map(|entry| entry.len() + 2).sum();
            before + 2 + all.get(number).map_or(0, |entry| entry.len() / 2)
        };
        *bytes.get_mut(place).ok_or_else(|| failed("the entry is not there"))? ^= 1;
        exhibit_tests::write(&path, &bytes)?;
        return Ok(tile.path());
    }
    Err(failed("the event is not in the bundle"))
}

/// Search and replay.
pub(crate) fn search(stack: &Stack, change: &Change, claims: &mut Claims) -> Result<(), HarnessError> {
    claims.part("Questions to the evidence");
    let ask = |question: &str| Ran::of(stack.exhibit()?.args(["search", "--json", question]));
    let found = settled(|| ask("reviewed"), |ran| !ran.out.is_empty())?;
    claims.check(
        "`exhibit search reviewed` finds the schema change",
        found.code == Some(0)
            && found
                .out
                .lines()
                .any(|line| json(line).get("session").and_then(|value| value.as_str()) == Some(&change.session)),
        &found.shown(),
    );
    let decided = settled(|| ask(&format!("approver:{APPROVER}")), |ran| !ran.out.is_empty())?;
    claims.check(
        &format!("`exhibit search approver:{APPROVER}` finds the decision"),
        decided.code == Some(0) && !decided.out.is_empty(),
        &decided.shown(),
    );
    let sessions = Ran::of(stack.exhibit()?.args(["sessions", "--json"]))?;
    claims.check(
        "`exhibit sessions` lists the pipeline's sessions",
        sessions.code == Some(0) && sessions.out.lines().count() >= 5,
        &sessions.shown(),
    );
    let replayed = Ran::of(stack.exhibit()?.args(["replay", &change.session]))?;
    claims.check(
        "`exhibit replay` shows the session with the command",
        replayed.code == Some(0) && replayed.out.contains("ADD COLUMN reviewed"),
        &replayed.shown(),
    );
    for line in replayed.out.lines() {
        note(line);
    }
    let read = Ran::of(stack.exhibit()?.args(["search", "kind:evidence-read", READER]))?;
    let says = |what: &str| read.out.contains(&format!("{what} by {READER}"));
    claims.check(
        &format!("that {READER} exported, searched and replayed is evidence itself"),
        read.code == Some(0) && says("export") && says("search") && says("replay"),
        &read.shown(),
    );
    // One line of it.
    for line in read.out.lines().filter(|line| line.contains("replay by")).take(1) {
        note(line.trim());
    }
    Ok(())
}

/// The evidence report.
pub(crate) fn report(stack: &Stack, claims: &mut Claims) -> Result<(), HarnessError> {
    claims.part("A report for the auditor");
    let out = stack.directory().join("report");
    let mut command = programs::command("exhibit-verify-pdf")?;
    let ran = Ran::of(
        command
            .arg("report")
            .arg(bundle(stack))
            .arg("--keys")
            .arg(stack.trust())
            .args(["--entity", "Demo Clinic", "--out"])
            .arg(&out),
    )?;
    let page = std::fs::read_to_string(out.join("report.html")).unwrap_or_default();
    let data = json(&std::fs::read_to_string(out.join("report.json")).unwrap_or_default());
    let verified = data.pointer("/cover/result").and_then(|value| value.as_str()) == Some("verified");
    claims.check(
        "the report says verified, and tells of the schema change and who approved it",
        ran.code == Some(0) && verified && page.contains("ADD COLUMN reviewed") && page.contains(APPROVER),
        &ran.shown(),
    );
    let table = std::fs::read_to_string(out.join("tables/commands.csv")).unwrap_or_default();
    let commands = data
        .pointer("/evidence/events/command")
        .and_then(serde_json::Value::as_u64);
    claims.check(
        "its tables hold every command of the log",
        commands.is_some() && u64::try_from(table.lines().count()).ok() == commands.map(|commands| commands + 1),
        &table,
    );
    paper::report(stack, &data, claims)?;
    let check = |out: &Path| {
        let mut command = programs::command("exhibit-verify-pdf")?;
        command.arg("report").arg(bundle(stack));
        command.arg("--keys").arg(stack.trust()).arg("--check").arg(out);
        Ran::of(&mut command)
    };
    let same = check(&out)?;
    claims.check(
        "the report that was handed over is what the bundle gives",
        same.code == Some(0) && same.out.contains("SAME"),
        &same.shown(),
    );
    let changed = out.join("tables/commands.csv");
    exhibit_tests::write(&changed, table.replacen("allowed", "denied", 1).as_bytes())?;
    let differs = check(&out)?;
    exhibit_tests::write(&changed, table.as_bytes())?;
    claims.check(
        "one word changed in a table of it is found",
        differs.code == Some(1) && differs.out.contains("tables/commands.csv is not what the bundle gives"),
        &differs.shown(),
    );
    let mut command = programs::command("exhibit-verify")?;
    command
        .arg("sample")
        .arg(bundle(stack))
        .arg("--keys")
        .arg(stack.trust());
    let sample = Ran::of(command.args(["--control", "312.a.1", "--n", "5", "--nonce", NONCE]))?;
    claims.check(
        "a sample of 5 decisions is drawn by the root and the auditor's nonce, and none has an exception",
        sample.code == Some(0) && sample.out.contains("No exception by the tests in a sample of 5 of"),
        &sample.shown(),
    );
    Ok(())
}

/// What the auditor says once the bundle was handed over.
const NONCE: &str = "8f3c2a9d51e6704b";

/// Looks for every value that the policy hides in everything that is left.
pub(crate) fn canaries(stack: &Stack, claims: &mut Claims) -> Result<(), HarnessError> {
    claims.part("What must not be anywhere");
    let place = tempfile::tempdir()?;
    let (list, source) = (place.path().join("canaries"), place.path().join("clinic.sql"));
    let canaries = &stack.clinic().canaries;
    exhibit_tests::write(&list, canaries.join("\n").as_bytes())?;
    exhibit_tests::write(&source, stack.clinic().sql.as_bytes())?;
    // grep exits with 0 when it finds, 1 when not, 2 when it could not look.
    let look = |where_to: &Path| {
        let mut grep = Command::new("grep");
        grep.env("LC_ALL", "C").args(["-rlaF", "-f"]).arg(&list);
        Ran::of(grep.arg(where_to))
    };
    let control = look(&source)?;
    claims.check(
        "this search finds them where they are: in the database",
        control.code == Some(0),
        &control.shown(),
    );
    let found = look(stack.directory())?;
    claims.check(
        &format!(
            "none of {} names, numbers and addresses is in the export, the report, the extract or the logs",
            canaries.len()
        ),
        found.code == Some(1),
        &found.shown(),
    );
    // The text of the PDF is compressed in it, so it is looked through as it is read.
    let printed = place.path().join("report.txt");
    exhibit_tests::write(&printed, paper::text(stack)?.as_bytes())?;
    let on_paper = look(&printed)?;
    claims.check(
        "and on none of the sheets of its PDF, which poppler reads",
        on_paper.code == Some(1),
        &on_paper.shown(),
    );
    // The index keeps its texts compressed, so it is asked; these values are single words, which nothing else contains.
    let words = canaries
        .iter()
        .filter(|canary| canary.starts_with("MRN") || canary.starts_with("HPB"));
    let mut asked = 0;
    let mut hits = String::new();
    for word in words.step_by(ASKED_EVERY) {
        let ran = Ran::of(stack.exhibit()?.args(["search", "--json", word]))?;
        asked += 1;
        if ran.code != Some(0) || !ran.out.is_empty() {
            hits.push_str(&ran.shown());
        }
    }
    claims.check(
        &format!("the index knows none of {asked} record numbers and member numbers"),
        asked > 0 && hits.is_empty(),
        &hits,
    );
    Ok(())
}

/// A few lines about what is left.
pub(crate) fn summary(stack: &Stack, claims: &mut Claims) -> Result<(), HarnessError> {
    let data = json(&std::fs::read_to_string(stack.directory().join("report/report.json"))?);
    let cover = |name: &str| {
        data.pointer(&format!("/cover/{name}"))
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    claims.part("Evidence");
    note(&format!("log {} under key {}", cover("origin"), cover("log_key")));
    note(&format!("{} entries, root {}", cover("size"), cover("root")));
    for control in data
        .get("controls")
        .and_then(|value| value.as_array())
        .into_iter()
        .flatten()
    {
        let word = |name: &str| control.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        let count = control.get("count").map(ToString::to_string).unwrap_or_default();
        note(&format!(
            "{}: {count} {}: {}",
            word("cite"),
            word("population"),
            word("result")
        ));
    }
    note(&format!("bundle  {}", bundle(stack).display()));
    for page in ["report/report.html", "report/report.pdf"] {
        note(&format!("report  {}", stack.directory().join(page).display()));
    }
    Ok(())
}

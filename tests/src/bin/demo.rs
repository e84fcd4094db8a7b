//! `make demo`: the main job end to end on real parts. Every claim that it prints was checked; it fails at the first that
//! does not hold.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it prints is what it is for"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use exhibit_tests::stack::{DATABASE, Options, Stack};
use exhibit_tests::{HarnessError, programs};

/// Values of the server's JSON documents and free text are looked for in files of at most this size.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Why the demo fails.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error(transparent)]
    Harness(#[from] HarnessError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("this does not hold: {claim}\n{seen}")]
    Claim { claim: String, seen: String },
}

fn main() -> ExitCode {
    let target = std::env::args()
        .nth(1)
        .map_or_else(|| PathBuf::from("target/demo"), PathBuf::from);
    match run(&target) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nDEMO FAILED\n{error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a claim that was checked, or ends the demo.
fn claim(holds: bool, claim: &str, seen: &dyn std::fmt::Display) -> Result<(), DemoError> {
    if holds {
        println!("  ok  {claim}");
        return Ok(());
    }
    Err(DemoError::Claim {
        claim: claim.to_owned(),
        seen: seen.to_string(),
    })
}

fn run(target: &Path) -> Result<(), DemoError> {
    if target.exists() {
        std::fs::remove_dir_all(target)?;
    }
    std::fs::create_dir_all(target)?;
    let target = target.canonicalize()?;
    println!("Starting a private PostgreSQL with a generated clinic, and `exhibit up` in front of it ...");
    let mut stack = Stack::start(&Options::new(&target.join("deployment")))?;
    for name in ["exhibit.toml", "policy.toml"] {
        std::fs::copy(stack.directory().join(name), target.join(name))?;
    }
    println!("\nThe pipeline reads");
    reads(&stack)?;
    println!("\nThe pipeline tries what it may not");
    refusals(&stack)?;
    println!("\nA schema change waits for a person");
    let approval = schema_change(&stack)?;
    println!("\nCompliance looks");
    compliance(&stack, &approval)?;
    println!("\nThe auditor verifies the export offline");
    let bundle = target.join("bundle");
    let entries = export(&stack, &bundle)?;
    verify(&stack, &bundle, &target)?;
    println!("\nNothing masked is anywhere");
    stack.down()?;
    nothing_leaked(&stack, &target)?;
    summary(&target, entries)
}

fn psql(stack: &Stack, sql: &str) -> Result<(bool, String, String), DemoError> {
    let output = stack.psql().args(["--command", sql]).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.success(), text(&output.stdout), text(&output.stderr)))
}

/// A query through the proxy that must pass.
fn rows(stack: &Stack, sql: &str) -> Result<Vec<Vec<String>>, DemoError> {
    let (passed, out, err) = psql(stack, sql)?;
    if !passed {
        return Err(DemoError::Claim {
            claim: format!("`{sql}` passes"),
            seen: err,
        });
    }
    Ok(table(&out))
}

fn table(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.split('|').map(str::to_owned).collect();
    text.lines().filter(|line| !line.is_empty()).map(cells).collect()
}

fn reads(stack: &Stack) -> Result<(), DemoError> {
    let sql = "SELECT id, first_name, last_name, ssn, mrn, birth_date, sex, state FROM patients ORDER BY id LIMIT 500";
    let direct = table(&stack.postgres().execute(DATABASE, sql)?);
    let through = rows(stack, sql)?;
    claim(
        direct.len() == 500 && through.len() == 500,
        "500 patients, as the server has them",
        &through.len(),
    )?;
    let mut masked = 0;
    for (raw, seen) in direct.iter().zip(&through) {
        for (column, (raw, seen)) in raw.iter().zip(seen).enumerate() {
            let unmasked = matches!(column, 0 | 6 | 7);
            let right = match column {
                // The policy keeps the year of a birth date, also for those born on the first of January.
                5 => raw.split('-').next().map(|year| format!("{year}-01-01")).as_ref() == Some(seen),
                _ => unmasked == (raw == seen),
            };
            if !right {
                let what = format!(
                    "column {column} of patient {:?}",
                    through.first().and_then(|row| row.first())
                );
                claim(false, "each cell is masked exactly where the policy says so", &what)?;
            }
            masked += u32::from(!unmasked);
        }
    }
    claim(
        masked == 2_500,
        "cell by cell: names, SSN, record number and birth date masked, the rest unchanged",
        &masked,
    )?;
    let tokens = rows(stack, "SELECT mrn FROM patients WHERE id = 1")?;
    let again = rows(stack, "SELECT mrn FROM patients WHERE id = 1")?;
    claim(
        tokens == again,
        "a token is the same each time, so joins still work",
        &"",
    )?;
    let load = rows(
        stack,
        "SELECT department, count(*) FROM encounters GROUP BY department ORDER BY department",
    )?;
    let direct = stack.postgres().execute(
        DATABASE,
        "SELECT department, count(*) FROM encounters GROUP BY department ORDER BY department",
    )?;
    claim(
        load == table(&direct),
        "aggregates over unmasked columns are exact",
        &load.len(),
    )?;
    let notes = rows(stack, "SELECT id, body FROM notes ORDER BY id LIMIT 20")?;
    let whole = notes
        .iter()
        .all(|row| row.get(1).is_some_and(|body| body == "[redacted]"));
    claim(whole, "free text of notes is redacted", &notes.len())?;
    let extract = stack.directory().join("extract.csv");
    let output = stack
        .psql()
        .args([
            "--csv",
            "--command",
            "SELECT id, mrn, state, zip FROM patients ORDER BY id",
        ])
        .output()?;
    exhibit_tests::write(&extract, &output.stdout)?;
    let lines = String::from_utf8_lossy(&output.stdout).lines().count();
    claim(
        output.status.success() && lines == 5_000,
        "a masked extract of all 5,000 patients",
        &lines,
    )
}

fn refusals(stack: &Stack) -> Result<(), DemoError> {
    let denied = |sql: &str, words: &str| -> Result<(), DemoError> {
        let (passed, _, err) = psql(stack, sql)?;
        claim(
            !passed && err.contains("42501"),
            &format!("{words}: 42501, and the server never saw it"),
            &err,
        )
    };
    denied("DELETE FROM patients", "a delete is denied")?;
    denied(
        "SELECT upper(ssn) FROM patients",
        "a masked column through an expression is denied",
    )?;
    denied("SELECT row_to_json(p) FROM patients p", "a whole row as JSON is denied")?;
    denied(
        "SELECT name FROM patient_directory",
        "a view over masked columns is denied",
    )?;
    denied(
        "SELECT most_common_vals FROM pg_stats",
        "statistics that hold values are denied",
    )?;
    let count = stack.postgres().execute(DATABASE, "SELECT count(*) FROM patients")?;
    claim(count.trim() == "5000", "the server still has every patient", &count)
}

/// The change waits in psql; a person approves; psql goes on. Gives the request's id.
fn schema_change(stack: &Stack) -> Result<String, DemoError> {
    let mut waiting = stack
        .psql()
        .args([
            "--command",
            "ALTER TABLE encounters ADD COLUMN reviewed boolean DEFAULT false",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = waiting.stderr.take().ok_or(HarnessError::Pipe)?;
    let mut stderr = BufReader::new(stderr);
    let mut notice = String::new();
    // psql prints the notice as soon as it comes: the command is in the ledger's queue from here on.
    while !notice.contains("NOTICE") {
        if stderr.read_line(&mut notice)? == 0 {
            return claim(false, "psql is told what it waits for", &notice).map(|()| String::new());
        }
    }
    println!("      psql: {}", notice.trim());
    let column =
        "SELECT count(*) FROM information_schema.columns WHERE table_name = 'encounters' AND column_name = 'reviewed'";
    let before = stack.postgres().execute(DATABASE, column)?;
    claim(
        before.trim() == "0",
        "the server has not seen the change while it waits",
        &before,
    )?;
    let listed = exhibit_tests::run(stack.exhibit()?.args(["approvals", "--json"]))?;
    let request: serde_json::Value =
        serde_json::from_str(listed.lines().next().unwrap_or_default()).map_err(|error| DemoError::Claim {
            claim: "`exhibit approvals --json` lists it".into(),
            seen: format!("{error}: {listed}"),
        })?;
    let id = request
        .get("id")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned();
    claim(
        notice.contains(&id) && id.len() >= 12,
        "`exhibit approvals` lists the request that psql was told of",
        &listed,
    )?;
    let mut approve = stack.exhibit()?;
    approve.args(["approve", &id, "--reason", "reviewed the migration", "--yes", "--key"]);
    let signed = exhibit_tests::run(approve.arg(stack.approver_key()))?;
    claim(
        signed.contains("signed by key"),
        "`exhibit approve` signs the decision with an ssh-ed25519 key",
        &signed,
    )?;
    let status = waiting.wait()?;
    let mut rest = String::new();
    stderr.read_to_string(&mut rest)?;
    claim(status.success(), "psql goes on by itself", &rest)?;
    let after = stack.postgres().execute(DATABASE, column)?;
    claim(after.trim() == "1", "the column is there, on the server itself", &after)?;
    Ok(id)
}

fn compliance(stack: &Stack, approval: &str) -> Result<(), DemoError> {
    let status = exhibit_tests::run(stack.exhibit()?.arg("status"))?;
    claim(
        status.contains("head signed by the log key"),
        "`exhibit status` shows a head that the log key signed",
        &status,
    )?;
    // The index follows the log: asked again until it has the last command.
    let mut found = String::new();
    for _ in 0..100 {
        found = exhibit_tests::run(stack.exhibit()?.args(["search", "outcome:approved", "--json"]))?;
        if !found.trim().is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let hit: serde_json::Value = serde_json::from_str(found.lines().next().unwrap_or_default()).unwrap_or_default();
    let session = hit
        .get("session")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned();
    claim(
        !session.is_empty(),
        "`exhibit search outcome:approved` finds the change",
        &found,
    )?;
    let replay = exhibit_tests::run(stack.exhibit()?.args(["replay", &session]))?;
    let tells = replay.contains("ALTER TABLE") && replay.contains("reviewed the migration");
    claim(
        tells,
        "`exhibit replay` tells the session with the approval and its reason",
        &format!("{approval}\n{replay}"),
    )
}

fn export(stack: &Stack, bundle: &Path) -> Result<u64, DemoError> {
    exhibit_tests::run(stack.exhibit()?.arg("export").arg(bundle))?;
    let checkpoint = std::fs::read_to_string(bundle.join("checkpoint"))?;
    let size = checkpoint
        .lines()
        .nth(1)
        .and_then(|line| line.parse().ok())
        .unwrap_or(0);
    claim(
        size > 0,
        &format!("`exhibit export` wrote {size} entries as C2SP tiles"),
        &checkpoint,
    )?;
    Ok(size)
}

fn verifier(stack: &Stack, bundle: &Path) -> Result<Command, DemoError> {
    let mut command = programs::command("exhibit-verify")?;
    command.arg(bundle).arg("--keys").arg(stack.trust());
    Ok(command)
}

fn verify(stack: &Stack, bundle: &Path, target: &Path) -> Result<(), DemoError> {
    let output = verifier(stack, bundle)?.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    claim(
        output.status.code() == Some(0),
        "`exhibit-verify` accepts it: tree, seals, keys, sessions, approvals, decisions",
        &said,
    )?;
    let changed = target.join("changed");
    exhibit_tests::run(Command::new("cp").arg("-r").arg(bundle).arg(&changed))?;
    let mut tiles = Vec::new();
    walk(&changed.join("tile/entries"), &mut tiles)?;
    tiles.sort();
    let tile = tiles.first().cloned().ok_or(HarnessError::Pipe)?;
    let name = tile.strip_prefix(&changed).unwrap_or(&tile).display().to_string();
    let mut bytes = std::fs::read(&tile)?;
    let place = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1;
    }
    exhibit_tests::write(&tile, &bytes)?;
    let output = verifier(stack, &changed)?.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    claim(
        output.status.code() == Some(1),
        "one flipped bit in a copy: exit status 1",
        &said,
    )?;
    let named = said.contains(&name) && said.contains("tile-hash at #");
    claim(named, "and the findings name the file and the entry", &said)?;
    for line in said
        .lines()
        .filter(|line| line.contains(&name) || line.contains("tile-hash at #"))
        .take(2)
    {
        println!("      {}", line.trim());
    }
    std::fs::remove_dir_all(&changed)?;
    let report = target.join("report");
    let mut command = programs::command("exhibit-verify")?;
    command
        .arg("report")
        .arg(bundle)
        .arg("--keys")
        .arg(stack.trust())
        .arg("--out")
        .arg(&report);
    exhibit_tests::run(&mut command)?;
    claim(
        report.join("report.html").is_file(),
        "the evidence report is written",
        &"",
    )
}

fn nothing_leaked(stack: &Stack, target: &Path) -> Result<(), DemoError> {
    // The stored values, and the way JSON and tiles may carry them: as they are.
    let mut files = Vec::new();
    walk(target, &mut files)?;
    let patterns = target.join("canaries");
    exhibit_tests::write(&patterns, stack.clinic().canaries.join("\n").as_bytes())?;
    let mut searched = 0;
    for file in files {
        if std::fs::metadata(&file)?.len() > FILE_BYTES_MAX {
            return claim(false, "every file is small enough to be searched", &file.display());
        }
        let found = Command::new("grep")
            .args(["-aFc", "-f"])
            .arg(&patterns)
            .arg(&file)
            .output()?;
        let count = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        if count != "0" {
            std::fs::remove_file(&patterns)?;
            return claim(
                false,
                "no masked value stands in any file",
                &format!("{}: {count}", file.display()),
            );
        }
        searched += 1;
    }
    std::fs::remove_file(&patterns)?;
    let canaries = stack.clinic().canaries.len();
    claim(
        searched > 10,
        &format!(
            "{canaries} masked values searched in the export (every entry of the log), the report, logs and {searched} files in all: none"
        ),
        &searched,
    )
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), DemoError> {
    for child in std::fs::read_dir(directory)? {
        let child = child?;
        if child.file_type()?.is_dir() {
            walk(&child.path(), files)?;
        } else {
            files.push(child.path());
        }
    }
    Ok(())
}

fn summary(target: &Path, entries: u64) -> Result<(), DemoError> {
    let report = target.join("report/report.json");
    let text = std::fs::read_to_string(&report)?;
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(&text);
    claim(parsed.is_ok(), "the report's JSON can be read", &report.display())?;
    println!(
        "\nEvidence summary: {entries} entries, verified; open {}",
        target.join("report/report.html").display()
    );
    println!("Everything that was claimed above was checked. What was started has ended.");
    Ok(())
}

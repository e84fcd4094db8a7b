//! The pipeline: what it reads, what is refused, and the schema change that waits for a person.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use exhibit_schemas::event::Timestamp;
use exhibit_tests::HarnessError;
use exhibit_tests::stack::{AGENT, APPROVER, Stack};

use crate::claims::{Claims, Ran};
use crate::{NULL, direct, rows};

/// How a column of the demo's policy is masked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Masked {
    No,
    Redact,
    RedactJson,
    Partial,
    Year,
    Null,
    Token,
}

/// Columns of `patients` with what the policy says of each.
const PATIENT: [(&str, Masked); 14] = [
    ("id", Masked::No),
    ("mrn", Masked::Token),
    ("first_name", Masked::Redact),
    ("last_name", Masked::Redact),
    ("ssn", Masked::Partial),
    ("birth_date", Masked::Year),
    ("sex", Masked::No),
    ("phone", Masked::Null),
    ("email", Masked::Null),
    ("street", Masked::Null),
    ("city", Masked::No),
    ("state", Masked::No),
    ("zip", Masked::Null),
    ("profile", Masked::RedactJson),
];

/// Columns of the extract.
const EXTRACT: [(&str, Masked); 7] = [
    ("c.id", Masked::No),
    ("c.member_id", Masked::Token),
    ("c.payer", Masked::No),
    ("c.amount", Masked::No),
    ("e.diagnosis", Masked::No),
    ("p.mrn", Masked::Token),
    ("c.document", Masked::RedactJson),
];

/// The command that waits.
const CHANGE: &str = "ALTER TABLE claims ADD COLUMN reviewed boolean";

/// The request for it.
pub(crate) struct Change {
    /// Its session.
    pub(crate) session: String,
    /// Index of the request in the log.
    pub(crate) index: u64,
}

/// Compares what came through the proxy with what is in the database, cell by cell.
pub(crate) struct Comparison {
    tokens: BTreeMap<String, String>,
    cells: usize,
    wrong: Vec<String>,
}

impl Comparison {
    pub(crate) fn of(columns: &[(&str, Masked)], direct: &[Vec<String>], masked: &[Vec<String>]) -> Self {
        let mut comparison = Self {
            tokens: BTreeMap::new(),
            cells: 0,
            wrong: Vec::new(),
        };
        if direct.len() != masked.len() {
            let lengths = format!("{} rows directly, {} through the proxy", direct.len(), masked.len());
            comparison.wrong.push(lengths);
        }
        for (row, (original, shown)) in direct.iter().zip(masked).enumerate() {
            if original.len() != columns.len() || shown.len() != columns.len() {
                comparison.wrong.push(format!("row {row} has other columns"));
                continue;
            }
            for ((column, mask), (original, shown)) in columns.iter().zip(original.iter().zip(shown)) {
                comparison.cells += 1;
                if !comparison.is_masked(*mask, original, shown) {
                    comparison.wrong.push(format!("row {row}, {column}: `{shown}`"));
                }
            }
        }
        comparison
    }

    fn is_masked(&mut self, mask: Masked, original: &str, shown: &str) -> bool {
        match mask {
            Masked::No => shown == original,
            Masked::Redact => shown == "[redacted]",
            Masked::RedactJson => shown == "\"[redacted]\"",
            Masked::Null => shown == NULL,
            Masked::Year => Some(shown) == original.get(..4).map(|year| format!("{year}-01-01")).as_deref(),
            Masked::Partial => {
                let (head, tail) = original.split_at(original.len().saturating_sub(4));
                let stars: String = head.chars().map(|one| if one == '-' { one } else { '*' }).collect();
                *shown == format!("{stars}{tail}")
            }
            Masked::Token => {
                let token = self
                    .tokens
                    .entry(original.to_owned())
                    .or_insert_with(|| shown.to_owned());
                shown.starts_with("tok_") && token == shown
            }
        }
    }

    /// Cells that were compared.
    pub(crate) fn cells(&self) -> usize {
        self.cells
    }

    /// Whether every cell is as the policy says, and no two values share a token.
    pub(crate) fn holds(&self) -> bool {
        self.wrong.is_empty() && self.tokens_tell_apart()
    }

    /// Whether no two values share a token.
    fn tokens_tell_apart(&self) -> bool {
        let distinct: std::collections::BTreeSet<_> = self.tokens.values().collect();
        distinct.len() == self.tokens.len()
    }

    pub(crate) fn shown(&self) -> String {
        self.wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n")
    }
}

fn names(columns: &[(&str, Masked)]) -> String {
    columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// Reads of patients, by name and by star.
pub(crate) fn reads(stack: &Stack, claims: &mut Claims) -> Result<(), HarnessError> {
    claims.part("The pipeline reads patients");
    let by_name = format!("SELECT {} FROM patients WHERE id <= 500 ORDER BY id", names(&PATIENT));
    for (sql, how) in [
        (by_name.as_str(), "named"),
        ("SELECT * FROM patients ORDER BY id", "as *"),
    ] {
        let (original, masked) = (rows(&mut stack.psql_direct(), sql)?, rows(&mut stack.psql(), sql)?);
        let compared = Comparison::of(&PATIENT, &original, &masked);
        claims.check(
            &format!(
                "{} rows with columns {how}: each of {} cells is the database's own or masked as the policy says",
                masked.len(),
                compared.cells
            ),
            !masked.is_empty() && compared.holds(),
            &compared.shown(),
        );
    }
    let sql = "SELECT id, name, phone FROM patient_directory ORDER BY id";
    let (original, masked) = (rows(&mut stack.psql_direct(), sql)?, rows(&mut stack.psql(), sql)?);
    let hidden = |(original, masked): (&Vec<String>, &Vec<String>)| match (original.as_slice(), masked.as_slice()) {
        ([id, name, phone], [same, nothing, other]) => {
            id == same && name != NULL && nothing == NULL && phone != NULL && other == NULL
        }
        _ => false,
    };
    claims.check(
        &format!(
            "{} rows of a view: no name that it puts together, and no telephone number",
            masked.len()
        ),
        !masked.is_empty() && original.len() == masked.len() && original.iter().zip(&masked).all(hidden),
        "",
    );
    let sql = "SELECT department, count(*), sum(cost) FROM encounters GROUP BY department ORDER BY department";
    let (original, counted) = (rows(&mut stack.psql_direct(), sql)?, rows(&mut stack.psql(), sql)?);
    claims.check(
        "counting what is not masked gives the database's own answer",
        !original.is_empty() && original == counted,
        "",
    );
    Ok(())
}

/// A join of three tables, as a file for an analyst.
pub(crate) fn extract(stack: &Stack, claims: &mut Claims) -> Result<(), HarnessError> {
    claims.part("The pipeline writes an extract of claims");
    let sql = format!(
        "SELECT {} FROM claims c JOIN encounters e ON e.id = c.encounter_id JOIN patients p ON p.id = c.patient_id ORDER BY c.id",
        names(&EXTRACT)
    );
    let (original, masked) = (rows(&mut stack.psql_direct(), &sql)?, rows(&mut stack.psql(), &sql)?);
    let compared = Comparison::of(&EXTRACT, &original, &masked);
    claims.check(
        &format!(
            "{} rows, {} cells, masked as the policy says",
            masked.len(),
            compared.cells
        ),
        masked.len() >= 10_000 && compared.wrong.is_empty(),
        &compared.shown(),
    );
    claims.check(
        "tokens still tell members and patients apart, so that joins on them work",
        compared.tokens_tell_apart(),
        "",
    );
    let place = stack.directory().join("extract.csv");
    let mut file = csv::Writer::from_writer(Vec::new());
    let written = masked.iter().try_for_each(|row| file.write_record(row));
    let failed = |said: String| HarnessError::Failed {
        program: "the extract".to_owned(),
        said,
    };
    written.map_err(|error| failed(error.to_string()))?;
    let bytes = file.into_inner().map_err(|error| failed(error.to_string()))?;
    exhibit_tests::write(&place, &bytes)?;
    Ok(())
}

/// What the policy denies, and ways round a mask.
pub(crate) fn refusals(stack: &Stack, claims: &mut Claims) -> Result<(), HarnessError> {
    claims.part("What the pipeline may not do");
    let before = direct(stack, "SELECT count(*) FROM notes")?;
    let catalog = catalog(stack, claims)?;
    let attempts = [
        ("DELETE FROM notes WHERE id = 1", "deleting a clinical note"),
        (
            "SELECT unnest(string_to_array(ssn, NULL)) FROM patients",
            "a masked column one character at a time",
        ),
        (
            "SELECT id FROM patients WHERE ssn LIKE '9%'",
            "a masked column as a condition",
        ),
        (
            "SELECT last_name, count(*) FROM patients GROUP BY last_name",
            "a masked column as a group",
        ),
        (
            "SELECT p.id FROM patients p ORDER BY p.last_name",
            "a masked column as an order",
        ),
    ];
    for (sql, what) in attempts {
        let ran = Ran::of(stack.psql().args(["--command", sql]))?;
        claims.check(
            &format!("{what} is denied (42501)"),
            ran.code != Some(0) && ran.out.is_empty() && ran.err.contains("42501"),
            &ran.shown(),
        );
        let explained = explained(stack, &catalog, sql)?;
        let text = |pointer: &str| explained.pointer(pointer).and_then(serde_json::Value::as_str);
        let reason = text("/reason").unwrap_or("(none)");
        claims.check(
            &format!("`exhibit policy explain` says so without a database: {reason}"),
            text("/effect") == Some("deny") && ran.err.contains(reason),
            &explained.to_string(),
        );
    }
    let explained = explained(stack, &catalog, CHANGE)?;
    let text = |pointer: &str| explained.pointer(pointer).and_then(serde_json::Value::as_str);
    claims.check(
        "`exhibit policy explain` says who must approve a schema change",
        text("/effect") == Some("ask") && text("/approval/groups/0") == Some("dba"),
        &explained.to_string(),
    );
    let after = direct(stack, "SELECT count(*) FROM notes")?;
    claims.check("the notes are all there", before == after, &after);
    Ok(())
}

/// A file with the catalog that the ledger holds of the clinic.
fn catalog(stack: &Stack, claims: &mut Claims) -> Result<PathBuf, HarnessError> {
    let printed = Ran::of(stack.exhibit()?.args(["policy", "catalog", "clinic"]))?;
    let path = stack.directory().join("clinic.json");
    claims.check(
        "`exhibit policy catalog` prints the recorded catalog",
        printed.code == Some(0) && printed.out.contains("\"public.patients\""),
        &printed.shown(),
    );
    exhibit_tests::write(&path, printed.out.as_bytes())?;
    Ok(path)
}

/// What `exhibit policy explain` says of a statement of the pipeline.
fn explained(stack: &Stack, catalog: &Path, sql: &str) -> Result<serde_json::Value, HarnessError> {
    let mut explain = stack.exhibit()?;
    explain.args([
        "policy",
        "explain",
        "--json",
        "--subject",
        AGENT,
        "--group",
        "pipelines",
    ]);
    explain.args(["--target", "clinic", "--policy"]);
    explain.arg(stack.directory().join("policy.toml"));
    explain.arg("--catalog").arg(catalog).args(["--", sql]);
    let ran = Ran::of(&mut explain)?;
    serde_json::from_str(&ran.out).map_err(|_| HarnessError::Failed {
        program: "exhibit policy explain".to_owned(),
        said: ran.shown(),
    })
}

/// A schema change that a person approves while psql waits.
pub(crate) fn schema_change(stack: &Stack, claims: &mut Claims) -> Result<Change, HarnessError> {
    claims.part("A schema change waits for a person");
    let exists =
        "SELECT count(*) FROM information_schema.columns WHERE table_name = 'claims' AND column_name = 'reviewed'";
    let mut psql = stack.psql();
    psql.args(["--command", CHANGE])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = psql.spawn()?;
    let mut said = BufReader::new(child.stderr.take().ok_or(HarnessError::Pipe)?);
    let mut notice = String::new();
    while !notice.contains("approval ") && said.read_line(&mut notice)? > 0 {}
    claims.check(
        "psql is told what it waits for",
        notice.contains("NOTICE") && notice.contains("dba"),
        &notice,
    );
    claims.check(
        "nothing has happened yet",
        direct(stack, exists)?.trim() == "0" && child.try_wait()?.is_none(),
        "",
    );
    let listed = Ran::of(stack.exhibit()?.args(["approvals", "--json"]))?;
    let requests: Vec<serde_json::Value> = listed
        .out
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let field = |name: &str| requests.first().and_then(|request| request.get(name)).cloned();
    let text = |name: &str| field(name).and_then(|value| value.as_str().map(str::to_owned));
    let id = text("id").unwrap_or_default();
    let one = requests.len() == 1 && text("statement").as_deref() == Some(CHANGE) && notice.contains(&id);
    claims.check("`exhibit approvals` shows that one command", one, &listed.shown());
    let expires = field("expires_us").and_then(|value| value.as_u64()).map(Timestamp);
    let told = expires.is_some_and(|expires| notice.contains(&format!("expires at {expires}")));
    claims.check("psql is told until when, in UTC", told, &notice);
    let mut approve = stack.exhibit()?;
    approve.args([
        "approve",
        &id,
        "--reason",
        "reviewed with the claims team",
        "--yes",
        "--key",
    ]);
    let approved = Ran::of(approve.arg(stack.approver_key()))?;
    claims.check(
        &format!("{APPROVER} approves it with an ssh key"),
        approved.code == Some(0),
        &approved.shown(),
    );
    if approved.code != Some(0) {
        child.kill()?;
    }
    said.read_to_string(&mut notice)?;
    let status = child.wait()?;
    claims.check("psql goes on and succeeds", status.success(), &notice);
    let exists = direct(stack, exists)?;
    claims.check("the column is there", exists.trim() == "1", &exists);
    Ok(Change {
        session: text("session").unwrap_or_default(),
        index: field("index").and_then(|value| value.as_u64()).unwrap_or_default(),
    })
}

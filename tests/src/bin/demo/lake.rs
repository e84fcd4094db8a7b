//! The store of objects: with an unmodified AWS CLI and a CI token one job puts an export and another reads it, masked; the first deletes it
//! with a person's leave.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use exhibit_tests::HarnessError;
use exhibit_tests::stack::{APPROVER, Stack};

use crate::claims::{Claims, Ran};
use crate::pipeline::{Comparison, Masked};
use crate::rows;
use crate::token::Issuer;

/// Columns of the export with what the policy says of each.
const EXPORT: [(&str, Masked); 7] = [
    ("id", Masked::No),
    ("mrn", Masked::Token),
    ("first_name", Masked::Redact),
    ("last_name", Masked::Redact),
    ("ssn", Masked::Partial),
    ("birth_date", Masked::Year),
    ("city", Masked::No),
];

/// Patients in it.
const PATIENTS: u32 = 500;

/// What the pipeline calls it.
const OBJECT: &str = "s3://clinic-exports/patients.csv";

/// What people are asked about it.
const DELETION: &str = "DeleteObject clinic-exports/patients.csv";

/// A CI job: its token in a file, and files of its own.
struct Job<'a> {
    stack: &'a Stack,
    place: tempfile::TempDir,
    aws: PathBuf,
}

impl<'a> Job<'a> {
    /// A job of the repository of this name and number.
    fn of(stack: &'a Stack, issuer: &Issuer, repository: &str, number: u32) -> Result<Self, HarnessError> {
        let place = tempfile::tempdir()?;
        let token = issuer.token(repository, number);
        exhibit_tests::write(&place.path().join("token"), token.as_bytes())?;
        let aws = exhibit_tests::python_drivers()?.join("venv/bin/aws");
        Ok(Self { stack, place, aws })
    }
}

impl Job<'_> {
    /// `aws` without anything of this machine's.
    fn aws(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.aws);
        command.args(arguments).current_dir(self.place.path());
        command.env_clear().env("HOME", self.place.path());
        command
    }

    /// The same as the job, which has nothing but its token.
    fn run(&self, arguments: &[&str]) -> Result<Ran, HarnessError> {
        let url = self.stack.store_url().unwrap_or_default();
        let mut command = self.aws(arguments);
        command.env("AWS_WEB_IDENTITY_TOKEN_FILE", self.place.path().join("token"));
        command.env("AWS_ROLE_ARN", "arn:aws:iam::000000000000:role/nightly-export");
        command
            .env("AWS_ENDPOINT_URL_STS", &url)
            .env("AWS_ENDPOINT_URL_S3", &url);
        command.env("AWS_CA_BUNDLE", self.stack.store_authority());
        Ran::of(command.env("AWS_REGION", exhibit_tests::ceph::REGION))
    }

    /// The same as the store's owner, past Exhibit.
    fn direct(&self, arguments: &[&str]) -> Result<Ran, HarnessError> {
        let described = self.stack.describe()?;
        let text = |name: &str| {
            let value = described.pointer(&format!("/s3/direct/{name}"));
            value.and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
        };
        let mut command = self.aws(arguments);
        command.env("AWS_ACCESS_KEY_ID", text("access_key"));
        command.env("AWS_SECRET_ACCESS_KEY", text("secret_key"));
        command.env("AWS_ENDPOINT_URL_S3", text("endpoint"));
        Ran::of(command.env("AWS_REGION", text("region")))
    }
}

/// The act.
pub(crate) fn exports(stack: &Stack, issuer: &Issuer, claims: &mut Claims) -> Result<(), HarnessError> {
    claims.part("CI jobs share an export in a store of objects");
    let writer = Job::of(stack, issuer, "clinic/exports", 456_789)?;
    let reader = Job::of(stack, issuer, "clinic/analysis", 456_790)?;
    let raw = put(&writer, claims)?;
    read(&reader, &raw, claims)?;
    delete(&writer, claims)
}

/// Puts the export; gives it.
fn put(job: &Job<'_>, claims: &mut Claims) -> Result<String, HarnessError> {
    let columns: Vec<&str> = EXPORT.iter().map(|(name, _)| *name).collect();
    let sql = format!(
        "SELECT {} FROM patients WHERE id <= {PATIENTS} ORDER BY id",
        columns.join(", ")
    );
    let selected = exhibit_tests::run(job.stack.psql_direct().args(["--csv", "--command", &sql]))?;
    let raw = format!("{}\n{selected}", columns.join(","));
    exhibit_tests::write(&job.place.path().join("raw.csv"), raw.as_bytes())?;
    let made = job.run(&["s3", "mb", "s3://clinic-exports"])?;
    let put = job.run(&["s3", "cp", "raw.csv", OBJECT])?;
    claims.check(
        "`aws s3 cp` puts it with nothing but the token of its run",
        made.code == Some(0) && put.code == Some(0),
        &format!("{}{}", made.shown(), put.shown()),
    );
    let stored = job.direct(&["s3", "cp", OBJECT, "-"])?;
    claims.check(
        &format!("the store has its {} bytes as they were", raw.len()),
        stored.code == Some(0) && stored.out == raw,
        &stored.err,
    );
    Ok(raw)
}

/// Reads it, masked.
fn read(job: &Job<'_>, raw: &str, claims: &mut Claims) -> Result<(), HarnessError> {
    let got = job.run(&["s3", "cp", OBJECT, "masked.csv"])?;
    let text = std::fs::read_to_string(job.place.path().join("masked.csv")).unwrap_or_default();
    // It stays with the demo's files, among which canaries are looked for.
    exhibit_tests::write(&job.stack.directory().join("export.csv"), text.as_bytes())?;
    let (original, masked) = (cells(raw)?, cells(&text)?);
    let compared = Comparison::of(&EXPORT, &original, &masked);
    claims.check(
        &format!(
            "what another job reads is a CSV of {} rows: each of {} cells is the export's own or masked as the policy says",
            masked.len(),
            compared.cells()
        ),
        got.code == Some(0) && !masked.is_empty() && compared.holds(),
        &format!("{}{}", got.shown(), compared.shown()),
    );
    let hidden = EXPORT
        .iter()
        .enumerate()
        .filter(|(_, (_, mask))| !matches!(mask, Masked::No));
    // The first of January is what the mask of dates makes of it.
    let values: BTreeSet<&str> = hidden
        .flat_map(|(column, _)| original.iter().filter_map(move |row| row.get(column)))
        .map(String::as_str)
        .filter(|value| !value.ends_with("-01-01"))
        .collect();
    let found: Vec<&str> = values.iter().copied().filter(|value| text.contains(value)).collect();
    claims.check(
        &format!("none of {} masked values is in it", values.len()),
        values.len() > 1_000 && found.is_empty(),
        &format!("{} are", found.len()),
    );
    let sql = format!("SELECT mrn FROM patients WHERE id <= {PATIENTS} ORDER BY id");
    let queried: Vec<String> = rows(&mut job.stack.psql(), &sql)?.into_iter().flatten().collect();
    let tokens = masked.iter().filter_map(|row| row.get(1));
    claims.check(
        "its record numbers are the tokens that psql gets, so that both can be joined",
        !queried.is_empty() && queried.iter().eq(tokens),
        "",
    );
    Ok(())
}

/// Deletes it: refused until a person has said that it may go, and done by the same command then.
fn delete(job: &Job<'_>, claims: &mut Claims) -> Result<(), HarnessError> {
    let refused = job.run(&["s3", "rm", OBJECT])?;
    let listed = Ran::of(job.stack.exhibit()?.args(["approvals", "--json"]))?;
    let requests = listed.out.lines().filter_map(|line| serde_json::from_str(line).ok());
    let id = requests.into_iter().find_map(|request: serde_json::Value| {
        let text = |name: &str| request.get(name).and_then(serde_json::Value::as_str);
        (text("statement") == Some(DELETION)).then(|| text("id").map(str::to_owned))?
    });
    let id = id.unwrap_or_default();
    let told = refused.err.contains("AccessDenied") && refused.err.contains(&id);
    claims.check(
        &format!("`aws s3 rm` is refused (AccessDenied) and told to come again: it waits as {id}"),
        refused.code == Some(1) && !id.is_empty() && told,
        &format!("{}{}", refused.shown(), listed.shown()),
    );
    let still = job.direct(&["s3", "ls", OBJECT])?;
    claims.check("the object is still there", still.code == Some(0), &still.shown());
    let mut approve = job.stack.exhibit()?;
    approve.args(["approve", &id, "--reason", "handed over to the payer", "--yes", "--key"]);
    let approved = Ran::of(approve.arg(job.stack.approver_key()))?;
    claims.check(
        &format!("{APPROVER} approves it with an ssh key"),
        approved.code == Some(0),
        &approved.shown(),
    );
    let deleted = job.run(&["s3", "rm", OBJECT])?;
    let gone = job.direct(&["s3", "ls", OBJECT])?;
    claims.check(
        "the same command again deletes it",
        deleted.code == Some(0) && gone.code == Some(1) && gone.out.is_empty(),
        &format!("{}{}", deleted.shown(), gone.shown()),
    );
    Ok(())
}

/// Rows of a CSV behind its header.
fn cells(text: &str) -> Result<Vec<Vec<String>>, HarnessError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let read = reader.records().map(|record| {
        let record = record.map_err(|error| HarnessError::Failed {
            program: "the export".to_owned(),
            said: error.to_string(),
        })?;
        Ok(record.iter().map(str::to_owned).collect())
    });
    read.collect()
}

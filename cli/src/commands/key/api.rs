//! `exhibit key api`, `api-list`, `api-revoke`: API keys of agents, in the file that `[proxy] api_keys` names.
//!
//! The file is replaced whole or not at all, and entries are only appended, so what people wrote beside them stays.

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_identity::{ApiKeys, Wanted, api_key};
use exhibit_schemas::event::Timestamp;
use serde::Serialize;

use crate::config::Config;
use crate::error::CliError;
use crate::files;
use crate::output::{Output, printable};

/// Seconds of a day.
const DAY_S: u64 = 86_400;

const US_PER_S: u64 = 1_000_000;

/// Make an API key for an agent, and print it once
///
/// Only a hash of it is kept, in the file that `[proxy] api_keys` names. A running proxy takes it from there within seconds.
#[derive(clap::Args)]
pub(crate) struct Draw {
    /// Whose key it is: the user name that the agent gives
    subject: String,
    /// A group of the agent; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// A target that it lets in at; may be given several times, and lets in everywhere when absent
    #[arg(long = "target", value_name = "TARGET")]
    targets: Vec<String>,
    /// Days until it expires; never when absent
    #[arg(long, value_name = "DAYS")]
    days: Option<u32>,
}

/// Show the API keys that let agents in
///
/// From the file that `[proxy] api_keys` names. It holds no key, so none can be shown.
#[derive(clap::Args)]
pub(crate) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// End an API key, and the sessions that were opened with it
///
/// Its id stands behind `exk_` in the key itself, and in `exhibit key api-list`. A running proxy ends what the key opened within
/// seconds; an agent that comes with it again is refused.
#[derive(clap::Args)]
pub(crate) struct Revoke {
    /// The key's id: 16 hexadecimal digits
    id: String,
    /// Why, for those who read the file
    #[arg(long)]
    reason: String,
}

/// Show what an API key signs requests to object stores with
///
/// The pair follows from the proxy's own secret (`credentials.key`) and the key's id, and is kept nowhere. It is good for as long as the API
/// key is, at the same targets; revoking the key ends both.
#[derive(clap::Args)]
pub(crate) struct S3 {
    /// The key's id: 16 hexadecimal digits
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A key as it is listed.
#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    subject: String,
    groups: Vec<String>,
    targets: Option<Vec<String>>,
    expires_unix_s: Option<u64>,
    expired: bool,
}

/// The file of API keys, as it stands.
struct File {
    path: PathBuf,
    text: String,
    keys: ApiKeys,
}

impl File {
    fn read(config: &Config) -> Result<Self, CliError> {
        let path = config.proxy()?.api_keys;
        let text = files::read_text(&path)?;
        let keys = ApiKeys::parse(&text);
        let keys = keys.map_err(|error| CliError::Usage(format!("{}: {error}", path.display())))?;
        Ok(Self { path, text, keys })
    }

    /// Appends an entry; what the proxy would refuse is not written.
    fn append(&self, entry: &str) -> Result<(), CliError> {
        let text = format!("{}\n{entry}", self.text.trim_end());
        ApiKeys::parse(&text).map_err(|error| self.refuse(&error))?;
        Ok(files::replace(&self.path, text.as_bytes(), files::SECRET)?)
    }

    fn refuse(&self, error: &dyn std::fmt::Display) -> CliError {
        CliError::Usage(format!("{}: {error}", self.path.display()))
    }
}

/// Shows the pair of a key that lets in.
pub(super) fn s3(asked: &S3, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let file = File::read(config)?;
    if !file.keys.contains(&asked.id) {
        let text = format!(
            "no API key of the id `{}` lets in; see `exhibit key api-list`",
            printable(&asked.id)
        );
        return Err(CliError::Usage(text));
    }
    let pair = exhibit_proxy::credentials::pair(&config.proxy()?, &asked.id);
    let pair = pair.map_err(|error| CliError::Usage(error.to_string()))?;
    let pair = pair.ok_or_else(|| CliError::Usage(format!("`{}` is no id of an API key", printable(&asked.id))))?;
    if asked.json {
        let secret = pair.secret_access_key.as_str();
        output.json(&serde_json::json!({ "access_key_id": pair.access_key_id, "secret_access_key": secret }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output.line(&format!("AWS_ACCESS_KEY_ID={}", pair.access_key_id))?;
    output.line(&format!("AWS_SECRET_ACCESS_KEY={}", pair.secret_access_key.as_str()))?;
    Ok(ExitCode::SUCCESS)
}

/// Draws a key, and appends its entry to the file.
pub(super) fn draw(draw: &Draw, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let file = File::read(config)?;
    let sorted = |texts: &[String]| {
        let mut texts = texts.to_vec();
        texts.sort();
        texts.dedup();
        texts
    };
    let targets = sorted(&draw.targets);
    let now_s = SystemClock.now().0 / US_PER_S;
    let wanted = Wanted {
        subject: draw.subject.clone(),
        groups: sorted(&draw.groups),
        targets: (!targets.is_empty()).then_some(targets),
        expires_unix_s: draw.days.map(|days| now_s + u64::from(days) * DAY_S),
    };
    let drawn = ApiKeys::draw(wanted).map_err(|error| file.refuse(&error))?;
    file.append(&drawn.entry)?;
    output.line(&drawn.key)?;
    output.note("this is the only time that the key is shown; a running proxy takes it within seconds");
    Ok(ExitCode::SUCCESS)
}

pub(super) fn list(list: &List, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let file = File::read(config)?;
    let now_s = SystemClock.now().0 / US_PER_S;
    let listed = file.keys.list().map(|(id, wanted)| Listed {
        id,
        expired: wanted.expires_unix_s.is_some_and(|expires| now_s >= expires),
        subject: wanted.subject,
        groups: wanted.groups,
        targets: wanted.targets,
        expires_unix_s: wanted.expires_unix_s,
    });
    let listed: Vec<Listed<'_>> = listed.collect();
    if list.json {
        let value = serde_json::to_value(&listed).map_err(|error| file.refuse(&error))?;
        output.json(&value)?;
        return Ok(ExitCode::SUCCESS);
    }
    for key in listed {
        let until = key.expires_unix_s.map(|seconds| {
            let until = Timestamp(seconds.saturating_mul(US_PER_S));
            format!("{} {until}", if key.expired { "expired" } else { "until" })
        });
        let until = until.unwrap_or_else(|| "does not expire".to_owned());
        let targets = key
            .targets
            .map_or_else(|| "every target".to_owned(), |targets| targets.join(","));
        let line = format!(
            "{}  {}  {targets}  {until}  {}",
            key.id,
            key.subject,
            key.groups.join(",")
        );
        output.line(printable(&line).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn revoke(revoke: &Revoke, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let file = File::read(config)?;
    let entry = api_key::revocation(&revoke.id, &revoke.reason);
    let entry = entry.map_err(|error| CliError::Usage(error.to_string()))?;
    if file.keys.is_revoked(&revoke.id) {
        output.note(&format!(
            "API key {} was revoked before; nothing has changed",
            revoke.id
        ));
        return Ok(ExitCode::SUCCESS);
    }
    if !file.keys.contains(&revoke.id) {
        let unknown = format!("there is no API key {}; `exhibit key api-list` shows them", revoke.id);
        return Err(file.refuse(&unknown));
    }
    file.append(&entry)?;
    output.line(&format!(
        "API key {} is revoked; a running proxy ends its sessions within seconds",
        revoke.id
    ))?;
    Ok(ExitCode::SUCCESS)
}

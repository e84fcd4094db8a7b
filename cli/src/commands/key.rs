//! `exhibit key`: whose signatures count, by events that an administrator seals.

mod api;
mod rotate_mask;

use std::process::ExitCode;

use clap::ValueEnum;
use exhibit_gate::clock::SystemClock;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::trust::{KeyEnrolled, KeyRevoked, KeyRotated, Role};
use exhibit_schemas::key::{KeyId, SecretKey};
use serde::{Deserialize, Serialize};

use super::connect;
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};
use crate::signer::{self, PublicHalf};
use crate::{append, files};

/// Enrol, rotate and revoke keys, rotate the key of masks, and make and revoke API keys
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Enrol(Enrol),
    Rotate(Rotate),
    RotateMask(rotate_mask::Arguments),
    Revoke(Revoke),
    List(List),
    Api(api::Draw),
    ApiList(api::List),
    ApiRevoke(api::Revoke),
    S3(api::S3),
}

/// Show every key that the log has enrolled
#[derive(clap::Args)]
pub(crate) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A key as the ledger lists it.
#[derive(Serialize, Deserialize)]
struct Listed {
    id: String,
    key: String,
    role: String,
    name: String,
    groups: Vec<String>,
    #[serde(default)]
    security_key: bool,
    enrolled: u64,
    ended: Option<u64>,
    /// Of a proxy, what it masked under.
    #[serde(default)]
    mask_keys: Vec<ListedMask>,
}

/// A key of masks as the ledger lists it.
#[derive(Serialize, Deserialize)]
struct ListedMask {
    id: String,
    announced: u64,
    ended: Option<u64>,
}

/// Let a key sign from now on
///
/// The administrator's key in `[client] administrator` seals the enrolment.
#[derive(clap::Args)]
pub(crate) struct Enrol {
    /// An ssh-ed25519 or sk-ssh-ed25519@openssh.com key file, or the public key itself
    key: String,
    /// Whose it is; several keys of one person carry one name
    #[arg(long)]
    name: String,
    /// A group of the person; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// What the key may sign
    #[arg(long, value_enum, default_value_t = RoleName::Person)]
    role: RoleName,
}

/// Put a key in the place of another, with its role, name and groups
#[derive(clap::Args)]
pub(crate) struct Rotate {
    /// The id of the key that ends
    from: String,
    /// The key that begins: an ssh-ed25519 or sk-ssh-ed25519@openssh.com key file, or the public key itself
    to: String,
}

/// End a key
#[derive(clap::Args)]
pub(crate) struct Revoke {
    /// The key's id
    key: String,
    /// Why
    #[arg(long)]
    reason: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleName {
    Person,
    Proxy,
    Ledger,
    Administrator,
}

pub(crate) async fn run(command: &Command, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    match command {
        Command::Enrol(enrol) => {
            let PublicHalf { key, application } = signer::read_public(&enrol.key)?;
            let mut groups = enrol.groups.clone();
            groups.sort();
            groups.dedup();
            let body = KeyEnrolled {
                key: key.to_bytes(),
                role: enrol.role.into(),
                name: enrol.name.clone(),
                groups,
                application,
            };
            let done = format!("key {} of {} is enrolled", key.id(), printable(&enrol.name));
            change(config, output, body.into(), &done).await
        }
        Command::Rotate(rotate) => {
            let from = key_id(&rotate.from)?;
            let PublicHalf { key, application } = signer::read_public(&rotate.to)?;
            let done = format!("key {} takes the place of {from}", key.id());
            let to = key.to_bytes();
            let rotated = KeyRotated { from, to, application };
            change(config, output, rotated.into(), &done).await
        }
        Command::RotateMask(arguments) => rotate_mask::run(arguments, config, output),
        Command::List(arguments) => list(arguments, config, output).await,
        Command::Api(arguments) => api::draw(arguments, config, output),
        Command::ApiList(arguments) => api::list(arguments, config, output),
        Command::ApiRevoke(arguments) => api::revoke(arguments, config, output),
        Command::S3(arguments) => api::s3(arguments, config, output),
        Command::Revoke(revoke) => {
            let (key, reason) = (key_id(&revoke.key)?, revoke.reason.clone());
            change(
                config,
                output,
                KeyRevoked { key, reason }.into(),
                &format!("key {key} is revoked"),
            )
            .await
        }
    }
}

async fn list(list: &List, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let keys: Vec<Listed> = connect(config)?.fetch_json("/v1/keys").await?;
    if list.json {
        let value = serde_json::to_value(&keys).map_err(|error| CliError::Untrusted(error.to_string()))?;
        output.json(&value)?;
        return Ok(ExitCode::SUCCESS);
    }
    for key in keys {
        let state = key
            .ended
            .map_or_else(|| "in force".to_owned(), |index| format!("ended at {index}"));
        let groups = key.groups.join(",");
        let kind = if key.security_key { "  (security key)" } else { "" };
        let line = format!(
            "{}  {:13}  {:12}  {}  {groups}{kind}",
            key.id, key.role, state, key.name
        );
        output.line(printable(&line).trim_end())?;
        for ListedMask { id, announced, ended } in key.mask_keys {
            let until = ended.map_or_else(String::new, |index| format!(" until {index}"));
            output.line(&printable(&format!("    masks under {id} from {announced}{until}")))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Seals one key event with the administrator's key and hands it to the ledger.
async fn change(config: &Config, output: &mut Output, body: Body, done: &str) -> Result<ExitCode, CliError> {
    let administrator: SecretKey = match config.client()?.administrator {
        Some(path) => files::read_key(&path)?,
        None => {
            return Err(CliError::Usage(
                "keys are changed by an administrator, and `[client] administrator` names no key".to_owned(),
            ));
        }
    };
    let receipt = append::append(
        &mut connect(config)?,
        &config.trust()?,
        &SystemClock,
        &administrator,
        vec![body],
    )
    .await?;
    output.line(&format!("{done} (entry {})", receipt.first))?;
    Ok(ExitCode::SUCCESS)
}

fn key_id(text: &str) -> Result<KeyId, CliError> {
    KeyId::from_hex(text).ok_or_else(|| CliError::Usage(format!("`{text}` is not a key id: 16 hexadecimal digits")))
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Person => Self::Person,
            RoleName::Proxy => Self::Proxy,
            RoleName::Ledger => Self::Ledger,
            RoleName::Administrator => Self::Administrator,
        }
    }
}

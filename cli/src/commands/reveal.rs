//! `exhibit reveal`: the exact bytes of a command, from its sealed copy.
//!
//! That it is opened is sealed with the reader's own key and proven to be in the ledger first; only then is anything decrypted.

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use exhibit_gate::clock::SystemClock;
use exhibit_gate::digest::DigestKey;
use exhibit_schemas::event::trust::{EvidenceRead, REVEAL};
use exhibit_schemas::key::{KeyId, Signer as _};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::reading::Question;
use serde::Deserialize;
use serde_json::json;

use super::connect;
use crate::append;
use crate::client::Client;
use crate::config::Config;
use crate::copy::{Copied, Identities, Recorded};
use crate::error::CliError;
use crate::files;
use crate::output::{Output, printable};
use crate::reader::{self, Reader};

/// Open the sealed copy of a command: its exact bytes, literals and parameters included
///
/// There is one where the policy names recipients in `[sealed]`. That you open it is recorded first, under your own key and
/// for good; without that nothing is shown. What is shown are the bytes of the protocol's messages as the target would get
/// them (of PostgreSQL a query with its head and its closing zero), unchanged where the output is no terminal.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The command's index in the log, as `exhibit search` and `exhibit replay` show it
    index: u64,
    /// Why, in your words and without values; the ledger keeps it
    #[arg(long)]
    reason: String,
    /// Your age identity, one of the recipients, as `age-keygen` writes it
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// The proxy's digest.key, to show that the bytes are those that the command's digest covers
    #[arg(long, value_name = "FILE")]
    digest_key: Option<PathBuf>,
    /// Your signing key: a private key file, or the public key (or a file of it) of a key that ssh-agent holds
    ///
    /// As for `exhibit approve`.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Answer in JSON, with the bytes in base64
    #[arg(long)]
    json: bool,
    /// Record and open without asking
    #[arg(long)]
    yes: bool,
}

/// One of the ledger's list of keys.
#[derive(Deserialize)]
struct Listed {
    id: String,
    name: String,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    // What is wrong with the files is told before anything is recorded.
    let identities = Identities::read(&arguments.identity)?;
    let digest_key = arguments.digest_key.as_deref().map(files::read_secret).transpose()?;
    let digest_key = digest_key.map(|key| DigestKey::new(*key));
    let trust = config.trust()?;
    let key = reader::person(arguments.key.as_deref(), config)?;
    let mut client = connect(config)?;
    let reader = Reader::Key(Rc::clone(&key));
    let question = Question::SessionOf(Index(arguments.index));
    client.read(&reader, &trust.log.origin, question).await?;
    let copied = Copied::fetch(&mut client, &trust, arguments.index).await?;
    output.note(&format!(
        "command {} of session {}:\n{}",
        copied.index,
        copied.place.0,
        printable(&copied.command.statement)
    ));
    if !arguments.yes && !output.confirm("Record that you open its exact bytes, and open them?")? {
        return Err(CliError::Declined);
    }
    let read = EvidenceRead {
        reader: name(&mut client, key.public_key().id()).await?,
        operation: REVEAL.to_owned(),
        scope: arguments.reason.clone(),
        copy: Some(copied.copy.clone()),
        by: None,
    };
    let receipt = append::append(&mut client, &trust, &SystemClock, &*key, vec![read.clone().into()]).await?;
    let recorded = Recorded::prove(&mut client, &trust, &key.public_key(), receipt.first, &read).await?;
    let exact = copied.open(&recorded, &identities, digest_key.as_ref())?;
    output.note(&format!(
        "recorded as entry {}, read by {}",
        recorded.index,
        printable(&read.reader)
    ));
    output.note(match digest_key {
        Some(_) => "these are the bytes that the command's digest covers",
        None => "not compared with the command's digest: name the proxy's digest.key with `--digest-key`",
    });
    if arguments.json {
        output.json(&json!({
            "command": copied.index,
            "session": copied.place.0.to_string(),
            "sequence": copied.place.1,
            "reveal": recorded.index,
            "reader": read.reader,
            "digest_compared": digest_key.is_some(),
            "bytes": STANDARD.encode(&*exact),
        }))?;
    } else {
        output.exact(&exact)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The name under which a key is enrolled; the ledger takes a reading under no other.
async fn name(client: &mut Client, id: KeyId) -> Result<String, CliError> {
    let keys: Vec<Listed> = client.fetch_json("/v1/keys").await?;
    let known = keys.into_iter().find(|key| KeyId::from_hex(&key.id) == Some(id));
    let known = known.ok_or_else(|| CliError::Unknown {
        what: "enrolled key",
        id: id.to_string(),
    })?;
    Ok(known.name)
}

//! `exhibit policy sign`: a person's signature under a policy, so that it may come into force.
//!
//! What is signed is the digest of the file's exact bytes, for the log of `trust.toml` and no other. Whose signatures count, and of how
//! many people, stands in the proxies' and the auditor's `trust.toml`.

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::trust::PolicySigned;
use exhibit_schemas::key::{PublicKey, Signer as _};

use super::super::{connect, time};
use super::question::read_policy;
use crate::append;
use crate::config::Config;
use crate::error::CliError;
use crate::output::Output;
use crate::signer::{PersonKey, Surroundings};

/// Sign a policy, so that it may come into force
///
/// Where the proxies' trust.toml asks for signatures under policies, a proxy takes a policy only once so many people have
/// signed exactly its bytes; each of them runs this with their own ssh-ed25519 key. The ledger keeps who signed, when and why.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The policy file, as the proxies will have it
    policy: PathBuf,
    /// Why, in your words; the ledger keeps it
    #[arg(long)]
    reason: String,
    /// From when on the policy does not come into force by this signature any more; where it is in force then, it stays so until
    /// the proxy starts again
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires: Option<Timestamp>,
    /// Your key: a private key file, or the public key (or a file of it) of a key that ssh-agent holds
    ///
    /// Without it the only Ed25519 key of ssh-agent signs. A passphrase is asked for, or read from the file that
    /// `EXHIBIT_PASSPHRASE_FILE` names.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let Arguments {
        policy,
        reason,
        expires,
        ..
    } = arguments;
    // What no proxy would take, nobody signs.
    let snapshot = read_policy(policy)?;
    if expires.is_some_and(|expires| expires <= SystemClock.now()) {
        return Err(CliError::Usage("`--expires` is a time to come".to_owned()));
    }
    let trust = config.trust()?;
    output.note(&format!(
        "{}\n  policy    {}\n  log       {}\n  targets   {}\n  rules     {}\n  expires   {}",
        policy.display(),
        snapshot.digest(),
        trust.log.origin.as_str(),
        snapshot.targets().len(),
        snapshot.rule_names().count(),
        expires.map_or_else(|| "never".to_owned(), |expires| expires.to_string()),
    ));
    if !arguments.yes && !output.confirm("Sign this policy?")? {
        return Err(CliError::Declined);
    }
    let key = PersonKey::open(arguments.key.as_deref(), &Surroundings::of_process())?;
    let body = PolicySigned {
        log_key: trust.log.key.to_bytes(),
        policy: snapshot.digest(),
        reason: reason.clone(),
        expires: *expires,
    };
    let receipt = append::append(&mut connect(config)?, &trust, &SystemClock, &key, vec![body.into()]).await?;
    output.line(&format!(
        "policy {} is signed by key {} (entry {})",
        snapshot.digest(),
        key.public_key().id(),
        receipt.first
    ))?;
    if !counts(&trust, &key.public_key()) {
        output.note("your trust.toml does not count signatures of this key under policies");
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether signatures of this key count for policies that come into force now.
fn counts(trust: &TrustAnchors, key: &PublicKey) -> bool {
    let last = trust.policy_signers.last();
    last.is_some_and(|signers| signers.keys().iter().any(|(_, known)| known.id() == key.id()))
}

//! `exhibit approve` and `exhibit deny`: a person's signed decision about one request.
//!
//! What is shown is what is signed: the request's own bytes, whose hash is its id, proven to be in the log under the seal
//! of a proxy that an administrator enrolled.

use std::process::ExitCode;
use std::rc::Rc;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::event::approval::Verdict;
use exhibit_schemas::key::Signer as _;
use exhibit_schemas::reading::Question;

use super::{approvals, connect};
use crate::append;
use crate::client::Client;
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};
use crate::reader::{self, Reader};
use crate::request::{ID_DIGITS, Request};

/// Approve or deny one command that waits
///
/// Shows the request, asks, and signs the decision with your ssh-ed25519 key. The signature is bound to the exact
/// command, session, target and policy of the request, and to its expiry.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The request's id, as `exhibit approvals` shows it
    id: String,
    /// Why, in your words; the ledger keeps it
    #[arg(long)]
    reason: String,
    /// Your key: a private key file, or the public key (or a file of it) of a key that ssh-agent holds
    ///
    /// Without it `person` of `[client]` signs, or the only ssh-ed25519 key of ssh-agent. A passphrase is asked for, or read from the file that
    /// `EXHIBIT_PASSPHRASE_FILE` names.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

/// Runs both commands.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn run(
    arguments: &Arguments,
    verdict: Verdict,
    config: &Config,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let key = reader::person(arguments.key.as_deref(), config)?;
    let (mut client, trust) = (connect(config)?, config.trust()?);
    let reader = Reader::Key(Rc::clone(&key));
    client.read(&reader, &trust.log.origin, Question::Approvals).await?;
    let id = &arguments.id;
    let request = find(&mut client, &trust, id).await?;
    output.note(&request.describe(SystemClock.now()));
    if request.expired(SystemClock.now()) {
        return Err(CliError::Usage(format!("the request {} has expired", request.id())));
    }
    if verdict == Verdict::Approve && !request.in_hours(SystemClock.now()) {
        let id = request.id();
        return Err(CliError::Usage(format!(
            "approvals of the request {id} count at other hours alone"
        )));
    }
    if !arguments.yes && !output.confirm(&format!("Sign `{verdict}`?"))? {
        return Err(CliError::Declined);
    }
    let decision = request.decide(verdict, &arguments.reason);
    let receipt = append::append(&mut client, &SystemClock, &*key, vec![decision.into()]).await?;
    output.line(&format!(
        "{verdict}: request {} signed by key {} (entry {})",
        request.id(),
        key.public_key().id(),
        receipt.first
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The request that waits under this id.
async fn find(client: &mut Client, trust: &TrustAnchors, id: &str) -> Result<Request, CliError> {
    if id.len() < ID_DIGITS || !id.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(CliError::Usage(format!(
            "`{}` is no id of a request: at least {ID_DIGITS} hexadecimal digits",
            printable(id)
        )));
    }
    let requests = approvals::waiting(client, trust).await?;
    let mut named = requests.into_iter().filter_map(|request| request.named(id).ok());
    match (named.next(), named.next()) {
        (Some(request), None) => Ok(request),
        (Some(_), Some(_)) => Err(CliError::Usage(format!("`{id}` is the beginning of several ids"))),
        _ => Err(CliError::Unknown {
            what: "request that waits",
            id: id.to_owned(),
        }),
    }
}

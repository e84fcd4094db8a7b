//! `exhibit approve` and `exhibit deny`: a person's signed decision about one request.
//!
//! What is shown is what is signed: the request's own bytes, whose hash is its id, proven to be in the log under the seal
//! of a proxy that an administrator enrolled.

use std::process::ExitCode;
use std::rc::Rc;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::event::approval::{Grant, GrantScope, Terms, Verdict};
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

/// Deny one command that waits
///
/// Shows the request, asks, and signs the decision with your ssh-ed25519 key. The signature is bound to the exact
/// command, session, target and policy of the request, and to its expiry.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The request's id, as `exhibit approvals` shows it
    pub(super) id: String,
    /// Why, in your words; the ledger keeps it
    #[arg(long)]
    pub(super) reason: String,
    /// Your key: a private key file, or the public key (or a file of it) of a key that ssh-agent holds
    ///
    /// Without it `person` of `[client]` signs, or the only Ed25519 key of ssh-agent. A passphrase is asked for, or read from the file that
    /// `EXHIBIT_PASSPHRASE_FILE` names.
    #[arg(long, value_name = "KEY")]
    pub(super) key: Option<String>,
    /// Sign without asking
    #[arg(long)]
    pub(super) yes: bool,
}

/// Approve one command that waits
///
/// Shows the request, asks, and signs the decision with your ssh-ed25519 key. The signature is bound to the exact
/// command, session, target and policy of the request, and to its expiry.
#[derive(clap::Args)]
pub(crate) struct Approving {
    #[command(flatten)]
    deciding: Arguments,
    /// Let at most so many rows out, and at most so many be changed: with more, the session ends, and the server takes back what was
    /// not committed. What is not counted before it is committed does not run
    #[arg(long, value_name = "ROWS")]
    rows: Option<u64>,
    /// Grant it for others as well, where the policy lets you: `fingerprint` for commands of the same requester that differ in values
    /// alone, whatever values they are; `session` for commands of the same session about which the same rules ask
    #[arg(long, value_name = "SCOPE", value_parser = scope, requires_all = ["minutes", "uses"])]
    grant: Option<GrantScope>,
    /// For how many minutes from now
    #[arg(long, requires = "grant", value_parser = clap::value_parser!(u64).range(1..))]
    minutes: Option<u64>,
    /// For how many commands, this one among them
    #[arg(long, requires = "grant", value_parser = clap::value_parser!(u64).range(1..))]
    uses: Option<u64>,
    /// Let it pass alone, because of an emergency that the reason names
    ///
    /// For those whom the policy lists for it. The other people and their hours are not waited for; everybody is told, it lasts as many
    /// minutes as the policy says, and somebody else has to review it (`exhibit review sign --emergency`).
    #[arg(long, conflicts_with = "grant")]
    emergency: bool,
}

fn scope(text: &str) -> Result<GrantScope, String> {
    GrantScope::from_word(text).ok_or_else(|| "a scope is `fingerprint` or `session`".to_owned())
}

/// Runs `exhibit approve`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn approve(arguments: &Approving, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let Approving {
        deciding,
        rows,
        grant,
        minutes,
        uses,
        emergency,
    } = arguments;
    let grant = grant.zip(*minutes).zip(*uses);
    let grant = grant.map(|((scope, minutes), uses)| Grant { scope, minutes, uses });
    let terms = (rows.is_some() || grant.is_some()).then_some(Terms { rows: *rows, grant });
    let verdict = if *emergency {
        Verdict::Emergency
    } else {
        Verdict::Approve
    };
    run(deciding, verdict, terms, config, output).await
}

/// Runs `exhibit deny`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn deny(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    run(arguments, Verdict::Deny, None, config, output).await
}

async fn run(
    arguments: &Arguments,
    verdict: Verdict,
    terms: Option<Terms>,
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
    if let Some(cause) = terms.as_ref().and_then(|terms| request.refuses(terms)) {
        return Err(CliError::Usage(cause));
    }
    let decision = request.decide(verdict, &arguments.reason, terms.clone());
    if verdict == Verdict::Emergency {
        let refused = request.refuses_emergency(&decision);
        if let Some(cause) = refused {
            return Err(CliError::Usage(cause));
        }
    }
    let word = match &terms {
        Some(terms) => format!("{verdict}, {terms}"),
        None => verdict.to_string(),
    };
    if !arguments.yes && !output.confirm(&format!("Sign `{word}`?"))? {
        return Err(CliError::Declined);
    }
    let receipt = append::append(&mut client, &trust, &SystemClock, &*key, vec![decision.into()]).await?;
    output.line(&format!(
        "{word}: request {} signed by key {} (entry {})",
        request.id(),
        key.public_key().id(),
        receipt.first
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The request that waits under this id.
async fn find(client: &mut Client, trust: &TrustAnchors, id: &str) -> Result<Request, CliError> {
    let requests = approvals::waiting(client, trust).await?;
    named(requests, id, "request that waits")
}

/// The one of these requests that has this id.
///
/// # Errors
/// [`CliError::Usage`] for what is no id, or the beginning of several, and [`CliError::Unknown`].
pub(super) fn named(requests: Vec<Request>, id: &str, what: &'static str) -> Result<Request, CliError> {
    if id.len() < ID_DIGITS || !id.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(CliError::Usage(format!(
            "`{}` is no id of a request: at least {ID_DIGITS} hexadecimal digits",
            printable(id)
        )));
    }
    let mut named = requests.into_iter().filter_map(|request| request.named(id).ok());
    match (named.next(), named.next()) {
        (Some(request), None) => Ok(request),
        (Some(_), Some(_)) => Err(CliError::Usage(format!("`{id}` is the beginning of several ids"))),
        _ => Err(CliError::Unknown {
            what,
            id: id.to_owned(),
        }),
    }
}

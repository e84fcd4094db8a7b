//! `exhibit approvals revoke`: a person's signed word that takes back what people approved.
//!
//! Whether it counts say the proxy, and the verifier again. What the ledger tells of keys says beforehand where it cannot: nothing that is
//! taken for a revocation, and is none, is left behind then.

use std::process::ExitCode;
use std::rc::Rc;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_policy::approval::counts;
use exhibit_schemas::event::approval::Requirement;
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::key::{KeyId, Signer as _};
use exhibit_schemas::reading::Question;
use serde::Deserialize;

use crate::append;
use crate::client::Client;
use crate::commands::approve::{self, named};
use crate::commands::connect;
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};
use crate::proven;
use crate::reader::{self, Reader};
use crate::request::Request;

/// Take back what was approved, or refuse what waits
///
/// Whoever may approve a request may, and whoever did. A command that waits does not pass; of a reply that is under way nothing more is
/// released, its session ends, and the server takes back what was not committed. Where your word would not count, nothing is signed.
#[derive(clap::Args)]
pub(super) struct Revoking {
    #[command(flatten)]
    deciding: approve::Arguments,
}

/// A key as the ledger lists it.
#[derive(Deserialize)]
struct Known {
    id: String,
    role: String,
    name: String,
    groups: Vec<String>,
}

/// A request as the ledger lists it, with the indexes of what people decided about it.
#[derive(Deserialize)]
struct Decided {
    index: u64,
    decisions: Vec<u64>,
}

/// Runs the command.
///
/// # Errors
/// [`CliError`].
pub(super) async fn run(arguments: &Revoking, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let arguments = &arguments.deciding;
    let key = reader::person(arguments.key.as_deref(), config)?;
    let (mut client, trust) = (connect(config)?, config.trust()?);
    let reader = Reader::Key(Rc::clone(&key));
    client.read(&reader, &trust.log.origin, Question::Approvals).await?;
    let mut requests = super::waiting(&mut client, &trust).await?;
    let passed = super::passed(&mut client, &trust).await?;
    requests.extend(passed.into_iter().map(|(request, _)| request));
    let request = named(
        requests,
        &arguments.id,
        "request that waits, or by which anything is released",
    )?;
    output.note(&request.describe(SystemClock.now()));
    if let Some(cause) = uncounted(&mut client, &request, key.public_key().id()).await? {
        return Err(CliError::Usage(cause));
    }
    if !arguments.yes && !output.confirm("Take its approval back?")? {
        return Err(CliError::Declined);
    }
    let revocation = request.revoke(&arguments.reason);
    let receipt = append::append(&mut client, &trust, &SystemClock, &*key, vec![revocation.into()]).await?;
    output.line(&format!(
        "revoked: request {} by key {} (entry {})",
        request.id(),
        key.public_key().id(),
        receipt.first
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Why this key's revocation would not count, as far as the ledger says whose it is, and who decided about the request.
async fn uncounted(client: &mut Client, request: &Request, key: KeyId) -> Result<Option<String>, CliError> {
    let keys: Vec<Known> = client.fetch_json("/v1/keys").await?;
    let mut listed: Vec<Decided> = client.fetch_json("/v1/approvals").await?;
    listed.extend(client.fetch_json::<Vec<Decided>>("/v1/approvals/passed").await?);
    let decisions = listed.into_iter().filter(|listed| listed.index == request.index);
    let mut deciders = Vec::new();
    for index in decisions.flat_map(|listed| listed.decisions).collect::<Vec<_>>() {
        deciders.push(proven::claimed_emitter(client, index).await?);
    }
    Ok(refuses(&request.body.requirement, &keys, key, &deciders))
}

/// The same, of these keys, and of those that decided.
fn refuses(requirement: &Requirement, keys: &[Known], key: KeyId, deciders: &[KeyId]) -> Option<String> {
    let of = |id: KeyId| keys.iter().find(|known| KeyId::from_hex(&known.id) == Some(id));
    let Some(signer) = of(key) else {
        return Some(format!("key {key} is not enrolled, so its revocation would not count"));
    };
    let name = printable(&signer.name);
    if signer.role != Role::Person.as_str() {
        return Some(format!(
            "key {key} is enrolled as {}, and people alone take approvals back",
            printable(&signer.role)
        ));
    }
    let decided = deciders
        .iter()
        .any(|decider| of(*decider).is_some_and(|one| one.name == signer.name));
    let may = signer.groups.iter().any(|group| counts(requirement, group));
    (!may && !decided).then(|| {
        format!("a revocation by {name} would not count: {name} may not approve the request ({requirement}), and has not decided about it")
    })
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::approval::Requirement;
    use exhibit_schemas::key::KeyId;

    use super::{Known, refuses};

    fn known(number: u8, role: &str, name: &str, group: &str) -> Known {
        Known {
            id: KeyId([number; 8]).to_string(),
            role: role.into(),
            name: name.into(),
            groups: vec![group.into()],
        }
    }

    #[test]
    fn only_who_may_approve_or_has_decided_is_let_sign() {
        let requirement = Requirement {
            name: "dba".into(),
            groups: vec!["dba".into()],
            people: 1,
            requester_may_approve: false,
            all_groups: Some(vec!["privacy".into()]),
            hours: None,
            grants: None,
            emergency: None,
        };
        let keys = [
            known(1, "person", "ann", "dba"),
            known(2, "person", "bob", "privacy"),
            known(3, "person", "cid", "sales"),
            // Another key of cid, by which cid has decided when it was in another group.
            known(4, "person", "cid", "sales"),
            known(5, "administrator", "root", "dba"),
        ];
        let refuses = |key: u8, deciders: &[KeyId]| refuses(&requirement, &keys, KeyId([key; 8]), deciders);
        assert_eq!(refuses(1, &[]), None);
        assert_eq!(refuses(2, &[]), None);
        assert_eq!(refuses(3, &[KeyId([4; 8])]), None);
        let told = refuses(3, &[KeyId([1; 8])]).unwrap();
        assert!(told.starts_with("a revocation by cid would not count"), "{told}");
        assert!(refuses(5, &[]).unwrap().contains("enrolled as administrator"));
        assert!(refuses(6, &[]).unwrap().contains("not enrolled"));
    }
}

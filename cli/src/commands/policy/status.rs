//! `exhibit policy status`: which policies are in force at which proxies, and who has signed them.
//!
//! Each statement that is shown is proven to be in the log under the seal of who made it. That there is no newer one is the
//! ledger's word, as of every search; `exhibit-verify` sees the whole log.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::{Body, Event, Timestamp};
use exhibit_schemas::key::KeyId;
use exhibit_schemas::merkle::Index;
use exhibit_schemas::policy_signatures::{PolicySignatures, PolicySigners, SignedBy};
use exhibit_schemas::reading::Question;
use serde::Deserialize;
use serde_json::json;

use super::super::search::search;
use super::question::read_policy;
use crate::client::Client;
use crate::config::Config;
use crate::error::CliError;
use crate::output::{Output, printable};
use crate::proven;
use crate::reader;

/// Statements of either kind that are looked at: a proxy makes one at each start, and people sign a few policies a day.
const EVENTS_MAX: usize = 10_000;

/// Show which policies are in force at which proxies, and who has signed them
///
/// With POLICY, of that file alone; the exit code is 1 where a proxy decides by another one.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A policy file
    policy: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reader: reader::Arguments,
}

/// A key that the ledger lists.
#[derive(Deserialize)]
struct Key {
    id: String,
    role: String,
    name: String,
    ended: Option<u64>,
}

/// A proxy, and by which policy it says to decide.
struct Proxy {
    name: String,
    key: KeyId,
    said: Option<Said>,
}

/// What a proxy said last.
#[derive(Clone, Copy)]
struct Said {
    policy: Digest,
    index: u64,
    time: Timestamp,
}

/// What is known.
struct Standing {
    proxies: Vec<Proxy>,
    signatures: PolicySignatures,
    /// Policies that were signed, the newest signature first.
    signed: Vec<Digest>,
}

pub(super) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let file = arguments.policy.as_deref().map(read_policy).transpose()?;
    let file = file.map(|snapshot| snapshot.digest());
    let trust = config.trust()?;
    let mut client = super::super::reading(config, &arguments.reader, Question::Policies).await?;
    let standing = standing(&mut client, &trust).await?;
    let policies = file.map_or_else(|| standing.policies(), |file| vec![file]);
    let now = SystemClock.now();
    if arguments.json {
        output.json(&standing.to_json(&policies, now))?;
    } else {
        for policy in &policies {
            output.line(&printable(&standing.page(*policy, now)))?;
        }
        for proxy in standing.silent() {
            output.line(&printable(&format!(
                "{} ({}) has not said by which policy it decides",
                proxy.name, proxy.key
            )))?;
        }
    }
    let holds = |policy: Digest| standing.proxies.iter().all(|proxy| proxy.decides_by(policy));
    Ok(ExitCode::from(u8::from(file.is_some_and(|file| !holds(file)))))
}

async fn standing(client: &mut Client, trust: &TrustAnchors) -> Result<Standing, CliError> {
    let keys: Vec<Key> = client.fetch_json("/v1/keys").await?;
    let said = said(client, trust, &keys).await?;
    let proxies = keys.iter().filter(|key| key.role == "proxy" && key.ended.is_none());
    let proxies = proxies.map(|key| proxy(key, &keys, &said)).collect::<Result<_, _>>()?;
    let (signatures, signed) = signatures(client, trust, &keys).await?;
    Ok(Standing {
        proxies,
        signatures,
        signed,
    })
}

/// A proxy with what it said last, with the key that it has or with one that this took the place of.
fn proxy(key: &Key, keys: &[Key], said: &BTreeMap<KeyId, Said>) -> Result<Proxy, CliError> {
    let before = keys
        .iter()
        .filter(|other| other.name == key.name && other.role == key.role);
    let of_it = before.map(id).collect::<Result<Vec<_>, _>>()?;
    let last = of_it.iter().filter_map(|id| said.get(id)).max_by_key(|said| said.index);
    Ok(Proxy {
        name: key.name.clone(),
        key: id(key)?,
        said: last.copied(),
    })
}

fn id(key: &Key) -> Result<KeyId, CliError> {
    KeyId::from_hex(&key.id).ok_or_else(|| CliError::Untrusted(format!("`{}` is no key's id", key.id)))
}

/// What each proxy said last, by key.
async fn said(client: &mut Client, trust: &TrustAnchors, keys: &[Key]) -> Result<BTreeMap<KeyId, Said>, CliError> {
    let found = search(client, "kind:policy-in-force", EVENTS_MAX).await?;
    let known = keys.iter().filter(|key| key.role == "proxy").count();
    let mut said = BTreeMap::new();
    for hit in &found.hits {
        if said.len() >= known {
            break;
        }
        // Whose it is says whether it is wanted; what it says is taken from what is proven.
        if said.contains_key(&event(client, hit.index).await?.emitter.0) {
            continue;
        }
        let proven = decoded(&proven::of_proxy(client, trust, hit.index).await?, hit.index)?;
        let Body::PolicyInForce(now) = proven.body else {
            return Err(CliError::Untrusted(format!(
                "entry {} says nothing of a policy in force",
                hit.index
            )));
        };
        let (index, time, policy) = (hit.index, proven.time, now.policy);
        said.insert(proven.emitter.0, Said { policy, index, time });
    }
    Ok(said)
}

/// The signatures of those whose signatures count, and the policies that they signed.
async fn signatures(
    client: &mut Client,
    trust: &TrustAnchors,
    keys: &[Key],
) -> Result<(PolicySignatures, Vec<Digest>), CliError> {
    let mut signatures = PolicySignatures::new(&trust.policy_signers);
    let signers = trust.policy_signers.iter().flat_map(PolicySigners::keys);
    let signers: BTreeMap<KeyId, _> = signers.map(|(_, key)| (key.id(), key)).collect();
    if signers.is_empty() {
        return Ok((signatures, Vec::new()));
    }
    let found = search(client, "kind:policy-signed", EVENTS_MAX).await?;
    let (mut seen, mut signed) = (BTreeSet::new(), Vec::new());
    for hit in found.hits.iter().rev() {
        let event = event(client, hit.index).await?;
        let Some(key) = signers.get(&event.emitter.0) else {
            continue;
        };
        let event = decoded(&proven::of_key(client, trust, key, hit.index).await?, hit.index)?;
        if let Body::PolicySigned(body) = event.body
            && body.log_key == trust.log.key.to_bytes()
        {
            signatures.signed(Index(hit.index), event.emitter.0, &body);
            signed.push(body.policy);
        }
    }
    for key in keys {
        if let (id, Some(ended)) = (id(key)?, key.ended)
            && signers.contains_key(&id)
            // A key that another took the place of keeps what it signed.
            && matches!(event(client, ended).await?.body, Body::KeyRevoked(_))
        {
            signatures.revoked(Index(ended), id);
        }
    }
    signed.reverse();
    signed.retain(|policy| seen.insert(*policy));
    Ok((signatures, signed))
}

async fn event(client: &mut Client, index: u64) -> Result<Event, CliError> {
    let entry = client.fetch(&format!("/v1/entries/{index}")).await?;
    decoded(&entry, index)
}

fn decoded(entry: &[u8], index: u64) -> Result<Event, CliError> {
    Event::decode(entry).map_err(|error| CliError::Untrusted(format!("entry {index}: {error}")))
}

impl Proxy {
    fn decides_by(&self, policy: Digest) -> bool {
        self.said.is_some_and(|said| said.policy == policy)
    }
}

impl Standing {
    /// Those in force first, and then those that were signed.
    fn policies(&self) -> Vec<Digest> {
        let mut seen = BTreeSet::new();
        let in_force = self.proxies.iter().filter_map(|proxy| Some(proxy.said?.policy));
        let all = in_force.chain(self.signed.iter().copied());
        all.filter(|policy| seen.insert(*policy)).collect()
    }

    fn silent(&self) -> impl Iterator<Item = &Proxy> {
        self.proxies.iter().filter(|proxy| proxy.said.is_none())
    }

    fn page(&self, policy: Digest, now: Timestamp) -> String {
        let mut lines = vec![format!("policy {policy}")];
        let own = self.proxies.iter().filter(|proxy| proxy.decides_by(policy));
        for proxy in own {
            if let Some(Said { index, time, .. }) = proxy.said {
                let Proxy { name, key, .. } = proxy;
                lines.push(format!(
                    "  in force   at {name} ({key}), which said so at {time} (entry {index})"
                ));
            }
        }
        if lines.len() == 1 {
            lines.push("  in force   nowhere".to_owned());
        }
        let signed = self.signatures.now(policy, now);
        lines.push(match &signed {
            None => "  signed     trust.toml asks for no signatures".to_owned(),
            Some(signed) => format!("  signed     {}", signatories(signed)),
        });
        lines.join("\n")
    }

    fn to_json(&self, policies: &[Digest], now: Timestamp) -> serde_json::Value {
        let one = |policy: &Digest| {
            let in_force = self.proxies.iter().filter(|proxy| proxy.decides_by(*policy));
            let in_force = in_force.filter_map(|proxy| {
                let Said { index, time, .. } = proxy.said?;
                Some(json!({ "proxy": proxy.name, "key": proxy.key.to_string(), "entry": index, "time": time.to_string() }))
            });
            let signed = self.signatures.now(*policy, now).map(|signed| {
                let people = signed.people.iter();
                let people = people.map(|(name, index)| (name.clone(), json!(index.0)));
                let people: serde_json::Map<_, _> = people.collect();
                json!({ "wanted": signed.wanted, "people": people })
            });
            json!({ "policy": policy.to_string(), "in_force": in_force.collect::<Vec<_>>(), "signed": signed })
        };
        let silent = self
            .silent()
            .map(|proxy| json!({ "proxy": proxy.name, "key": proxy.key.to_string() }));
        json!({
            "policies": policies.iter().map(one).collect::<Vec<_>>(),
            "silent": silent.collect::<Vec<_>>(),
        })
    }
}

/// `by ann (entry 7); 2 people have to`.
fn signatories(signed: &SignedBy) -> String {
    let people = signed.people.iter();
    let people: Vec<_> = people
        .map(|(name, index)| format!("{name} (entry {})", index.0))
        .collect();
    let by = if people.is_empty() {
        "by nobody".to_owned()
    } else {
        format!("by {}", people.join(", "))
    };
    match (signed.suffices(), signed.wanted) {
        (true, wanted) => format!("{by}; {wanted} had to"),
        (false, wanted) => format!("{by}; {wanted} have to before it comes into force"),
    }
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::trust::PolicySigned;
    use exhibit_schemas::key::{SecretKey, Signer as _};

    use super::*;

    fn key(seed: u8) -> exhibit_schemas::key::PublicKey {
        SecretKey::from_seed(&[seed; 32]).public_key()
    }

    fn standing() -> Standing {
        let names = ["ann", "bob"].map(str::to_owned).into_iter();
        let keys = names.zip([key(1), key(2)]).collect();
        let signers = PolicySigners::new(Index(0), 2, keys).unwrap();
        let mut signatures = PolicySignatures::new(&[signers]);
        for (index, seed, policy) in [(5, 1, 7), (6, 2, 7), (9, 1, 8)] {
            let signed = PolicySigned {
                log_key: key(9).to_bytes(),
                policy: Digest([policy; 32]),
                reason: "reviewed".into(),
                expires: None,
            };
            assert!(signatures.signed(Index(index), key(seed).id(), &signed));
        }
        let said = Said {
            policy: Digest([7; 32]),
            index: 12,
            time: Timestamp(1_000_000),
        };
        let proxy = |seed, name: &str, said| Proxy {
            name: name.to_owned(),
            key: key(seed).id(),
            said,
        };
        Standing {
            proxies: vec![proxy(3, "clinic", Some(said)), proxy(4, "new", None)],
            signatures,
            signed: vec![Digest([8; 32]), Digest([7; 32])],
        }
    }

    #[test]
    fn a_policy_is_shown_with_its_proxies_and_signatures() {
        let (standing, now) = (standing(), Timestamp(2_000_000));
        assert_eq!(standing.policies(), [Digest([7; 32]), Digest([8; 32])]);
        let proxy = key(3).id();
        assert_eq!(
            standing.page(Digest([7; 32]), now),
            format!(
                "policy {}\n  in force   at clinic ({proxy}), which said so at 1970-01-01T00:00:01.000000Z (entry 12)\n  signed     by \
                 ann (entry 5), bob (entry 6); 2 had to",
                "07".repeat(32)
            )
        );
        assert_eq!(
            standing.page(Digest([8; 32]), now),
            format!(
                "policy {}\n  in force   nowhere\n  signed     by ann (entry 9); 2 have to before it comes into force",
                "08".repeat(32)
            )
        );
        let json = standing.to_json(&standing.policies(), now);
        assert_eq!(json["policies"][0]["in_force"][0]["entry"], 12);
        assert_eq!(
            json["policies"][1]["signed"],
            json!({ "wanted": 2, "people": { "ann": 9 } })
        );
        assert_eq!(json["silent"][0]["proxy"], "new");
    }

    #[test]
    fn what_a_proxy_said_holds_for_the_key_that_took_its_key_s_place() {
        let listed = |seed, name: &str, ended| Key {
            id: key(seed).id().to_string(),
            role: "proxy".into(),
            name: name.into(),
            ended,
        };
        let keys = [
            listed(1, "clinic", Some(20)),
            listed(2, "clinic", None),
            listed(3, "other", None),
        ];
        let said = Said {
            policy: Digest([7; 32]),
            index: 12,
            time: Timestamp(1),
        };
        let said = BTreeMap::from([(key(1).id(), said)]);
        assert!(proxy(&keys[1], &keys, &said).unwrap().decides_by(Digest([7; 32])));
        assert!(proxy(&keys[2], &keys, &said).unwrap().said.is_none());
    }
}

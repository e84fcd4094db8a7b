//! Events that the ledger shows, with the proof that they are what they seem: in the log, under the seal of a proxy, or a person, whose
//! key an administrator of `trust.toml` enrolled.
//!
//! ```text
//! event ─proof─▶ checkpoint of the log key (trust.toml)
//!   └─ sealed by K ─▶ K's enrolment, an event with such a proof, sealed by an administrator (trust.toml)
//!                     or K's rotation, and then the enrolment of the key before it
//! ```
//!
//! Not here: whether K was revoked later, which no proof of single events can show. The ledger takes nothing from a revoked
//! key, and a verifier of the whole log sees it.

use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::event::Body;
use exhibit_schemas::event::trust::Role;
use exhibit_schemas::key::{KeyId, PublicKey};
use exhibit_schemas::merkle::Index;
use exhibit_schemas::proof::{EventProof, ProvenEvent};
use hyper::body::Bytes;
use serde::Deserialize;

use crate::client::Client;
use crate::error::CliError;

/// Rotations followed from a proxy's key to its enrolment; a key that is changed each month comes to this in five years.
const ROTATIONS_MAX: usize = 64;

/// Where the ledger says that a key begins; proven by the event there.
#[derive(Deserialize)]
struct Begins {
    id: String,
    enrolled: u64,
}

/// The bytes of an event that a proxy sealed, after its proof.
///
/// # Errors
/// [`CliError::Client`], and [`CliError::Untrusted`] for a proof that does not hold.
pub(crate) async fn of_proxy(client: &mut Client, trust: &TrustAnchors, index: u64) -> Result<Bytes, CliError> {
    let (entry, proof) = fetch(client, index).await?;
    let (key, _) = key(client, trust, proof.claimed_emitter(), Role::Proxy).await?;
    verify(&entry, &proof, trust, &key, index)?;
    Ok(entry)
}

/// The bytes of an event that a person sealed, after its proof, and the name under which that person was enrolled.
///
/// # Errors
/// As [`of_proxy`].
pub(crate) async fn of_person(
    client: &mut Client,
    trust: &TrustAnchors,
    index: u64,
) -> Result<(Bytes, String), CliError> {
    let (entry, proof) = fetch(client, index).await?;
    let (key, name) = key(client, trust, proof.claimed_emitter(), Role::Person).await?;
    verify(&entry, &proof, trust, &key, index)?;
    Ok((entry, name))
}

/// The bytes of an event that a key of ours sealed, after its proof.
///
/// # Errors
/// As [`of_proxy`].
pub(crate) async fn of_key(
    client: &mut Client,
    trust: &TrustAnchors,
    key: &PublicKey,
    index: u64,
) -> Result<Bytes, CliError> {
    let (entry, proof) = fetch(client, index).await?;
    verify(&entry, &proof, trust, key, index)?;
    Ok(entry)
}

/// Checks that an event stands in the log at an index, under the seal of a key of ours.
///
/// # Errors
/// As [`of_proxy`].
pub(crate) async fn stands(
    client: &mut Client,
    trust: &TrustAnchors,
    key: &PublicKey,
    index: u64,
    event: &[u8],
) -> Result<(), CliError> {
    let proof = proof(client, index).await?;
    verify(event, &proof, trust, key, index).map(|_| ())
}

/// The key that sealed an event, as its proof claims.
///
/// # Errors
/// [`CliError::Client`], and [`CliError::Untrusted`] for what is no proof.
pub(crate) async fn claimed_emitter(client: &mut Client, index: u64) -> Result<KeyId, CliError> {
    Ok(proof(client, index).await?.claimed_emitter())
}

/// The key of this id, proven to be of that role, and the name under which it was enrolled.
async fn key(
    client: &mut Client,
    trust: &TrustAnchors,
    id: KeyId,
    role: Role,
) -> Result<(PublicKey, String), CliError> {
    let keys: Vec<Begins> = client.fetch_json("/v1/keys").await?;
    let (mut wanted, mut found) = (id, None);
    for _ in 0..ROTATIONS_MAX {
        let begins = keys.iter().find(|key| KeyId::from_hex(&key.id) == Some(wanted));
        let begins = begins.ok_or_else(|| untrusted(format!("key {wanted} sealed, but is not enrolled")))?;
        let (entry, proof) = fetch(client, begins.enrolled).await?;
        let administrators = trust.administrators.iter().map(|(_, key)| key);
        let administrator = administrators
            .into_iter()
            .find(|key| key.id() == proof.claimed_emitter());
        let administrator = administrator.ok_or_else(|| {
            let emitter = proof.claimed_emitter();
            untrusted(format!(
                "key {wanted} was enrolled by {emitter}, which trust.toml does not name"
            ))
        })?;
        let proven = verify(&entry, &proof, trust, administrator, begins.enrolled)?;
        let step = step(&proven.event.body, wanted, role)?;
        let key = *found.get_or_insert(step.key);
        match step.before {
            Began::Enrolled(name) => return Ok((key, name)),
            Began::Rotated(before) => wanted = before,
        }
    }
    Err(untrusted(format!(
        "key {id} was rotated more than {ROTATIONS_MAX} times"
    )))
}

/// How a key began.
#[derive(Debug)]
struct Step {
    key: PublicKey,
    before: Began,
}

/// What a key began with.
#[derive(Debug, PartialEq, Eq)]
enum Began {
    /// Its enrolment, under this name.
    Enrolled(String),
    /// It took the place of that key.
    Rotated(KeyId),
}

/// Reads the event that a key of a role is said to begin with.
fn step(body: &Body, wanted: KeyId, role: Role) -> Result<Step, CliError> {
    let (bytes, application, before) = match body {
        Body::KeyEnrolled(enrolled) if enrolled.role == role => {
            let began = Began::Enrolled(enrolled.name.clone());
            (enrolled.key, &enrolled.application, began)
        }
        Body::KeyEnrolled(enrolled) => {
            return Err(untrusted(format!(
                "key {wanted} is enrolled as {}, not as {role}",
                enrolled.role
            )));
        }
        Body::KeyRotated(rotated) => (rotated.to, &rotated.application, Began::Rotated(rotated.from)),
        _ => return Err(untrusted(format!("key {wanted} begins with no key event"))),
    };
    let key = PublicKey::of(bytes, application.as_ref()).map_err(|error| untrusted(error.to_string()))?;
    if key.id() == wanted {
        return Ok(Step { key, before });
    }
    Err(untrusted(format!("key {wanted} begins with the event of another key")))
}

async fn fetch(client: &mut Client, index: u64) -> Result<(Bytes, EventProof), CliError> {
    let entry = client.fetch(&format!("/v1/entries/{index}")).await?;
    Ok((entry, proof(client, index).await?))
}

async fn proof(client: &mut Client, index: u64) -> Result<EventProof, CliError> {
    let proof = client.fetch(&format!("/v1/proof/event/{index}")).await?;
    let proof = std::str::from_utf8(&proof).map_err(|error| untrusted(error.to_string()))?;
    EventProof::parse(proof).map_err(|error| untrusted(error.to_string()))
}

fn verify(
    entry: &[u8],
    proof: &EventProof,
    trust: &TrustAnchors,
    key: &PublicKey,
    index: u64,
) -> Result<ProvenEvent, CliError> {
    let proven = proof.verify(entry, &trust.log, key);
    let proven = proven.map_err(|error| untrusted(format!("the proof of event {index}: {error}")))?;
    if proven.index != Index(index) {
        return Err(untrusted(format!("event {index} is proven to be {}", proven.index.0)));
    }
    Ok(proven)
}

fn untrusted(reason: String) -> CliError {
    CliError::Untrusted(reason)
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::event::Body;
    use exhibit_schemas::event::trust::{Fault, KeyEnrolled, KeyRotated, Role};
    use exhibit_schemas::key::security::Application;
    use exhibit_schemas::key::{PublicKey, SecretKey, Signer as _};

    use super::{Began, step};

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_seed(&[seed; 32]).public_key()
    }

    fn enrolled(role: Role) -> Body {
        let (key, name, groups) = (key(1).to_bytes(), "p".to_owned(), Vec::new());
        KeyEnrolled {
            key,
            role,
            name,
            groups,
            application: None,
        }
        .into()
    }

    #[test]
    fn a_persons_security_key_is_taken_as_one() {
        let Body::KeyEnrolled(enrolled) = enrolled(Role::Person) else {
            unreachable!("it is one")
        };
        let application = Application::new("ssh:").ok();
        let enrolled = KeyEnrolled {
            application,
            ..enrolled
        };
        let person = step(&enrolled.into(), key(1).id(), Role::Person).unwrap();
        assert!(person.key.is_security_key() && person.key.to_bytes() == key(1).to_bytes());
    }

    #[test]
    fn a_key_is_a_proxys_only_by_an_event_that_makes_it_one() {
        let proxy = step(&enrolled(Role::Proxy), key(1).id(), Role::Proxy).unwrap();
        assert!(proxy.key == key(1) && proxy.before == Began::Enrolled("p".into()));
        let (from, to) = (key(1).id(), key(2).to_bytes());
        let rotated = step(
            &KeyRotated {
                from,
                to,
                application: None,
            }
            .into(),
            key(2).id(),
            Role::Proxy,
        )
        .unwrap();
        assert!(rotated.key == key(2) && rotated.before == Began::Rotated(from));
        assert!(step(&enrolled(Role::Person), key(1).id(), Role::Person).is_ok());
        assert!(step(&enrolled(Role::Proxy), key(1).id(), Role::Person).is_err());
        let fault = Fault {
            place: "gate".into(),
            text: "stopped".into(),
        };
        let refused = [
            (enrolled(Role::Person), 1),
            (enrolled(Role::Administrator), 1),
            (enrolled(Role::Proxy), 2),
            (
                KeyRotated {
                    from,
                    to,
                    application: None,
                }
                .into(),
                1,
            ),
            (fault.into(), 1),
        ];
        for (body, seed) in refused {
            assert!(step(&body, key(seed).id(), Role::Proxy).is_err(), "{body:?}");
        }
    }
}

//! `exhibit policy catalog`: the catalog of a target as the ledger holds it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use exhibit_proxy::reading;
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::trust::CatalogSnapshot;
use exhibit_schemas::event::{Body, Event};
use exhibit_schemas::reading::Question;

use super::super::search::search;
use crate::client::Client;
use crate::config::Config;
use crate::error::CliError;
use crate::output::Output;
use crate::proven;
use crate::reader;

/// Events that are looked at for the newest catalog; a catalog of 32 MiB has some six hundred parts.
const EVENTS_MAX: usize = 10_000;

/// Print the catalog of a target that the ledger recorded last
///
/// A proxy records the catalog with which it reads statements: relations, columns, types and functions, no data. It is
/// printed as one line of JSON, for `exhibit policy explain --catalog`. Every part is proven to be in the log under the
/// seal of an enrolled proxy.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The target's name in the policy
    target: String,
    #[command(flatten)]
    reader: reader::Arguments,
}

pub(super) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let trust = config.trust()?;
    let mut client = super::super::reading(config, &arguments.reader, Question::Catalogs).await?;
    let target = &arguments.target;
    let own = recorded(
        &mut client,
        &trust,
        target,
        "kind:catalog-snapshot",
        &reading::is_catalog,
    )
    .await?;
    let untrusted = |error| CliError::Untrusted(format!("the recorded catalog: {error}"));
    let catalog = match reading::stands_on(&own) {
        None => own,
        Some(digest) => {
            let query = format!("kind:catalog-snapshot {digest}");
            let of_digest = |document: &[u8]| Digest::of(document).to_string() == digest;
            let system = recorded(&mut client, &trust, target, &query, &of_digest).await?;
            reading::whole(&own, &system).map_err(untrusted)?
        }
    };
    let catalog =
        String::from_utf8(catalog).map_err(|_| CliError::Untrusted("the recorded catalog is no text".into()))?;
    output.line(&catalog)?;
    Ok(ExitCode::SUCCESS)
}

/// The newest document of a target's catalog that a search finds and that is wanted.
async fn recorded(
    client: &mut Client,
    trust: &TrustAnchors,
    target: &str,
    query: &str,
    wanted: &dyn Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, CliError> {
    let found = search(client, query, EVENTS_MAX).await?;
    let mut parts = Parts::default();
    for hit in &found.hits {
        let entry = proven::of_proxy(client, trust, hit.index).await?;
        let event = Event::decode(&entry);
        let event = event.map_err(|error| CliError::Untrusted(format!("entry {}: {error}", hit.index)))?;
        let Body::CatalogSnapshot(body) = event.body else {
            return Err(CliError::Untrusted(format!("entry {} is no catalog", hit.index)));
        };
        if body.target == target {
            parts.add(body);
        }
        match parts.whole()? {
            Some(document) if wanted(&document) => return Ok(document),
            Some(_) => parts = Parts::default(),
            None => {}
        }
    }
    Err(CliError::Unknown {
        what: "recorded catalog of the target",
        id: target.to_owned(),
    })
}

/// The parts of one catalog, as they come in.
#[derive(Default)]
struct Parts {
    /// Digest of the whole, and how many parts it has.
    of: Option<(Digest, u64)>,
    bytes: BTreeMap<u64, Vec<u8>>,
}

impl Parts {
    /// Takes a part of the catalog that the first one was of; passes over every other.
    fn add(&mut self, body: CatalogSnapshot) {
        let of = (body.catalog, body.parts);
        if *self.of.get_or_insert(of) == of {
            self.bytes.insert(body.part, body.bytes.0);
        }
    }

    /// The whole, when every part is there.
    fn whole(&self) -> Result<Option<Vec<u8>>, CliError> {
        let Some((digest, parts)) = self.of else {
            return Ok(None);
        };
        if !(0..parts).eq(self.bytes.keys().copied()) {
            return Ok(None);
        }
        let whole: Vec<u8> = self.bytes.values().flatten().copied().collect();
        if Digest::of(&whole) != digest {
            let reason = "the recorded catalog has another digest than its events say";
            return Err(CliError::Untrusted(reason.to_owned()));
        }
        Ok(Some(whole))
    }
}

#[cfg(test)]
mod tests {
    use exhibit_schemas::cbor::Bytes;
    use exhibit_schemas::digest::Digest;
    use exhibit_schemas::event::trust::CatalogSnapshot;

    use super::Parts;

    fn part(of: &str, part: u64, parts: u64, bytes: &str) -> CatalogSnapshot {
        CatalogSnapshot {
            target: "clinic".into(),
            catalog: Digest::of(of.as_bytes()),
            part,
            parts,
            bytes: Bytes(bytes.into()),
        }
    }

    #[test]
    fn the_newest_catalog_is_put_together_from_its_own_parts() {
        let mut parts = Parts::default();
        assert!(parts.whole().unwrap().is_none());
        parts.add(part("abc", 2, 3, "c"));
        parts.add(part("other", 1, 3, "x"));
        parts.add(part("abc", 0, 3, "a"));
        assert!(parts.whole().unwrap().is_none());
        parts.add(part("abc", 1, 3, "b"));
        assert_eq!(parts.whole().unwrap().as_deref(), Some(&b"abc"[..]));
    }

    #[test]
    fn a_catalog_of_another_digest_is_not_taken() {
        let mut parts = Parts::default();
        parts.add(part("abc", 0, 1, "abd"));
        assert!(parts.whole().unwrap_err().to_string().contains("another digest"));
    }
}

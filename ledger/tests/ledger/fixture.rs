//! A log of one administrator and one proxy, and what every test does with it.

use std::path::Path;

use exhibit_ledger::store::SyncedCommit;
use exhibit_ledger::{Config, Ledger, config::Tls};
use exhibit_schemas::cbor::Bytes;
use exhibit_schemas::checkpoint::{Checkpoint, Origin, VerifierKey};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Principal, SessionOpened};
use exhibit_schemas::event::trust::{Administrator, Fault, Genesis, KeyEnrolled, Role};
use exhibit_schemas::event::{Body, Emitter, Event, SessionPlace, Timestamp};
use exhibit_schemas::key::{SecretKey, Signer as _};
use exhibit_schemas::merkle::Frontier;
use exhibit_schemas::seal::{Chain, Sealed};
use exhibit_schemas::tile::{TileKind, entries, tiles};
use exhibit_schemas::wire::{Append, Receipt, Refusal};

pub(crate) const ORIGIN: &str = "ledger.example/test";
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

pub(crate) fn administrator() -> SecretKey {
    key(1)
}

pub(crate) fn proxy() -> SecretKey {
    key(2)
}

pub(crate) fn log_key() -> SecretKey {
    key(3)
}

pub(crate) fn now() -> Timestamp {
    NOW
}

pub(crate) fn config(directory: &Path) -> Config {
    let path = directory.join("unused");
    Config {
        origin: ORIGIN.into(),
        directory: directory.to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: Tls {
            certificate: path.clone(),
            key: path.clone(),
            client_ca: path,
        },
        webhooks: Vec::new(),
        readers: Vec::new(),
        oidc: Vec::new(),
    }
}

pub(crate) fn event(signer: &SecretKey, boot: u64, session: Option<SessionPlace>, body: impl Into<Body>) -> Bytes {
    let event = Event {
        time: NOW,
        emitter: Emitter(signer.public_key().id(), boot),
        session,
        body: body.into(),
    };
    event.encode().unwrap()
}

pub(crate) fn fault(signer: &SecretKey, boot: u64, text: &str) -> Bytes {
    let (place, text) = ("gate".to_owned(), text.to_owned());
    event(signer, boot, None, Fault { place, text })
}

pub(crate) fn start(boot: u64) -> Chain {
    Chain {
        boot,
        sequence: 0,
        previous: None,
    }
}

/// Genesis, and the proxy's key.
pub(crate) fn beginning() -> Vec<Sealed> {
    let signer = administrator();
    let genesis = Genesis {
        origin: ORIGIN.into(),
        log_key: log_key().public_key().to_bytes(),
        administrators: vec![Administrator {
            name: "root".into(),
            key: signer.public_key().to_bytes(),
        }],
    };
    let enrolled = KeyEnrolled {
        key: proxy().public_key().to_bytes(),
        role: Role::Proxy,
        name: "proxy".into(),
        groups: vec![],
        application: None,
    };
    let events = vec![event(&signer, 1, None, genesis), event(&signer, 1, None, enrolled)];
    vec![Sealed::seal(events, start(1), &signer).unwrap()]
}

pub(crate) fn begin(directory: &Path) -> Config {
    let config = config(directory);
    secret(directory, "log.key", 3);
    Ledger::initialise(&config, beginning()).unwrap();
    config
}

/// A key file.
pub(crate) fn secret(directory: &Path, name: &str, seed: u8) {
    use std::os::unix::fs::PermissionsExt as _;
    let file = directory.join(name);
    #[allow(clippy::disallowed_methods, reason = "a key of a test needs no durable write")]
    std::fs::write(&file, hex::encode([seed; 32])).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn open(config: &Config) -> Ledger {
    Ledger::open_with(config, Box::new(SyncedCommit), now).unwrap()
}

pub(crate) fn append(sealed: &Sealed) -> Append {
    Append {
        events: sealed.events().to_vec(),
        seal: sealed.seal_bytes().clone(),
    }
}

pub(crate) fn submit(ledger: &Ledger, batch: &Sealed) -> Result<Receipt, Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { ledger.submit(append(batch)).await.await.unwrap() })
}

pub(crate) fn batch(chain: Chain, texts: &[&str]) -> Sealed {
    let events = texts.iter().map(|text| fault(&proxy(), chain.boot, text)).collect();
    Sealed::seal(events, chain, &proxy()).unwrap()
}

/// Every entry, hash tile and the head agree, by the C2SP tiles that a reader gets.
pub(crate) fn check_whole(ledger: &Ledger) -> u64 {
    let head = ledger.shared().head();
    let key = VerifierKey {
        origin: Origin::new(ORIGIN).unwrap(),
        key: log_key().public_key(),
    };
    let checkpoint = Checkpoint::verify(head.note(), &key).unwrap();
    let mut leaves = Vec::new();
    for tile in tiles(checkpoint.size()) {
        let bytes = ledger.tile(tile).unwrap().unwrap();
        match tile.kind() {
            TileKind::Entries => {
                let found = entries(&bytes, tile.width()).unwrap();
                leaves.extend(found.into_iter().map(Digest::leaf));
            }
            TileKind::Hashes(0) => {
                let start = usize::try_from(tile.index()).unwrap() * 256;
                let wanted: Vec<u8> = leaves[start..start + usize::from(tile.width())]
                    .iter()
                    .flat_map(|leaf| leaf.0)
                    .collect();
                assert_eq!(bytes, wanted);
            }
            TileKind::Hashes(_) => assert_eq!(bytes.len(), usize::from(tile.width()) * 32),
        }
    }
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.append(leaf, |_, _, _| {});
    }
    assert_eq!(
        (frontier.size(), frontier.root()),
        (checkpoint.size(), checkpoint.root())
    );
    checkpoint.size().0
}

pub(crate) fn opened() -> SessionOpened {
    SessionOpened {
        target: "clinic".into(),
        protocol: "postgres".into(),
        principal: Principal {
            method: "api-key".into(),
            issuer: "exhibit".into(),
            subject: "ci".into(),
            client_id: None,
            groups: vec![],
            evidence: Digest([0; 32]),
            run: None,
        },
        peer: "127.0.0.1:1".into(),
        transport: "TLSv1.3".into(),
        policy: Digest([0; 32]),
        client: None,
        expires: None,
        mask_key: None,
    }
}

//! A new deployment: its directory, authority, keys, first batches and sample files, as `exhibit init` makes them.
//!
//! ```text
//! exhibit.toml  policy.toml  trust.toml  api-keys.toml  administrator.key
//! tls/      ca.pem ca.key  ledger.pem ledger.key  proxy.pem proxy.key  operator.pem operator.key
//! ledger/   log.key (signs checkpoints)  ledger.key (signs the ledger's events)  the store
//! proxy/    proxy.key (signs the proxy's events)  digest.key  mask.key  credentials.key
//! secrets/  passwords of targets
//! ```
//!
//! The log begins with two batches of the administrator: genesis, and the enrolment of the ledger's and the proxy's keys.

mod samples;

use std::path::{Path, PathBuf};

use exhibit_gate::clock::Clock;
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::checkpoint::{Origin, VerifierKey};
use exhibit_schemas::event::trust::{Administrator, Genesis, KeyEnrolled, Role};
use exhibit_schemas::key::{PublicKey, SecretKey, Signer as _};
use exhibit_schemas::seal::{Chain, Sealed};

use crate::append;
use crate::authority::Authority;
use crate::error::CliError;
use crate::files::{self, PUBLIC, SECRET, at};

/// Name of the administrator in genesis and trust.toml.
const ADMINISTRATOR: &str = "administrator";

/// A deployment on disk, and the batches that its log begins with.
pub(crate) struct Deployment {
    /// The configuration.
    pub(crate) config: PathBuf,
    /// What a verifier believes.
    pub(crate) trust: TrustAnchors,
    /// Genesis, and the enrolments.
    pub(crate) batches: Vec<Sealed>,
}

/// Makes a deployment in a new or empty directory.
///
/// # Errors
/// [`CliError::NotEmpty`], and [`CliError`] for everything that cannot be made.
pub(crate) fn create(directory: &Path, origin: &Origin, clock: &dyn Clock) -> Result<Deployment, CliError> {
    claim(directory)?;
    for name in ["tls", "ledger", "proxy", "secrets"] {
        files::make_directory(&directory.join(name))?;
    }
    let tls = directory.join("tls");
    let authority = Authority::new(origin.as_str(), clock.now())?;
    authority.write(&tls)?;
    for name in ["ledger", "proxy", "operator"] {
        authority.issue(&tls, name)?;
    }
    let key = |name: &str| -> Result<SecretKey, CliError> {
        Ok(SecretKey::from_seed(&*files::create_secret(&directory.join(name))?))
    };
    let administrator = key("administrator.key")?;
    let log = key("ledger/log.key")?.public_key();
    let ledger = key("ledger/ledger.key")?.public_key();
    let proxy = key("proxy/proxy.key")?.public_key();
    for name in ["proxy/digest.key", "proxy/mask.key", "proxy/credentials.key"] {
        files::create_secret(&directory.join(name))?;
    }
    let trust = TrustAnchors {
        log: VerifierKey {
            origin: origin.clone(),
            key: log,
        },
        administrators: vec![(ADMINISTRATOR.to_owned(), administrator.public_key())],
        policy_signers: Vec::new(),
    };
    let sample = |name: &str, text: &str, mode| files::create(&directory.join(name), text.as_bytes(), mode);
    sample("trust.toml", &trust.to_toml(), PUBLIC)?;
    sample("api-keys.toml", samples::API_KEYS, SECRET)?;
    sample("policy.toml", samples::POLICY, PUBLIC)?;
    sample("exhibit.toml", &samples::config(origin), PUBLIC)?;
    let batches = beginning(
        clock,
        origin,
        &administrator,
        log,
        &[(Role::Ledger, ledger), (Role::Proxy, proxy)],
    )?;
    Ok(Deployment {
        config: directory.join("exhibit.toml"),
        trust,
        batches,
    })
}

/// Makes the directory, or takes one that is empty.
fn claim(directory: &Path) -> Result<(), CliError> {
    match std::fs::read_dir(directory) {
        Ok(mut children) => match children.next() {
            None => Ok(()),
            Some(_) => Err(CliError::NotEmpty(directory.to_owned())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(files::make_directory(directory)?),
        Err(error) => Err(at(directory)(error).into()),
    }
}

/// The first two batches of a log: genesis, and the keys of its first ledger and proxy.
fn beginning(
    clock: &dyn Clock,
    origin: &Origin,
    administrator: &SecretKey,
    log: PublicKey,
    keys: &[(Role, PublicKey)],
) -> Result<Vec<Sealed>, CliError> {
    let genesis = Genesis {
        origin: origin.as_str().to_owned(),
        log_key: log.to_bytes(),
        administrators: vec![Administrator {
            name: ADMINISTRATOR.to_owned(),
            key: administrator.public_key().to_bytes(),
        }],
    };
    let chain = Chain {
        boot: clock.now().0,
        sequence: 0,
        previous: None,
    };
    let genesis = append::seal(clock, administrator, chain, vec![genesis.into()])?;
    let enrolments = keys.iter().map(|(role, key)| {
        let enrolled = KeyEnrolled {
            key: key.to_bytes(),
            role: *role,
            name: role.to_string(),
            groups: Vec::new(),
            application: None,
        };
        enrolled.into()
    });
    let enrolments = append::seal(clock, administrator, genesis.next(), enrolments.collect())?;
    Ok(vec![genesis, enrolments])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::case_sensitive_file_extension_comparisons, reason = "the names are ours")]

    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use exhibit_gate::clock::SystemClock;
    use exhibit_policy::snapshot::Snapshot;
    use exhibit_schemas::bundle::TrustAnchors;
    use exhibit_schemas::checkpoint::Origin;
    use exhibit_schemas::event::{Body, Emitter, Event};
    use exhibit_schemas::keyring::Keyring;
    use exhibit_schemas::merkle::Index;

    use super::create;
    use crate::config::Config;
    use crate::error::CliError;

    fn origin() -> Origin {
        Origin::new("clinic.example/exhibit").unwrap()
    }

    fn secrets(directory: &Path, found: &mut Vec<(String, u32)>) {
        for child in std::fs::read_dir(directory).unwrap() {
            let path = child.unwrap().path();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            if path.is_dir() {
                assert_eq!(mode, 0o700, "{}", path.display());
                secrets(&path, found);
            } else {
                found.push((path.file_name().unwrap().to_str().unwrap().to_owned(), mode));
            }
        }
    }

    #[test]
    fn every_secret_is_its_owners_alone() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("new");
        create(&directory, &origin(), &SystemClock).unwrap();
        let mut found = Vec::new();
        secrets(&directory, &mut found);
        for (name, mode) in &found {
            let secret = name.ends_with(".key") || name == "api-keys.toml";
            assert_eq!(*mode, if secret { 0o600 } else { 0o644 }, "{name}");
        }
        assert_eq!(found.iter().filter(|(name, _)| name.ends_with(".key")).count(), 11);
    }

    #[test]
    fn a_directory_with_something_in_it_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        crate::files::create(&place.path().join("mine"), b"", 0o600).unwrap();
        let refused = create(place.path(), &origin(), &SystemClock);
        assert!(matches!(refused, Err(CliError::NotEmpty(_))));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_log_begins_with_genesis_and_the_first_keys() {
        let place = tempfile::tempdir().unwrap();
        let made = create(place.path(), &origin(), &SystemClock).unwrap();
        let bodies = |batch: usize| {
            let events = made.batches[batch].events().iter();
            events
                .map(|event| Event::decode(&event.0).unwrap().body)
                .collect::<Vec<_>>()
        };
        let Body::Genesis(genesis) = &bodies(0)[0] else {
            panic!("the first event is genesis")
        };
        let administrator = made.trust.administrators[0].1;
        let mut keyring = Keyring::begin(genesis, administrator.id()).unwrap();
        for (place, body) in (2..).zip(bodies(1)) {
            keyring.may_emit(administrator.id(), body.kind()).unwrap();
            keyring
                .apply(Index(place), Emitter(administrator.id(), 1), &body)
                .unwrap();
        }
        assert_eq!(keyring.keys().count(), 3);
        assert_eq!(made.batches[0].next().previous, made.batches[1].payload().previous);
    }

    #[test]
    fn the_sample_files_are_read_by_their_readers() {
        let place = tempfile::tempdir().unwrap();
        let made = create(place.path(), &origin(), &SystemClock).unwrap();
        let config = Config::read(&made.config).unwrap();
        assert_eq!(config.trust().unwrap(), made.trust);
        let policy = std::fs::read(place.path().join("policy.toml")).unwrap();
        assert_eq!(Snapshot::parse(&policy).unwrap().targets()[0].name, "clinic");
        let trust = std::fs::read_to_string(place.path().join("trust.toml")).unwrap();
        assert_eq!(TrustAnchors::parse(&trust).unwrap(), made.trust);
    }

    /// What the sample has behind `#`, people take in by taking that away.
    #[test]
    fn the_listeners_that_the_sample_shows_are_read_by_their_reader() {
        let place = tempfile::tempdir().unwrap();
        let made = create(place.path(), &origin(), &SystemClock).unwrap();
        let text = std::fs::read_to_string(&made.config).unwrap();
        let mut inside = false;
        let shown: Vec<&str> = text
            .lines()
            .map(|line| {
                let bare = line.strip_prefix("# ");
                inside = bare.is_some_and(|bare| inside || bare.starts_with("[[proxy."));
                bare.filter(|_| inside).unwrap_or(line)
            })
            .collect();
        let file = place.path().join("shown.toml");
        crate::files::create(&file, shown.join("\n").as_bytes(), 0o600).unwrap();
        let proxy = Config::read(&file).unwrap().proxy().unwrap();
        assert_eq!(proxy.postgres[0].target, "clinic");
        assert_eq!(proxy.s3[0].target, "lake");
        assert_eq!(proxy.s3[0].store.secret_file, place.path().join("secrets/lake.secret"));
    }
}

//! Who may call, by the files that the configuration names; what is revoked in them holds while the proxy runs.
//!
//! The files of API keys and of revoked certificates are read again every [`AGAIN`]. One that cannot be taken changes nothing
//! and is told in the log.
//!
//! Not here: what makes a credential good (`exhibit_identity`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_identity::aws::Endpoints;
use exhibit_identity::oidc::Issuers;
use exhibit_identity::{ApiKeys, Callers, Certificates, certificate};
use exhibit_schemas::digest::Digest;
use exhibit_startup::pem;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::start::ProxyError;

/// How often the files are read again: what somebody revokes in a hurry should hold before they look whether it does.
pub const AGAIN: Duration = Duration::from_secs(2);

/// Reads every file that says who may call.
///
/// # Errors
/// [`ProxyError`].
pub(crate) fn read(config: &Config) -> Result<(Arc<Callers>, Watched), ProxyError> {
    let path = &config.api_keys;
    let bytes = std::fs::read(path).map_err(|error| ProxyError::File {
        path: path.clone(),
        error,
    })?;
    let keys = api_keys(&bytes).map_err(|error| ProxyError::ApiKeys {
        path: path.clone(),
        error,
    })?;
    let mut files = vec![File::new(path, Holds::ApiKeys, &bytes)];
    let issuers = Issuers::read(&config.oidc, SystemClock.now())?;
    let aws = Endpoints::read(&config.aws, SystemClock.now())?;
    let mut certificates = Certificates::default();
    for section in &config.certificates {
        let own = pem::certificates(&section.ca).map_err(ProxyError::Certificates)?;
        let revoked = match &section.crl {
            Some(path) => {
                let (bytes, revoked) = pem::revocations(path).map_err(ProxyError::Certificates)?;
                files.push(File::new(path, Holds::Revocations(section.name.clone()), &bytes));
                revoked
            }
            None => Vec::new(),
        };
        certificates.add(section.clone(), own, revoked)?;
    }
    let callers = Arc::new(Callers::new(keys, issuers, aws, certificates));
    let watched = Watched {
        callers: Arc::clone(&callers),
        files,
    };
    Ok((callers, watched))
}

fn api_keys(bytes: &[u8]) -> Result<ApiKeys, exhibit_identity::IdentityError> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| exhibit_identity::IdentityError::Syntax("it is not UTF-8 text".to_owned()))?;
    ApiKeys::parse(text)
}

/// Files in which something may be revoked.
#[derive(Clone)]
pub(crate) struct Watched {
    callers: Arc<Callers>,
    files: Vec<File>,
}

#[derive(Clone)]
struct File {
    path: PathBuf,
    holds: Holds,
    /// What was read last, by its digest; `None` for what could not be read.
    seen: Option<Digest>,
}

#[derive(Clone)]
enum Holds {
    ApiKeys,
    /// Of the authority of that name.
    Revocations(String),
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    ApiKeys(#[from] exhibit_identity::IdentityError),
    #[error("{0}")]
    Pem(#[from] pem::PemError),
    #[error("{0}")]
    Certificates(#[from] certificate::ConfigError),
}

impl File {
    fn new(path: &Path, holds: Holds, bytes: &[u8]) -> Self {
        Self {
            path: path.to_owned(),
            holds,
            seen: Some(Digest::of(bytes)),
        }
    }

    /// Takes what the file has come to hold, if that is anything else.
    fn look(&mut self, callers: &Callers) {
        let read = std::fs::read(&self.path);
        let seen = read.as_ref().ok().map(|bytes| Digest::of(bytes));
        if seen == self.seen {
            return;
        }
        self.seen = seen;
        let file = self.path.display();
        let refused = match read {
            Ok(bytes) => match self.take(callers, &bytes) {
                Ok(()) => return tracing::info!(%file, "read again: what was revoked in it holds from now on"),
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        tracing::error!(%file, %refused, "the file has changed and is not taken: what it held before stays in force");
    }

    fn take(&self, callers: &Callers, bytes: &[u8]) -> Result<(), Refused> {
        match &self.holds {
            Holds::ApiKeys => callers.take_api_keys(api_keys(bytes)?),
            Holds::Revocations(name) => {
                let revoked = pem::revocations_of(&self.path, bytes)?;
                callers.take_revocations(name, revoked)?;
            }
        }
        Ok(())
    }
}

impl Watched {
    /// Reads the files again and again, until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut again = tokio::time::interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = again.tick() => {}
            }
            let looked = tokio::task::spawn_blocking(move || {
                for file in &mut self.files {
                    file.look(&self.callers);
                }
                self
            });
            self = match looked.await {
                Ok(watched) => watched,
                Err(error) => return tracing::error!(%error, "files of credentials are not read again any more"),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use exhibit_gate::clock::{Clock as _, SystemClock};
    use exhibit_identity::{NewKey, Wanted};

    use super::*;

    fn draw(subject: &str) -> NewKey {
        let wanted = Wanted {
            subject: subject.to_owned(),
            ..Wanted::default()
        };
        ApiKeys::draw(wanted).unwrap()
    }

    #[tokio::test]
    async fn a_changed_file_is_taken_and_one_that_is_broken_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("api-keys.toml");
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let (ann, bob) = (draw("ann"), draw("bob"));
        write(&ann.entry);
        let keys = api_keys(ann.entry.as_bytes()).unwrap();
        let callers = Arc::new(Callers::new(
            keys,
            Issuers::default(),
            Endpoints::default(),
            Certificates::default(),
        ));
        let mut file = File::new(&path, Holds::ApiKeys, ann.entry.as_bytes());
        let mut check = async |wanted: [bool; 2]| {
            file.look(&callers);
            let known = async |user: &str, new: &NewKey| {
                callers
                    .identify(user, &new.key, "clinic", SystemClock.now())
                    .await
                    .is_ok()
            };
            assert_eq!([known("ann", &ann).await, known("bob", &bob).await], wanted);
        };
        check([true, false]).await;
        write(&format!("{}{}", ann.entry, bob.entry));
        check([true, true]).await;
        write(&format!("{}{}broken", ann.entry, bob.entry));
        check([true, true]).await;
        std::fs::remove_file(&path).unwrap();
        check([true, true]).await;
        write(&bob.entry);
        check([false, true]).await;
        write("# nobody\n");
        check([false, false]).await;
    }
}

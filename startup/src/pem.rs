//! The files of TLS: certificates and private keys in PEM form (RFC 7468).
//!
//! A file that is empty, holds none or holds another's is refused here, by its name, before anything listens or connects,
//! and not by a peer during a handshake.
//!
//! Not here: which peers are believed, and versions of TLS.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

/// Why a PEM file is refused. Nothing of its content is repeated.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It has nothing in it.
    #[error("{} is empty; it should hold {wanted}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
    },
    /// It does not hold what it should.
    #[error("{} holds no {wanted} in PEM form{hint}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
        /// What it holds instead, as a part of a sentence, or nothing.
        hint: &'static str,
    },
    /// A PEM section in it is broken.
    #[error("{} is not valid PEM: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// What it holds cannot be used.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// A certificate and a key that are not of each other.
    #[error("{} is not the key of the first certificate in {}", key.display(), path.display())]
    Mismatch {
        /// The file of the certificate.
        path: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The system trusts nobody.
    #[error("this system trusts no authority: install the package `ca-certificates`, or name a file of authorities")]
    System,
}

impl PemError {
    /// The file, if it is about one.
    pub fn path(&self) -> Option<&Path> {
        let (Self::File { path, .. }
        | Self::Empty { path, .. }
        | Self::Missing { path, .. }
        | Self::Broken { path, .. }
        | Self::Unusable { path, .. }
        | Self::Mismatch { path, .. }) = self
        else {
            return None;
        };
        Some(path)
    }
}

/// A chain of certificates, own one first, and its private key.
#[derive(Debug)]
pub struct Identity {
    // Invariant: the key is the first certificate's.
    /// The chain; at least one.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key.
    pub key: PrivateKeyDer<'static>,
}

/// Reads a chain and the key of its first certificate.
///
/// # Errors
/// [`PemError`].
pub fn identity(certificate: &Path, key: &Path) -> Result<Identity, PemError> {
    let identity = Identity {
        chain: certificates(certificate)?,
        key: private_key(key)?,
    };
    let provider = rustls::crypto::ring::default_provider();
    let checked = CertifiedKey::from_der(identity.chain.clone(), identity.key.clone_key(), &provider);
    let unusable = |path: &Path, reason| PemError::Unusable {
        path: path.to_owned(),
        reason,
    };
    match checked {
        Ok(_) => Ok(identity),
        Err(rustls::Error::InconsistentKeys(_)) => Err(PemError::Mismatch {
            path: certificate.to_owned(),
            key: key.to_owned(),
        }),
        Err(rustls::Error::InvalidCertificate(_)) => Err(unusable(certificate, "its first certificate is malformed")),
        Err(_) => Err(unusable(
            key,
            "its private key is malformed, or of a kind that is not known",
        )),
    }
}

/// Reads the certificates of the authorities that peers are known by; at least one.
///
/// # Errors
/// [`PemError`].
pub fn authorities(path: &Path) -> Result<RootCertStore, PemError> {
    let mut authorities = RootCertStore::empty();
    for certificate in certificates(path)? {
        let added = authorities.add(certificate);
        added.map_err(|_| PemError::Unusable {
            path: path.to_owned(),
            reason: "a certificate in it is malformed",
        })?;
    }
    Ok(authorities)
}

/// Reads the lists of what authorities revoked; at least one. Gives the file's bytes with them.
///
/// # Errors
/// [`PemError`].
pub fn revocations(path: &Path) -> Result<(Vec<u8>, Vec<CertificateRevocationListDer<'static>>), PemError> {
    let bytes = read(path, REVOCATIONS)?;
    let revocations = revocations_of(path, &bytes)?;
    Ok((bytes, revocations))
}

/// The same of a file's bytes.
///
/// # Errors
/// [`PemError`].
pub fn revocations_of(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, PemError> {
    let revocations: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(bytes).collect();
    match revocations {
        Ok(revocations) if revocations.is_empty() => Err(missing(path, REVOCATIONS, bytes)),
        Ok(revocations) => Ok(revocations),
        Err(error) => Err(broken(path, &error)),
    }
}

/// The authorities that the system trusts; at least one.
///
/// # Errors
/// [`PemError::System`].
pub fn system_authorities() -> Result<RootCertStore, PemError> {
    let mut authorities = RootCertStore::empty();
    let _ = authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if authorities.is_empty() {
        return Err(PemError::System);
    }
    Ok(authorities)
}

/// All certificates of a file, in its order; at least one.
///
/// # Errors
/// [`PemError`].
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let bytes = read(path, CERTIFICATE)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(missing(path, CERTIFICATE, &bytes)),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(broken(path, &error)),
    }
}

/// The first private key of a file.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    let bytes = read(path, KEY)?;
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(missing(path, KEY, &bytes)),
        Err(error) => Err(broken(path, &error)),
    }
}

const CERTIFICATE: &str = "certificate";
const KEY: &str = "private key";
const REVOCATIONS: &str = "list of revocations";

fn read(path: &Path, wanted: &'static str) -> Result<Vec<u8>, PemError> {
    let bytes = std::fs::read(path).map_err(|error| PemError::File {
        path: path.to_owned(),
        error,
    })?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(PemError::Empty {
            path: path.to_owned(),
            wanted: match wanted {
                KEY => "a private key",
                REVOCATIONS => "a list of revocations",
                _ => "a certificate",
            },
        });
    }
    Ok(bytes)
}

fn missing(path: &Path, wanted: &'static str, bytes: &[u8]) -> PemError {
    let holds_key = PrivateKeyDer::from_pem_slice(bytes).is_ok();
    let holds_certificate = CertificateDer::from_pem_slice(bytes).is_ok();
    PemError::Missing {
        path: path.to_owned(),
        wanted,
        hint: match (holds_key, holds_certificate) {
            (true, _) => ", but a private key",
            (_, true) => ", but a certificate",
            _ => "",
        },
    }
}

fn broken(path: &Path, error: &pem::Error) -> PemError {
    PemError::Broken {
        path: path.to_owned(),
        reason: match error {
            pem::Error::MissingSectionEnd { .. } => "a section does not end",
            pem::Error::IllegalSectionStart { .. } => "a section does not begin as it should",
            pem::Error::Base64Decode(_) => "a section is not base64",
            pem::Error::SectionTooLarge => "a section is too long",
            _ => "it cannot be read as PEM",
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::{authorities, certificates, identity, private_key};

    // Neither is a real one: what the bytes mean is not judged here.
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn what_is_there_is_taken() {
        let both = file(&format!("a comment\n{CERTIFICATE}{KEY}{CERTIFICATE}"));
        assert_eq!(certificates(both.path()).unwrap().len(), 2);
        assert_eq!(private_key(both.path()).unwrap().secret_der(), [0; 3]);
    }

    #[test]
    fn what_is_not_there_is_named_with_the_file() {
        let check = |text: &str, of_certificates: &str, of_key: &str| {
            let file = file(text);
            let errors = [
                (
                    certificates(file.path()).err().map(|error| error.to_string()),
                    of_certificates,
                ),
                (private_key(file.path()).err().map(|error| error.to_string()), of_key),
            ];
            for (error, wanted) in errors {
                let error = error.unwrap_or_default();
                let wanted = match wanted {
                    "" => String::new(),
                    wanted => format!("{} {wanted}", file.path().display()),
                };
                assert_eq!(error, wanted, "{text}");
            }
        };
        for empty in ["", "\n", " \r\n\n"] {
            check(
                empty,
                "is empty; it should hold a certificate",
                "is empty; it should hold a private key",
            );
        }
        check(
            "hello\n",
            "holds no certificate in PEM form",
            "holds no private key in PEM form",
        );
        check(KEY, "holds no certificate in PEM form, but a private key", "");
        check(CERTIFICATE, "", "holds no private key in PEM form, but a certificate");
        let cut = "is not valid PEM: a section does not end";
        check(CERTIFICATE.split_at(40).0, cut, cut);
        let letters = "is not valid PEM: a section is not base64";
        check(&CERTIFICATE.replace("AAAA", "A*A"), letters, letters);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let path = std::path::Path::new("nowhere/ca.pem");
        for error in [certificates(path).unwrap_err(), private_key(path).unwrap_err()] {
            assert!(
                error.to_string().starts_with("nowhere/ca.pem cannot be read: "),
                "{error}"
            );
            assert_eq!(error.path(), Some(path));
        }
    }

    #[test]
    fn a_key_must_be_of_its_certificate() {
        let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (own, other) = (made(), made());
        let certificate = file(&own.cert.pem());
        let key = file(&own.signing_key.serialize_pem());
        assert_eq!(identity(certificate.path(), key.path()).unwrap().chain.len(), 1);
        assert_eq!(authorities(certificate.path()).unwrap().len(), 1);

        let check = |certificate: &tempfile::NamedTempFile, key: &tempfile::NamedTempFile, wanted: String| {
            let error = identity(certificate.path(), key.path()).unwrap_err().to_string();
            assert_eq!(error, wanted);
        };
        let name = |file: &tempfile::NamedTempFile| file.path().display().to_string();
        let wrong = file(&other.signing_key.serialize_pem());
        let (of_key, of_certificate) = (name(&wrong), name(&certificate));
        let wanted = format!("{of_key} is not the key of the first certificate in {of_certificate}");
        check(&certificate, &wrong, wanted);
        let (bad_certificate, bad_key) = (file(CERTIFICATE), file(KEY));
        let wanted = format!("{}: its first certificate is malformed", name(&bad_certificate));
        check(&bad_certificate, &key, wanted);
        let wanted = format!(
            "{}: its private key is malformed, or of a kind that is not known",
            name(&bad_key)
        );
        check(&certificate, &bad_key, wanted);
        let error = authorities(bad_certificate.path()).unwrap_err().to_string();
        assert!(error.ends_with("a certificate in it is malformed"), "{error}");
    }
}

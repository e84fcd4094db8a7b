//! Client certificates: a chain that a configured authority vouches for.
//!
//! ```text
//! TLS ─▶ chain, proof of its key ─▶ authority, revocations ─▶ trust_domain ─▶ SPIFFE id
//!                                                         └─▶ none         ─▶ common name, organizations as groups
//! ```
//!
//! ```toml
//! [[proxy.certificates]]
//! name = "build"                       # the `issuer` of who comes with its certificates; a trust domain names itself
//! ca = "tls/agents-ca.pem"             # one authority or several, PEM
//! crl = "tls/agents.crl.pem"           # what they revoked, PEM, read again when it changes; nothing is looked up if left out
//! trust_domain = "prod.example"        # SPIFFE ids of this trust domain, and no other certificates; none if left out
//! ```
//!
//! Sources: RFC 5280 (paths, revocations; by `rustls-webpki`), SPIFFE-ID and X509-SVID of the SPIFFE project. The common name and
//! the organizations mean what they mean to the Kubernetes API server: a user and its groups.
//!
//! Not here: reading the files that the section names, and the user name beside a certificate ([`crate::caller`]).

mod authority;
mod config;
mod spiffe;

use std::sync::Arc;

use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::Timestamp;
use exhibit_schemas::event::access::Principal;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use self::authority::Authority;
pub use self::config::{Config, ConfigError};
pub use self::spiffe::SpiffeError;
use crate::Identity;
use crate::api_key::{GROUPS_MAX, NAME_BYTES_MAX};

/// The `method` of a principal that came with a certificate; roles match on it.
pub const METHOD: &str = "client-certificate";

const US_PER_S: u64 = 1_000_000;

/// Why a certificate lets nobody in. Nothing of it is repeated.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum CertificateError {
    /// No chain was shown.
    #[error("there is none")]
    Missing,
    /// No authority of the configuration vouches for it now.
    #[error("{0}")]
    Untrusted(String),
    /// It cannot be read.
    #[error("it is malformed")]
    Malformed,
    /// It is no X509-SVID of its authority's trust domain.
    #[error("it is no X509-SVID of this proxy's: {0}")]
    Spiffe(#[from] SpiffeError),
    /// It does not name one subject.
    #[error("its subject has not exactly one common name, of 1 to 128 bytes without control characters")]
    Subject,
    /// Its organizations cannot be groups.
    #[error("its subject has more than 64 organizations, or one that is not 1 to 128 bytes without control characters")]
    Groups,
}

/// Authorities whose certificates are taken.
#[derive(Debug)]
pub struct Certificates {
    // Invariant: no root stands below two authorities, so a chain is one authority's.
    authorities: Vec<Authority>,
    /// The certificates of all of them.
    known: Vec<CertificateDer<'static>>,
    hints: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
}

impl Default for Certificates {
    fn default() -> Self {
        Self {
            authorities: Vec::new(),
            known: Vec::new(),
            hints: Vec::new(),
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        }
    }
}

impl Certificates {
    /// Takes an authority's certificates from here on; `own` are those of itself.
    ///
    /// # Errors
    /// [`ConfigError`] when its files do not fit, or it has a root of another one.
    pub fn add(
        &mut self,
        config: Config,
        own: Vec<CertificateDer<'static>>,
        revocations: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<(), ConfigError> {
        let mut roots = RootCertStore::empty();
        for certificate in &own {
            let added = roots.add(certificate.clone());
            added.map_err(|_| ConfigError::new(&config, "a certificate in its `ca` is malformed".to_owned()))?;
        }
        let again = self.authorities.iter().find(|other| other.shares_root(&roots));
        if let Some(other) = again {
            let rule = format!("its `ca` holds an authority of `{}`", other.name());
            return Err(ConfigError::new(&config, rule));
        }
        if self.authorities.iter().any(|other| other.issuer() == config.issuer()) {
            return Err(ConfigError::new(&config, "it is configured twice".to_owned()));
        }
        self.hints.extend(roots.subjects());
        let authority = Authority::new(config, roots, revocations, Arc::clone(&self.provider))?;
        self.authorities.push(authority);
        self.known.extend(own);
        Ok(())
    }

    /// Whether no certificate is taken.
    pub fn is_empty(&self) -> bool {
        self.authorities.is_empty()
    }

    /// Puts what an authority revoked in the place of what was known of that.
    ///
    /// # Errors
    /// [`ConfigError`]; what was known stands.
    pub fn revoke(
        &self,
        name: &str,
        revocations: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<(), ConfigError> {
        let named = self.authorities.iter().find(|authority| authority.name() == name);
        named.map_or(Ok(()), |authority| authority.revoke(revocations))
    }

    /// Whether an authority vouches for the chain, as far as it is known today what was revoked.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub(crate) fn verify(&self, chain: &[CertificateDer<'_>], at: UnixTime) -> Result<(), CertificateError> {
        self.authority(chain, at).map(|_| ())
    }

    /// Who comes with this chain; the TLS handshake has shown that it has the key.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn identify(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<Identity, CertificateError> {
        let authority = self.authority(chain, unix(now))?;
        let own = chain.first().ok_or(CertificateError::Missing)?;
        let Ok((&[], certificate)) = X509Certificate::from_der(own) else {
            return Err(CertificateError::Malformed);
        };
        let (subject, groups) = match authority.trust_domain() {
            Some(domain) => (spiffe::id(&certificate, domain)?, Vec::new()),
            None => (common_name(&certificate)?, organizations(&certificate)?),
        };
        let expires = u64::try_from(certificate.validity().not_after.timestamp());
        let expires = expires.map_err(|_| CertificateError::Malformed)?;
        let principal = Principal {
            method: METHOD.to_owned(),
            issuer: authority.issuer(),
            subject,
            client_id: None,
            groups,
            evidence: Digest::of(own),
            run: None,
        };
        // `notAfter` is the last second in which it is good (RFC 5280, 4.1.2.5).
        let expires = Some(Timestamp(expires.saturating_add(1).saturating_mul(US_PER_S)));
        Ok(Identity { principal, expires })
    }

    fn authority(&self, chain: &[CertificateDer<'_>], at: UnixTime) -> Result<&Authority, CertificateError> {
        let (own, intermediates) = chain.split_first().ok_or(CertificateError::Missing)?;
        match self.vouches(own, intermediates, at) {
            Ok(authority) => Ok(authority),
            Err(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)) => {
                let nobody = "no authority of this proxy vouches for it, or several do";
                Err(CertificateError::Untrusted(nobody.to_owned()))
            }
            Err(error) => Err(CertificateError::Untrusted(said(&error))),
        }
    }
}

impl Certificates {
    /// The one authority that vouches for a chain. All are asked, with their own certificates beside those that were shown, because
    /// who comes chooses the chain: where one hierarchy stands in two sections, a certificate that one of them revoked is not let in
    /// by the other, nor one that both know.
    fn vouches(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        at: UnixTime,
    ) -> Result<&Authority, rustls::Error> {
        use rustls::CertificateError::{BadSignature, UnknownIssuer};
        let unknown = rustls::Error::InvalidCertificate(UnknownIssuer);
        let intermediates = [intermediates, &self.known].concat();
        let mut found = None;
        for authority in &self.authorities {
            match authority.verify(own, &intermediates, at) {
                Ok(()) if found.is_some() => return Err(unknown),
                Ok(()) => found = Some(authority),
                // An authority of the same name may have another key.
                Err(rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature)) => {}
                Err(error) => return Err(error),
            }
        }
        found.ok_or(unknown)
    }
}

/// The handshake takes what one authority vouches for, and no certificate at all: who has none may have a secret.
impl ClientCertVerifier for Certificates {
    fn offer_client_auth(&self) -> bool {
        !self.is_empty()
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.vouches(own, intermediates, now)
            .map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with a certificate, for people.
fn said(error: &rustls::Error) -> String {
    use rustls::CertificateError as Wrong;
    let rustls::Error::InvalidCertificate(wrong) = error else {
        return error.to_string();
    };
    let text = match wrong {
        Wrong::Expired | Wrong::ExpiredContext { .. } => "it has expired",
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => "it is not valid yet",
        Wrong::Revoked => "it was revoked",
        Wrong::UnknownRevocationStatus => "no list of revocations of this proxy is its authority's",
        Wrong::ExpiredRevocationList | Wrong::ExpiredRevocationListContext { .. } => {
            "the list of revocations of its authority is too old"
        }
        Wrong::InvalidPurpose | Wrong::InvalidPurposeContext { .. } => "it was not made for clients",
        Wrong::BadSignature => "its signature is wrong",
        Wrong::BadEncoding => "it is malformed",
        _ => return error.to_string(),
    };
    text.to_owned()
}

pub(crate) fn unix(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_micros(time.0))
}

fn named(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.contains(char::is_control)
}

fn common_name(certificate: &X509Certificate<'_>) -> Result<String, CertificateError> {
    let mut names = certificate.subject().iter_common_name();
    match (names.next(), names.next()) {
        (Some(name), None) => {
            let name = name.as_str().map_err(|_| CertificateError::Subject)?;
            named(name).then(|| name.to_owned()).ok_or(CertificateError::Subject)
        }
        _ => Err(CertificateError::Subject),
    }
}

fn organizations(certificate: &X509Certificate<'_>) -> Result<Vec<String>, CertificateError> {
    let organizations = certificate.subject().iter_organization().map(|name| {
        let name = name.as_str().map_err(|_| CertificateError::Groups)?;
        named(name).then(|| name.to_owned()).ok_or(CertificateError::Groups)
    });
    let mut groups: Vec<String> = organizations.collect::<Result<_, _>>()?;
    groups.sort();
    groups.dedup();
    if groups.len() > GROUPS_MAX {
        return Err(CertificateError::Groups);
    }
    Ok(groups)
}

#[cfg(test)]
mod tests;

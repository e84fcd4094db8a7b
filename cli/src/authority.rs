//! The private certificate authority that `exhibit init` makes: X.509 (RFC 5280) with ECDSA P-256 keys.
//!
//! It signs the certificates of the ledger's API, of the proxies and of the people's tool, and nothing else. Its key stays
//! in `tls/ca.key` so that more certificates can be made; a deployment with its own authority puts its files in place.

use std::path::Path;

use exhibit_schemas::event::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::files::{self, FileError, PUBLIC, SECRET};

/// Names and addresses that the servers of one machine answer to.
const SERVER_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A mean Gregorian year.
const YEAR_US: u64 = 31_556_952_000_000;

/// Years that the authority and its certificates last; all of them are replaced together, by hand.
const YEARS: i32 = 10;

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    /// The library refused.
    #[error("a certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// An authority with its key.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    year: i32,
    /// Its certificate, PEM.
    pub(crate) pem: String,
}

impl Authority {
    /// Makes an authority of this name.
    ///
    /// # Errors
    /// [`AuthorityError::Certificate`].
    pub(crate) fn new(name: &str, now: Timestamp) -> Result<Self, AuthorityError> {
        let year = i32::try_from(1970 + now.0 / YEAR_US).unwrap_or(i32::MAX);
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut parameters = CertificateParams::new(Vec::new())?;
        limit(&mut parameters, year);
        parameters.distinguished_name = named(name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = parameters.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(parameters, key),
            year,
            pem,
        })
    }

    /// Writes the authority's certificate and key to `directory/ca.pem` and `directory/ca.key`.
    ///
    /// # Errors
    /// [`AuthorityError::File`].
    pub(crate) fn write(&self, directory: &Path) -> Result<(), AuthorityError> {
        files::create(&directory.join("ca.pem"), self.pem.as_bytes(), PUBLIC)?;
        let key = zeroize::Zeroizing::new(self.issuer.key().serialize_pem());
        files::create(&directory.join("ca.key"), key.as_bytes(), SECRET)?;
        Ok(())
    }

    /// Makes a certificate and writes it and its key to `directory/NAME.pem` and `directory/NAME.key`.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub(crate) fn issue(&self, directory: &Path, name: &str) -> Result<(), AuthorityError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut parameters = CertificateParams::new(SERVER_NAMES.map(str::to_owned).to_vec())?;
        limit(&mut parameters, self.year);
        parameters.distinguished_name = named(name);
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        parameters.use_authority_key_identifier_extension = true;
        let certificate = parameters.signed_by(&key, &self.issuer)?;
        files::create(
            &directory.join(format!("{name}.pem")),
            certificate.pem().as_bytes(),
            PUBLIC,
        )?;
        let key = zeroize::Zeroizing::new(key.serialize_pem());
        files::create(&directory.join(format!("{name}.key")), key.as_bytes(), SECRET)?;
        Ok(())
    }
}

/// Valid from the day before this year, so that a clock that is behind still sees it as valid.
fn limit(parameters: &mut CertificateParams, year: i32) {
    parameters.not_before = rcgen::date_time_ymd(year - 1, 12, 31);
    parameters.not_after = rcgen::date_time_ymd(year + YEARS, 12, 31);
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::OrganizationName, "Exhibit");
    names.push(DnType::CommonName, name);
    names
}

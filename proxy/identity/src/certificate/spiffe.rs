//! SPIFFE ids in certificates.
//!
//! Sources: SPIFFE-ID (section 2), X509-SVID (sections 2 to 4).

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

pub(super) const SCHEME: &str = "spiffe://";

/// Bytes of a trust domain at the most (SPIFFE-ID, 2.3).
const DOMAIN_BYTES_MAX: usize = 255;

/// Bytes of an id that are taken, as of subjects of tokens, so that events stay small. SPIFFE-ID lets ids have 2,048.
const ID_BYTES_MAX: usize = 1_024;

/// Why a certificate carries no id of a trust domain.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum SpiffeError {
    /// An X509-SVID has one URI among its names, and no more.
    #[error("it has not exactly one URI among its alternative names")]
    Names,
    /// The URI is no id of a workload.
    #[error("its URI is no SPIFFE id with a path, of at most 1,024 bytes")]
    Id,
    /// The id is of another trust domain than its authority.
    #[error("its id is of another trust domain")]
    Domain,
    /// It may be used for what the leaf of a chain may not.
    #[error("its key is not for signatures alone")]
    Usage,
}

/// The id of an X509-SVID.
pub(super) fn id(certificate: &X509Certificate<'_>, trust_domain: &str) -> Result<String, SpiffeError> {
    let names = certificate.subject_alternative_name().map_err(|_| SpiffeError::Names)?;
    let names = names.ok_or(SpiffeError::Names)?;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let (Some(uri), None) = (uris.next(), uris.next()) else {
        return Err(SpiffeError::Names);
    };
    if parse(uri).ok_or(SpiffeError::Id)? != trust_domain {
        return Err(SpiffeError::Domain);
    }
    // X509-SVID, 4.3: a leaf signs handshakes, and neither certificates nor lists of revocations.
    let usage = certificate.key_usage().map_err(|_| SpiffeError::Usage)?;
    let usage = usage.ok_or(SpiffeError::Usage)?.value;
    if !usage.digital_signature() || usage.key_cert_sign() || usage.crl_sign() {
        return Err(SpiffeError::Usage);
    }
    Ok(uri.to_owned())
}

/// The trust domain of a workload's id.
fn parse(uri: &str) -> Option<&str> {
    if uri.len() > ID_BYTES_MAX {
        return None;
    }
    let (trust_domain, path) = uri.strip_prefix(SCHEME)?.split_once('/')?;
    let segment = |segment: &str| {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(letters)
    };
    (domain(trust_domain) && path.split('/').all(segment)).then_some(trust_domain)
}

/// Whether a text is a trust domain.
pub(super) fn domain(text: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    !text.is_empty() && text.len() <= DOMAIN_BYTES_MAX && text.bytes().all(letters)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn ids_are_read_as_spiffe_has_them() {
        for id in [
            "spiffe://prod.example/ns/ci/sa/nightly",
            "spiffe://a/b",
            "spiffe://1.2.3.4/A-._9",
        ] {
            assert!(parse(id).is_some(), "{id}");
        }
        for id in [
            "spiffe://prod.example",
            "spiffe://prod.example/",
            "spiffe://prod.example/a/",
            "spiffe://prod.example//a",
            "spiffe://prod.example/./a",
            "spiffe://prod.example/../a",
            "spiffe://prod.example/a%2fb",
            "spiffe://prod.example/a?b",
            "spiffe://prod.example/a#b",
            "spiffe://prod.example/ä",
            "spiffe://Prod.example/a",
            "spiffe://user@prod.example/a",
            "spiffe://prod.example:80/a",
            "spiffe:///a",
            "SPIFFE://prod.example/a",
            "https://prod.example/a",
            "",
            &format!("spiffe://prod.example/{}", "a".repeat(1_024)),
        ] {
            assert_eq!(parse(id), None, "{id}");
        }
    }
}

//! Certificates for the servers that tests start, each under an authority of its own.

use crate::HarnessError;

/// A server's certificate, and what clients check it by; all in PEM.
pub struct Certified {
    /// The authority's certificate.
    pub authority: String,
    /// The server's certificate.
    pub certificate: String,
    /// The server's private key.
    pub key: String,
}

/// A certificate for these names and addresses.
///
/// # Errors
/// [`HarnessError::Certificate`].
pub fn certify(names: &[&str]) -> Result<Certified, HarnessError> {
    let authority_key = rcgen::KeyPair::generate()?;
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new())?;
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    authority
        .distinguished_name
        .push(rcgen::DnType::CommonName, "Exhibit test authority");
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate()?;
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let certificate = rcgen::CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    Ok(Certified {
        authority: authority_certificate.pem(),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

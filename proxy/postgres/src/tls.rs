//! TLS towards agents and towards the server.

use std::path::Path;
use std::sync::Arc;

use exhibit_startup::pem::{self, PemError};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::config::{Config, ConfigError, ServerTls};

/// The protocol's name in ALPN (PostgreSQL documentation, "SSL Session Encryption"): must be negotiated where TLS comes at
/// once, may be after an `SSLRequest`; a client that offers only others is refused by rustls.
pub(crate) const ALPN: &[u8] = b"postgresql";

/// What agents see; with `clients` they are asked for a certificate.
pub(crate) fn acceptor(
    config: &Config,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<tokio_rustls::TlsAcceptor, ConfigError> {
    let identity = pem::identity(&config.tls.certificate, &config.tls.key);
    let pem::Identity { chain, key } = identity.map_err(|error| refused(config, error))?;
    let mut server = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            let builder = match clients {
                Some(verifier) => builder.with_client_cert_verifier(verifier),
                None => builder.with_no_client_auth(),
            };
            builder.with_single_cert(chain, key)
        })
        .map_err(|error| broken(config, &config.tls.certificate, &error))?;
    server.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(server).into())
}

/// How the server is checked; `None` when TLS is off.
pub(crate) fn connector(config: &Config) -> Result<Option<tokio_rustls::TlsConnector>, ConfigError> {
    let (Some(path), true) = (&config.server.ca, config.server.tls != ServerTls::Off) else {
        return Ok(None);
    };
    let roots = pem::authorities(path).map_err(|error| refused(config, error))?;
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| broken(config, path, &error))?;
    let verifier = Arc::new(Verifier {
        inner,
        any_name: config.server.tls == ServerTls::VerifyCa,
    });
    let mut client = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| broken(config, path, &error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    client.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Some(Arc::new(client).into()))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn refused(config: &Config, error: PemError) -> ConfigError {
    ConfigError::Pem {
        target: config.target.clone(),
        error,
    }
}

fn broken(config: &Config, path: &Path, error: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Tls {
        target: config.target.clone(),
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// The usual checks; with `any_name` all but the last, of the name (libpq's `verify-ca`).
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    any_name: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self
            .inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The name is the last thing that is checked: everything else holds.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Data for the channel binding `tls-server-end-point` (RFC 5929, 4.1): the hash of the server's certificate by the hash
/// of its signature, SHA-256 for MD5 and SHA-1; `None` where the signature names no hash.
pub(crate) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    use sha2::Digest as _;
    let (_, body, _) = der(certificate)?;
    let (_, _, after) = der(body)?;
    let (_, algorithm, _) = der(after)?;
    let (_, oid, _) = der(algorithm)?;
    match hex::encode(oid).as_str() {
        // RSA with SHA-1, MD5 and SHA-256; ECDSA with SHA-1 and SHA-256.
        "2a864886f70d010105" | "2a864886f70d010104" | "2a864886f70d01010b" | "2a8648ce3d0401" | "2a8648ce3d040302" => {
            Some(sha2::Sha256::digest(certificate).to_vec())
        }
        "2a864886f70d01010c" | "2a8648ce3d040303" => Some(sha2::Sha384::digest(certificate).to_vec()),
        "2a864886f70d01010d" | "2a8648ce3d040304" => Some(sha2::Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// Tag, contents, and what follows, of one DER value.
fn der(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        // 0x80 is BER's indefinite length, which DER does not have.
        0x80 | 0x85.. => return None,
        _ => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (
                digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit)),
                rest,
            )
        }
    };
    let (contents, after) = rest.split_at_checked(length)?;
    Some((*tag, contents, after))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{acceptor, connector};
    use crate::config::{ChannelBinding, Config, Server, ServerTls, Tls};

    #[test]
    fn a_file_that_holds_nothing_is_named_with_its_target() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let write = |name: &str, text: &str| {
            #[expect(clippy::disallowed_methods, reason = "a test's own file")]
            std::fs::write(place(name), text).unwrap();
        };
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let config = Config {
            target: "clinic".into(),
            listen: ([127, 0, 0, 1], 0).into(),
            tls: Tls {
                certificate: place("proxy.pem"),
                key: place("proxy.key"),
            },
            server: Server {
                host: "localhost".into(),
                port: 5432,
                database: None,
                user: "exhibit".into(),
                password_file: "p".into(),
                tls: ServerTls::VerifyFull,
                ca: Some(place("pg-ca.pem")),
                channel_binding: ChannelBinding::Prefer,
            },
            masking: crate::config::Masking::default(),
        };
        let check = |name: &str, text: &str, wanted: &str| {
            for (good, content) in [
                ("proxy.pem", &certificate),
                ("proxy.key", &key),
                ("pg-ca.pem", &certificate),
            ] {
                write(good, content);
            }
            assert!(acceptor(&config, None).is_ok() && connector(&config).is_ok());
            write(name, text);
            let error = acceptor(&config, None)
                .err()
                .or(connector(&config).err())
                .unwrap()
                .to_string();
            let file = |path: &Path| format!("target `clinic`: {} {wanted}", path.display());
            assert_eq!(error, file(&place(name)));
        };
        check("proxy.pem", "", "is empty; it should hold a certificate");
        check("proxy.key", "no PEM", "holds no private key in PEM form");
        check("pg-ca.pem", "", "is empty; it should hold a certificate");
        check("pg-ca.pem", &key, "holds no certificate in PEM form, but a private key");
    }
}

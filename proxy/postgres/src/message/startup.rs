//! The first message of a connection, which has no tag: `SSLRequest`, `GSSENCRequest`, `CancelRequest`, `StartupMessage`.
//!
//! Not here: who may send which when, and what parameters mean.

use super::MessageError;
use super::read::Reader;

const SSL_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;

/// The latest minor version of protocol 3 that is spoken (PostgreSQL 18). Version 1 was never given out.
pub const MINOR_LATEST: u16 = 2;

/// Minor version from which secrets for cancelling are longer than four bytes.
pub const MINOR_LONG_SECRETS: u16 = 2;

/// Bytes of a secret for cancelling at the most, as protocol 3.2 has it.
pub const SECRET_BYTES_MAX: usize = 256;

/// Parameters of a start-up message at the most; drivers send five.
const PARAMETERS_MAX: usize = 64;

/// What a connection wants first.
#[derive(Clone, PartialEq, Eq)]
pub enum First {
    /// TLS.
    Tls,
    /// Encryption by GSSAPI.
    Gss,
    /// To cancel what another connection runs.
    Cancel {
        /// The process, as `BackendKeyData` named it.
        process: i32,
        /// The secret.
        secret: Vec<u8>,
    },
    /// A session.
    Startup {
        /// Minor version of protocol 3.
        minor: u16,
        /// Name and value, in order.
        parameters: Vec<(String, String)>,
    },
    /// Another protocol than 3.
    Other {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
}

impl std::fmt::Debug for First {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Tls => "Tls",
            Self::Gss => "Gss",
            Self::Cancel { .. } => "Cancel",
            Self::Startup { .. } => "Startup",
            Self::Other { .. } => "Other",
        })
    }
}

impl First {
    /// Reads what follows the length.
    ///
    /// # Errors
    /// [`MessageError::Shape`].
    pub fn parse(body: &[u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(0, body);
        let first = match reader.int32()? {
            SSL_REQUEST => Self::Tls,
            GSS_REQUEST => Self::Gss,
            CANCEL_REQUEST => {
                let process = reader.int32()?;
                let secret = reader.take(body.len().saturating_sub(8))?.to_vec();
                if secret.is_empty() || secret.len() > SECRET_BYTES_MAX {
                    return Err(reader.shape("a secret for cancelling has 1 to 256 bytes"));
                }
                Self::Cancel { process, secret }
            }
            version => {
                let half = |bits: i32| u16::try_from(bits & 0xffff).unwrap_or(u16::MAX);
                let (major, minor) = (half(version >> 16), half(version));
                if major != 3 {
                    return Ok(Self::Other { major, minor });
                }
                let parameters = parameters(&mut reader)?;
                Self::Startup { minor, parameters }
            }
        };
        reader.end()?;
        Ok(first)
    }
}

fn parameters(reader: &mut Reader<'_>) -> Result<Vec<(String, String)>, MessageError> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    loop {
        let name = reader.text()?;
        if name.is_empty() {
            return Ok(parameters);
        }
        let value = reader.text()?;
        if parameters.len() == PARAMETERS_MAX || parameters.iter().any(|(other, _)| other == name) {
            return Err(reader.shape("it has too many parameters, or one twice"));
        }
        parameters.push((name.to_owned(), value.to_owned()));
    }
}

/// `SSLRequest`.
pub fn ssl_request() -> Vec<u8> {
    super::encode::untagged(&SSL_REQUEST.to_be_bytes())
}

/// `CancelRequest`.
pub fn cancel_request(process: i32, secret: &[u8]) -> Vec<u8> {
    let mut body = CANCEL_REQUEST.to_be_bytes().to_vec();
    body.extend(process.to_be_bytes());
    body.extend_from_slice(secret);
    super::encode::untagged(&body)
}

/// Protocol 3 of that minor version, as messages have it.
pub fn version(minor: u16) -> i32 {
    (3 << 16) | i32::from(minor)
}

/// `StartupMessage` of protocol 3.
pub fn startup(minor: u16, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version(minor).to_be_bytes().to_vec();
    for text in parameters.iter().flat_map(|(name, value)| [name, value]) {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    super::encode::untagged(&body)
}

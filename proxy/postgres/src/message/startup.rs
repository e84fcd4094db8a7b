//! The first message of a connection, which has no tag.

use super::MessageError;
use super::read::Reader;

const SSL_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;

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
}

impl std::fmt::Debug for First {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Tls => "Tls",
            Self::Gss => "Gss",
            Self::Cancel { .. } => "Cancel",
            Self::Startup { .. } => "Startup",
        })
    }
}

impl First {
    /// Reads what follows the length.
    ///
    /// # Errors
    /// [`MessageError`], also for protocols other than 3.
    pub fn parse(body: &[u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(0, body);
        let first = match reader.int32()? {
            SSL_REQUEST => Self::Tls,
            GSS_REQUEST => Self::Gss,
            CANCEL_REQUEST => {
                let process = reader.int32()?;
                let secret = reader.take(body.len().saturating_sub(8))?.to_vec();
                Self::Cancel { process, secret }
            }
            version if version >> 16 == 3 => {
                let minor = u16::try_from(version & 0xffff).unwrap_or(u16::MAX);
                Self::Startup {
                    minor,
                    parameters: parameters(&mut reader)?,
                }
            }
            _ => return Err(reader.shape("it asks for another protocol than 3")),
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

/// `StartupMessage` of protocol 3.0.
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = (3_i32 << 16).to_be_bytes().to_vec();
    for text in parameters.iter().flat_map(|(name, value)| [name, value]) {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    super::encode::untagged(&body)
}

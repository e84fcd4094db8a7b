//! How the server lets the proxy in: the version of the protocol, SCRAM-SHA-256 (RFC 5802, 7677), settings, readiness.
//!
//! Nothing weaker than SCRAM is answered, whatever the server asks for, and the server proves that it knows the password,
//! too. Channel binding is `tls-server-end-point` (RFC 5929): somebody in between whose certificate the proxy would take
//! gains nothing by relaying the proof, nor by hiding that the server offers binding, for the proof says what was seen.
//!
//! Not here: reaching the server and TLS ([`crate::upstream`]).

use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use zeroize::Zeroizing;

use crate::cancel::{Key, SHORT_SECRET_BYTES};
use crate::config::ChannelBinding as Wanted;
use crate::encoding::Encoding;
use crate::link::{Connection, Incoming};
use crate::message::backend::{Backend, TransactionStatus};
use crate::message::encode;
use crate::message::startup::{self, MINOR_LONG_SECRETS, SECRET_BYTES_MAX};
use crate::target::Target;
use crate::upstream::{ENCODING, STRINGS, Upstream, UpstreamError};

/// With what servers refuse a later protocol than 3.0 that do not negotiate: PostgreSQL before 2018 (`0A000`), and poolers
/// (`08P01`).
const TOO_OLD: [&str; 2] = ["0A000", "08P01"];

/// Settings that a server reports at first at the most; PostgreSQL 18 reports fifteen.
const SETTINGS_MAX: usize = 256;

/// What there is to bind the proof to.
pub(crate) enum Channel {
    /// No TLS.
    Plain,
    /// TLS; the binding's data, where the certificate's signature has a hash that defines it.
    Tls { end_point: Option<Vec<u8>> },
}

/// A connection that does not let the proxy in yet.
pub(crate) struct Greeting {
    pub(crate) incoming: Incoming<ReadHalf<Connection>>,
    pub(crate) writer: WriteHalf<Connection>,
    /// Minor version of the protocol: what was asked for, and then what is spoken.
    pub(crate) minor: u16,
}

/// A connection that is ready for the first query.
pub(crate) struct Ready {
    pub(crate) incoming: Incoming<ReadHalf<Connection>>,
    pub(crate) writer: WriteHalf<Connection>,
    pub(crate) key: Key,
    /// Settings as the server reported them, in order.
    pub(crate) settings: Vec<(String, String)>,
    /// The encoding of text.
    pub(crate) encoding: Encoding,
}

impl Greeting {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), UpstreamError> {
        self.writer.write_all(bytes).await?;
        self.writer.flush().await?;
        Ok(())
    }

    async fn greeting(&mut self) -> Result<Backend, UpstreamError> {
        match Backend::parse(&self.incoming.raw().await?)? {
            Backend::Error(fields) => Err(refused(&fields)),
            message => Ok(message),
        }
    }

    /// Learns which version is spoken; gives the first message after that.
    pub(crate) async fn negotiate(&mut self) -> Result<Backend, UpstreamError> {
        let (version, options) = match Backend::parse(&self.incoming.raw().await?)? {
            Backend::NegotiateVersion { version, options } => (version, options),
            Backend::Error(fields) => {
                let too_old = self.minor > 0
                    && fields
                        .iter()
                        .any(|(field, text)| *field == b'C' && TOO_OLD.contains(&text.as_str()));
                return Err(if too_old {
                    UpstreamError::Version
                } else {
                    refused(&fields)
                });
            }
            message => return Ok(message),
        };
        // No option was asked for, so none can be unknown, and only an earlier version is an answer.
        let offered = (0..self.minor).find(|minor| startup::version(*minor) == version);
        self.minor = offered.filter(|_| options == 0).ok_or(UpstreamError::Protocol)?;
        self.greeting().await
    }

    /// SCRAM-SHA-256 and nothing else, bound to the TLS channel where it can be.
    pub(crate) async fn authenticate(
        &mut self,
        first: Backend,
        password: &str,
        wanted: Wanted,
        channel: Channel,
    ) -> Result<(), UpstreamError> {
        let Backend::Authentication(10, mechanisms) = first else {
            return Err(UpstreamError::Authentication);
        };
        let (mechanism, binding) = mechanism(&mechanisms, wanted, channel)?;
        let mut scram = ScramSha256::new(password.as_bytes(), binding);
        let length = u32::try_from(scram.message().len()).unwrap_or(u32::MAX);
        let first = [mechanism.as_bytes(), &[0], &length.to_be_bytes(), scram.message()].concat();
        self.send(&encode::message(b'p', &first)).await?;
        let Backend::Authentication(11, challenge) = self.greeting().await? else {
            return Err(UpstreamError::Authentication);
        };
        scram.update(&challenge).map_err(|_| UpstreamError::Authentication)?;
        self.send(&encode::message(b'p', scram.message())).await?;
        let Backend::Authentication(12, proof) = self.greeting().await? else {
            return Err(UpstreamError::Authentication);
        };
        // The server, too, has to prove that it knows the password.
        scram.finish(&proof).map_err(|_| UpstreamError::Authentication)?;
        match self.greeting().await? {
            Backend::Authentication(0, _) => Ok(()),
            _ => Err(UpstreamError::Authentication),
        }
    }

    /// Takes settings and the key, up to the first readiness; dates have to come as ISO has them where masks read them.
    pub(crate) async fn settle(self, masked: bool) -> Result<Upstream, UpstreamError> {
        let Ready {
            incoming,
            writer,
            key,
            settings,
            encoding,
        } = self.ready(masked).await?;
        Ok(Upstream {
            incoming,
            target: Target::new(writer),
            key,
            settings,
            encoding,
            aside: Vec::new(),
            previewed: None,
        })
    }

    /// The same, as the bare connection.
    pub(crate) async fn ready(mut self, masked: bool) -> Result<Ready, UpstreamError> {
        let mut settings = Vec::new();
        let mut key = None;
        loop {
            match self.greeting().await? {
                Backend::ParameterStatus { name, value } if settings.len() < SETTINGS_MAX => {
                    settings.push((name, value));
                }
                Backend::KeyData(process, secret) => {
                    let lengths = if self.minor >= MINOR_LONG_SECRETS {
                        SHORT_SECRET_BYTES..=SECRET_BYTES_MAX
                    } else {
                        SHORT_SECRET_BYTES..=SHORT_SECRET_BYTES
                    };
                    if !lengths.contains(&secret.len()) {
                        return Err(UpstreamError::Protocol);
                    }
                    let secret = Zeroizing::new(secret);
                    key = Some(Key { process, secret });
                }
                Backend::Notice(_) => {}
                Backend::Ready(TransactionStatus::Idle) => break,
                _ => return Err(UpstreamError::Protocol),
            }
        }
        let reported = |setting: &str| {
            // The last report of a setting holds, as where a trigger of the log-in has changed it.
            let mut settings = settings.iter().rev();
            settings.find_map(|(name, value)| (name == setting).then_some(value.as_str()))
        };
        let encoding = reported(ENCODING).and_then(|name| Encoding::held(name, masked));
        let encoding = encoding.ok_or(UpstreamError::Setting { setting: ENCODING })?;
        if reported(STRINGS) != Some("on") {
            return Err(UpstreamError::Setting { setting: STRINGS });
        }
        if masked && !reported("DateStyle").is_some_and(|style| style.starts_with("ISO, ")) {
            return Err(UpstreamError::Setting { setting: "DateStyle" });
        }
        Ok(Ready {
            incoming: self.incoming,
            writer: self.writer,
            key: key.ok_or(UpstreamError::Protocol)?,
            settings,
            encoding,
        })
    }
}

/// Chooses from the mechanisms that the server offers, each ended by a zero byte.
fn mechanism(
    mechanisms: &[u8],
    wanted: Wanted,
    channel: Channel,
) -> Result<(&'static str, ChannelBinding), UpstreamError> {
    let offered = |name: &str| mechanisms.split(|byte| *byte == 0).any(|one| one == name.as_bytes());
    let (plus, plain) = (offered(SCRAM_SHA_256_PLUS), offered(SCRAM_SHA_256));
    let unbound = |binding| {
        if plain {
            Ok((SCRAM_SHA_256, binding))
        } else {
            Err(UpstreamError::Authentication)
        }
    };
    match (wanted, channel) {
        (Wanted::Disable, _) => unbound(ChannelBinding::unsupported()),
        (
            _,
            Channel::Tls {
                end_point: Some(end_point),
            },
        ) if plus => Ok((SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(end_point))),
        // Going on without would be for anybody with such a certificate to choose.
        (_, Channel::Tls { end_point: None }) if plus => Err(UpstreamError::Certificate),
        (Wanted::Require, _) => Err(UpstreamError::Unbound),
        // Without TLS there is nothing that the server could bind to.
        (Wanted::Prefer, Channel::Plain) if plus => Err(UpstreamError::Authentication),
        (Wanted::Prefer, Channel::Plain | Channel::Tls { end_point: None }) => unbound(ChannelBinding::unsupported()),
        // This says: the server was not seen to offer it. A server that did offer it then refuses.
        (Wanted::Prefer, Channel::Tls { end_point: Some(_) }) => unbound(ChannelBinding::unrequested()),
    }
}

/// The error of a target that refuses.
pub(crate) fn refused(fields: &[(u8, String)]) -> UpstreamError {
    UpstreamError::Refused { code: code(fields) }
}

/// The SQLSTATE of an error's fields; empty where there is none.
pub(crate) fn code(fields: &[(u8, String)]) -> String {
    let code = fields.iter().find(|(field, _)| *field == b'C');
    code.map(|(_, code)| code.clone()).unwrap_or_default()
}

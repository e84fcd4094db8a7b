//! What goes wrong in a command: what happened, to what, and what to do now; and the exit code that says whose turn it is.

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_identity::oidc::RequestError;
use exhibit_policy::snapshot::PolicyError;
use exhibit_proxy::enforcement::EnforcementError;
use exhibit_proxy::reading::ReadingError;
use exhibit_proxy::secret::SecretError;
use exhibit_schemas::wire::RefusalCode;
use exhibit_startup::configuration::ConfigurationError;
use exhibit_startup::pem::PemError;
use exhibit_verify::VerifyError;

use crate::append::AppendError;
use crate::authority::AuthorityError;
use crate::client::ClientError;
use crate::config::ConfigError;
use crate::copy::CopyError;
use crate::files::FileError;
use crate::signer::SignerError;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(String),
    /// The directory for a new deployment has something in it.
    #[error("{0} is not empty")]
    NotEmpty(PathBuf),
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file is missing or refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// A secret of the proxy's is refused.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A policy is refused.
    #[error("{path}: {error}")]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: PolicyError,
    },
    /// A command cannot be read without its server.
    #[error("{path}: {error}")]
    Reading {
        /// The file that it is about.
        path: PathBuf,
        /// What is wrong.
        error: ReadingError,
    },
    /// A target's database was not planned for, changed or checked.
    #[error("{0}")]
    Enforcement(Box<EnforcementError>),
    /// A bundle could not be judged.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A certificate was not made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The ledger did not answer as it should.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A sealed copy was not opened.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A key could not be used.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A pipeline's CI service gave no token.
    #[error("no token: {0}")]
    Token(#[from] RequestError),
    /// A certificate file is refused.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The ledger did not take what was signed.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// No request, key or session of that name.
    #[error("there is no {what} `{id}`")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        id: String,
    },
    /// The ledger showed something that does not hold.
    #[error("the ledger's answer is not to be trusted: {0}")]
    Untrusted(String),
    /// A question, but nobody to ask.
    #[error("the decision must be confirmed, but standard input is not a terminal")]
    Unasked,
    /// A person said no.
    #[error("nothing was signed")]
    Declined,
    /// The ledger could not be opened or started.
    #[error("the ledger: {0}")]
    Ledger(String),
    /// The proxy could not be started, or stopped.
    #[error("the proxy: {0}")]
    Proxy(String),
    /// The program could not read or write its streams.
    #[error("the terminal: {0}")]
    Output(std::io::Error),
    /// The standard input could not be read.
    #[error("the standard input: {0}")]
    Input(std::io::Error),
    /// The runtime did not start.
    #[error("the runtime: {0}")]
    Runtime(std::io::Error),
}

impl From<EnforcementError> for CliError {
    fn from(error: EnforcementError) -> Self {
        Self::Enforcement(Box::new(error))
    }
}

impl CliError {
    /// 2 when the person can put it right on the command line or in a file, 3 for everything else.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_)
            | Self::NotEmpty(_)
            | Self::Config(_)
            | Self::Secret(_)
            | Self::Policy { .. }
            | Self::Reading { .. }
            | Self::Verify(_)
            | Self::File(FileError::Io { .. } | FileError::Mode { .. } | FileError::Form { .. })
            | Self::Unknown { .. }
            | Self::Client(ClientError::Credential(_))
            | Self::Copy(
                CopyError::NoCommand(_)
                | CopyError::None { .. }
                | CopyError::Identity(_)
                | CopyError::NoIdentity
                | CopyError::Stranger(_),
            )
            | Self::Unasked => ExitCode::from(2),
            Self::Enforcement(error) if !matches!(**error, EnforcementError::Administrator(_)) => ExitCode::from(2),
            Self::Copy(CopyError::Differs) | Self::Declined => ExitCode::from(1),
            _ => ExitCode::from(3),
        }
    }

    /// What to do now, where there is something to do.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotEmpty(_) => "name a new or empty directory",
            Self::Reading {
                error: ReadingError::Catalog(_),
                ..
            } => "make the catalog's file with `exhibit policy catalog TARGET`",
            Self::Enforcement(error) if matches!(**error, EnforcementError::Database(_)) => "name it with `--database`",
            Self::Unasked => "look at the request with `exhibit approvals`, then give `--yes`",
            Self::File(FileError::Mode { path, .. }) => return Some(format!("run `chmod 600 {}`", path.display())),
            Self::Config(ConfigError::Configuration(ConfigurationError::File { error, .. }))
                if error.kind() == std::io::ErrorKind::NotFound =>
            {
                "name the configuration with `--config`, or make one with `exhibit init DIR`"
            }
            Self::Client(ClientError::Connect { .. }) => {
                "is `exhibit up` running, and is `[client] ledger` its address?"
            }
            Self::Client(ClientError::Tls { .. }) => {
                "is the certificate in `[client]` of the authority that the ledger trusts?"
            }
            Self::Copy(CopyError::None { .. }) => {
                "a copy is made where the policy in force names recipients: see `[sealed]` in the policy"
            }
            Self::Copy(CopyError::Stranger(_)) => {
                "the recipients stand in the policy of the command; name the identity of one"
            }
            Self::Copy(CopyError::Differs) => "compare with the digest.key of the proxy that recorded the command",
            Self::Signer(SignerError::Passphrase(_)) => {
                "give the passphrase on a terminal, or a file of it in EXHIBIT_PASSPHRASE_FILE"
            }
            Self::Signer(SignerError::NoAgent) => {
                "name the private key's file, or start ssh-agent and add the key to it with `ssh-add`"
            }
            Self::Signer(SignerError::NotInAgent(_)) => "add the key to ssh-agent with `ssh-add`",
            Self::Append(AppendError::Refused { code, .. }) => match code {
                RefusalCode::Key => "is the key enrolled, and not revoked? `exhibit key list` shows it",
                RefusalCode::Request => "the request was decided, withdrawn or has expired; see `exhibit approvals`",
                RefusalCode::Busy => "the ledger's queue is full: try again in a moment",
                RefusalCode::Poisoned => "the ledger's store failed: look at its log and its disk, then restart it",
                RefusalCode::Chain => "something else signed with this key at the same time: try again",
                RefusalCode::Malformed | RefusalCode::Seal | RefusalCode::Forbidden => return None,
            },
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

//! Why the ledger does not start, or cannot answer.

use std::path::PathBuf;

use exhibit_schemas::checkpoint::CheckpointError;
use exhibit_schemas::key::KeyError;
use exhibit_schemas::keyring::KeyringError;
use exhibit_schemas::merkle::ProofError;
use exhibit_schemas::wire::RefusalCode;

/// Why the ledger does not start, or cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store failed.
    #[error("the ledger's store failed: {0}; nothing more is taken until it is restarted")]
    Store(#[from] fjall::Error),
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Another process has the directory.
    #[error("{0} is in use by another process: a log has one ledger")]
    Locked(PathBuf),
    /// A key file is not 64 hexadecimal digits, or can be read by others.
    #[error("{path}: {rule}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// There is no log in the directory.
    #[error("{0} holds no log; `exhibit init` makes one")]
    Empty(PathBuf),
    /// There is a log in the directory already.
    #[error("{0} holds a log already; it is not begun again")]
    Begun(PathBuf),
    /// The store's parts do not fit together; nothing was changed.
    #[error("the store is damaged ({rule}); restore it from a backup or an export, nothing was changed")]
    Damaged {
        /// The rule that is broken.
        rule: &'static str,
    },
    /// The signed head does not verify.
    #[error("the stored checkpoint is refused: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A key is refused.
    #[error("a key is refused: {0}")]
    Key(#[from] KeyError),
    /// A key event cannot be applied.
    #[error("a key event is refused: {0}")]
    Keyring(#[from] KeyringError),
    /// A proof cannot be made.
    #[error("the proof cannot be made: {0}")]
    Proof(#[from] ProofError),
    /// The first batches of a log are refused.
    #[error("the log's beginning is refused ({code}): {text}")]
    Beginning {
        /// The cause, for programs.
        code: RefusalCode,
        /// The cause, for people.
        text: String,
    },
    /// The configuration's name is not the log's.
    #[error("the configuration says origin `{configured}`, the log is `{found}`")]
    Origin {
        /// In the configuration.
        configured: String,
        /// In genesis.
        found: String,
    },
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(String),
    /// An issuer of readers' tokens cannot be used.
    #[error("ledger.oidc: {0}")]
    Issuer(#[from] exhibit_identity::oidc::IssuerError),
    /// The committer is gone.
    #[error("the ledger is stopped")]
    Stopped,
}

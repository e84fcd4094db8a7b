//! The state file: where this emitter stood when the ledger last acknowledged it, so that a restart sees a ledger that was
//! rolled back. It may be behind (it is written now and then), never ahead.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use exhibit_schemas::digest::Digest;
use exhibit_schemas::seal::Chain;

/// Why the state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It is not what this program writes.
    #[error("{} is not a state file; move it away only if the ledger is known to be whole", .0.display())]
    Format(PathBuf),
}

/// The last acknowledged head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    pub(super) chain: Chain,
    pub(super) size: u64,
}

pub(super) fn read(path: &Path) -> Result<Option<Acknowledged>, StateError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(StateError::File {
                path: path.to_owned(),
                error,
            });
        }
    };
    let parse = || {
        let value: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(Acknowledged {
            chain: Chain {
                boot: value.get("boot")?.as_u64()?,
                sequence: value.get("sequence")?.as_u64()?,
                previous: Some(Digest::from_hex(value.get("previous")?.as_str()?)?),
            },
            size: value.get("size")?.as_u64()?,
        })
    };
    parse().map(Some).ok_or_else(|| StateError::Format(path.to_owned()))
}

pub(super) fn write(path: &Path, state: &Acknowledged) -> Result<(), StateError> {
    let value = serde_json::json!({
        "boot": state.chain.boot,
        "sequence": state.chain.sequence,
        "previous": state.chain.previous.map(|digest| digest.to_string()),
        "size": state.size,
    });
    let next = path.with_extension("next");
    let replace = || {
        let mut file = std::fs::File::create(&next)?;
        file.write_all(value.to_string().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&next, path) // the commit point: the old file or the new one, never a part
    };
    replace().map_err(|error| StateError::File {
        path: path.to_owned(),
        error,
    })
}

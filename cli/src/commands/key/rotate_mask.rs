//! `exhibit key rotate-mask`.
//!
//! The proxy announces the new key when it starts with it; the ledger refuses one that does not follow the last. Two files
//! are written, each whole or not at all: first the old key goes to `retired/`, then the new one takes its place. Wherever
//! that stops, `mask.key` is the old key or the new one, and no key that was in force is lost.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use exhibit_policy::mask::MaskKey;
use exhibit_proxy::mask_key;
use exhibit_schemas::event::trust::MaskKeyId;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::error::CliError;
use crate::files::{self, FileError, SECRET};
use crate::output::{Output, printable};

/// Put a new key of masks in the place of the proxy's `mask.key`
///
/// Run it where the proxy's directory is. The proxy masks under the new key from its next start on, and the first thing that
/// it records then says so: the ledger shows from which entry on tokens are of which key.
///
/// Tokens, encrypted values (`ff1`) and shifted dates of before match none of after: nothing joins across a rotation. A
/// database that masks by itself has to be applied again (`exhibit target apply`); its sessions are refused until both the
/// database and the running proxy have the new key.
///
/// The old key goes to `retired/mask-ID.key` beside it. Whoever has it can still tell which value an old token stands for, and
/// decrypt `ff1`; delete the file when nobody may any more. Digests of commands have a key of their own, `digest.key`, which
/// stays.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The key that the ledger knows (`exhibit key list`), where the file of it is lost or was overwritten
    #[arg(long, value_name = "ID")]
    replaces: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let lost =
        match &arguments.replaces {
            Some(text) => Some(MaskKeyId::from_hex(text).ok_or_else(|| {
                CliError::Usage(format!("`{text}` is no id of a key of masks: 32 hexadecimal digits"))
            })?),
            None => None,
        };
    let proxy = config.proxy()?;
    let seed = files::random()?;
    let rotated = rotate(&proxy.directory, lost, &seed, &mut |path, bytes| {
        files::replace(path, bytes, SECRET)
    })?;
    let enforced: Vec<&str> = proxy.masked_by_database().collect();
    if arguments.json {
        output.json(&serde_json::json!({
            "key": rotated.key.to_string(),
            "replaces": rotated.replaces.map(|id| id.to_string()),
            "retired": rotated.retired.as_ref().map(|path| path.display().to_string()),
            "apply": enforced,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let before = rotated
        .replaces
        .map_or_else(String::new, |id| format!(", in the place of {id}"));
    output.line(&format!("mask.key is {} now{before}", rotated.key))?;
    if let Some(path) = &rotated.retired {
        output.note(&format!("the old key is in {}", path.display()));
    }
    output.note("start the proxy again: it masks under the new key from then on, and nothing joins with what it released before");
    for target in enforced {
        let target = printable(target);
        output.note(&format!(
            "then run `exhibit target apply {target}`: its database has the old key, and its sessions are refused until it has the new one"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a rotation did.
#[derive(Debug)]
struct Rotated {
    key: MaskKeyId,
    /// The key that was in force.
    replaces: Option<MaskKeyId>,
    /// Where its file is kept.
    retired: Option<PathBuf>,
}

/// Replaces a file durably, whole or not at all.
type Write<'a> = &'a mut dyn FnMut(&Path, &[u8]) -> Result<(), FileError>;

/// Puts a key in the place of `mask.key`.
fn rotate(directory: &Path, lost: Option<MaskKeyId>, seed: &[u8; 32], write: Write<'_>) -> Result<Rotated, CliError> {
    let path = directory.join(mask_key::FILE);
    let old = match (path.try_exists().map_err(files::at(&path))?, lost) {
        (false, Some(_)) => None, // the file is lost, and that is what is said
        _ => Some(mask_key::read(&path)?),
    };
    let mut retired = None;
    if let Some(old) = &old {
        match files::make_directory(&directory.join(mask_key::RETIRED)) {
            Err(FileError::Io { error, .. }) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        let place = mask_key::retired(directory, old.id());
        let bytes = Zeroizing::new(files::read(&path)?);
        write(&place, &bytes)?;
        retired = Some(place);
    }
    let old_id = old.as_ref().map(MaskKey::id);
    let earlier = old.iter().flat_map(|old| old.replaced().iter().copied());
    let mut replaced: Vec<MaskKeyId> = old_id.into_iter().chain(lost).collect();
    for id in earlier {
        if !replaced.contains(&id) {
            replaced.push(id);
        }
    }
    // The commit point: the new key is in the place of the old one, and says so itself.
    write(&path, mask_key::file(seed, &replaced).as_bytes())?;
    Ok(Rotated {
        key: MaskKey::new(*seed).id(),
        replaces: old_id.or(lost),
        retired,
    })
}

#[cfg(test)]
mod tests;

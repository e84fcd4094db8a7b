//! Checks a bundle; what the other commands do first, too.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::summary::{Summary, text};
use crate::{Archive, KeptHead, Options, Outcome, VerifyError, verify};
use clap::Args;
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::checkpoint::NOTE_BYTES_MAX;

use super::{FINDINGS, Failure};
use crate::output;

/// Bytes of a trust file at the most, as in a bundle.
const TRUST_BYTES_MAX: u64 = 1 << 16;

#[derive(Args)]
pub(crate) struct Check {
    /// The bundle, whole or scoped: a directory or a tar archive
    pub(crate) bundle: PathBuf,
    /// Trust anchors, obtained from the administrators and not from the bundle
    #[arg(long, value_name = "TRUST.TOML")]
    pub(crate) keys: PathBuf,
    /// Checkpoints that you kept; the log must begin with each of their logs
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) heads: Vec<PathBuf>,
    /// Take a scoped bundle, too: without this its exit code is 1 whatever it holds, for it is not the whole log
    #[arg(long)]
    pub(crate) scoped: bool,
    /// Count notes as errors in the exit code
    #[arg(long)]
    pub(crate) strict: bool,
}

/// What a bundle is checked by.
pub(crate) struct Given {
    pub(crate) archive: Archive,
    pub(crate) trust: String,
    pub(crate) anchors: TrustAnchors,
    pub(crate) heads: Vec<KeptHead>,
}

pub(crate) fn run(check: &Check, json: bool) -> Result<u8, Failure> {
    let given = Given::read(check)?;
    let bar = output::Bar::new();
    let options = Options {
        heads: &given.heads,
        evidence: None,
        progress: &mut |progress| bar.show(progress),
    };
    let outcome = verify(&given.archive, &given.anchors, options);
    bar.end();
    let outcome = outcome?;
    let printed = if json {
        output::print(&format!("{}\n", Summary::of(&outcome).json()))
    } else {
        output::say(&text(&outcome))
    };
    printed.map_err(Failure::Print)?;
    Ok(code(&outcome, check))
}

/// The exit code of an answer.
pub(crate) fn code(outcome: &Outcome, check: &Check) -> u8 {
    let findings = outcome.findings();
    let verified = matches!(outcome, Outcome::Verified(_));
    let noted = check.strict && findings.notes() > 0;
    // Whoever asks for the exit code alone must not take a part for the whole.
    let part = !check.scoped && outcome.scoped().is_some();
    if verified && !noted && !part { 0 } else { FINDINGS }
}

impl Given {
    pub(crate) fn read(check: &Check) -> Result<Self, Failure> {
        let trust = read_text(&check.keys, TRUST_BYTES_MAX)?;
        let anchors = TrustAnchors::parse(&trust).map_err(|error| Failure::Trust {
            path: check.keys.clone(),
            error,
        })?;
        let mut heads = Vec::new();
        for path in &check.heads {
            heads.push(KeptHead {
                name: path.display().to_string(),
                note: read_text(path, u64::try_from(NOTE_BYTES_MAX).unwrap_or(u64::MAX))?,
            });
        }
        let archive = Archive::open(&check.bundle).map_err(VerifyError::from)?;
        Ok(Self {
            archive,
            trust,
            anchors,
            heads,
        })
    }
}

/// Reads a text file, and one byte past the limit at the most, which no parser then takes.
pub(crate) fn read_text(path: &Path, limit: u64) -> Result<String, Failure> {
    let failed = |error| Failure::Read {
        path: path.to_owned(),
        error,
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(limit + 1).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

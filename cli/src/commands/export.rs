//! `exhibit export`: the whole log as a bundle for an auditor.

use std::path::PathBuf;
use std::process::ExitCode;

use super::connect;
use crate::config::Config;
use crate::error::CliError;
use crate::export;
use crate::output::Output;
use crate::reader::{self, Reader};

/// Write the log as it is now to a bundle that `exhibit-verify` checks offline
///
/// An export that broke goes on where it was when it is run again. That you export is recorded first, behind what the bundle
/// holds.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A new directory, or a new tar archive when the name ends in .tar
    out: PathBuf,
    #[command(flatten)]
    reader: reader::Arguments,
}

pub(crate) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let out = &arguments.out;
    if out.exists() {
        return Err(CliError::Usage(format!(
            "{} is there already; name a new directory or archive",
            out.display()
        )));
    }
    let trust = config.trust()?;
    let reader = Reader::open(&arguments.reader, config)?;
    let checkpoint = export::export(&mut connect(config)?, &reader, &trust, out, output).await?;
    output.line(&format!(
        "{}: {} entries, root {}",
        out.display(),
        checkpoint.size(),
        checkpoint.root()
    ))?;
    Ok(ExitCode::SUCCESS)
}

//! `exhibit policy diff`: which recorded decisions another policy would have made otherwise.

mod page;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use exhibit_policy::snapshot::Snapshot;
use exhibit_schemas::bundle::TrustAnchors;
use exhibit_schemas::event::Timestamp;
use exhibit_verify::comparison::{Candidate, Comparison, Difference};
use exhibit_verify::{Archive, Options, Outcome, Progress, VerifyError, compare};

use self::page::Page;
use super::super::connect;
use super::question::{read_policy, time};
use crate::config::{Config, ConfigError};
use crate::error::CliError;
use crate::export;
use crate::files;
use crate::output::Output;
use crate::reader::{self, Reader};

/// Below the help.
const EXAMPLES: &str = "\
Examples:
  exhibit policy diff policy-next.toml --from 2026-11-01
  exhibit policy diff policy-next.toml --from 2026-11-01 --to 2026-12-01 --json
  exhibit policy diff policy-next.toml --bundle audit.tar --keys trust.toml";

/// Show which recorded decisions another policy would have made otherwise
///
/// The log is verified whole, as `exhibit-verify` does, and each decision of the period is made again from the facts that its
/// event holds. Decisions that come to another effect, or ask other people, are listed by rules with the indexes of their
/// events, and so are those that come to the same by another rule. Without --bundle, the log is fetched from the ledger of the
/// configuration into a temporary directory that is taken away at the end; that is an export, and recorded as one.
///
/// What cannot be decided again is listed apart. On a target whose masks differ, it is not recorded whether a statement could
/// be proven masked: it is compared by rules alone. A statement that was only prepared because people were to be asked about
/// it is recorded as prepared and no more. Nobody knows what people would have answered, or what an agent would have done
/// next. What a rule that the other policy only observes would change if it were enforced is listed apart, too, and counts as no
/// change. Masks, nets and limits themselves are not compared.
///
/// Exits with 0 when every decision comes to the same effect and asks the same people, with 1 when one does not or cannot be
/// decided again, and with 3 when the log does not verify.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The other policy
    policy: PathBuf,
    /// Decisions from this time on, such as 2026-11-24 or 2026-11-24T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Decisions before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// An exported bundle, in the place of the ledger
    #[arg(long, value_name = "BUNDLE", requires = "keys")]
    bundle: Option<PathBuf>,
    /// The trust anchors of the bundle's log
    #[arg(long, value_name = "FILE", requires = "bundle")]
    keys: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reader: reader::Arguments,
}

pub(super) async fn run(
    arguments: &Arguments,
    config: impl FnOnce() -> Result<Config, ConfigError>,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let snapshot = read_policy(&arguments.policy)?;
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && from >= to
    {
        return Err(CliError::Usage(
            "the period is empty: --from is not before --to".to_owned(),
        ));
    }
    let outcome = if let (Some(bundle), Some(keys)) = (&arguments.bundle, &arguments.keys) {
        examine(bundle, &anchors(keys)?, &snapshot, arguments, output)?
    } else {
        let config = config()?;
        let trust = config.trust()?;
        let directory = tempfile::tempdir().map_err(files::at(&std::env::temp_dir()))?;
        let bundle = directory.path().join("bundle");
        let reader = Reader::open(&arguments.reader, &config)?;
        export::export(&mut connect(&config)?, &reader, &trust, &bundle, output).await?;
        examine(&bundle, &trust, &snapshot, arguments, output)?
    };
    let comparison = verified(&outcome)?;
    let page = Page {
        policy: snapshot.digest(),
        from: arguments.from,
        to: arguments.to,
        decisions: comparison.decisions(),
        groups: comparison.groups().collect(),
        observed: comparison.observed().collect(),
    };
    if arguments.json {
        output.json(&page.json())?;
    } else {
        output.line(&page.text())?;
    }
    let same = page
        .groups
        .iter()
        .all(|group| group.difference == Difference::OtherRule);
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn anchors(path: &Path) -> Result<TrustAnchors, CliError> {
    let text = files::read_text(path)?;
    let anchors = TrustAnchors::parse(&text).map_err(|error| ConfigError::Trust {
        path: path.to_owned(),
        error,
    });
    Ok(anchors?)
}

fn examine(
    bundle: &Path,
    anchors: &TrustAnchors,
    snapshot: &Snapshot,
    arguments: &Arguments,
    output: &Output,
) -> Result<Outcome, CliError> {
    let candidate = Candidate {
        snapshot: snapshot.clone(),
        from: arguments.from,
        to: arguments.to,
    };
    let archive = Archive::open(bundle).map_err(VerifyError::from)?;
    let bar = output.progress(0, "verifying");
    let mut progress = |progress: Progress| {
        if let Progress::Entries(entries, size) = progress {
            bar.set_length(size.0);
            bar.set_position(entries);
        }
    };
    let options = Options {
        heads: &[],
        evidence: None,
        progress: &mut progress,
    };
    let outcome = compare(&archive, anchors, options, candidate)?;
    bar.finish_and_clear();
    Ok(outcome)
}

/// The comparison, of a log that verifies.
fn verified(outcome: &Outcome) -> Result<&Comparison, CliError> {
    let refused = || {
        let errors = outcome.findings().errors();
        CliError::Untrusted(format!(
            "the log does not verify; `exhibit-verify` names its errors, of which there are {errors}"
        ))
    };
    match outcome {
        Outcome::Verified(bundle) => bundle.get().comparison.as_ref().ok_or_else(refused),
        Outcome::Refused(_) => Err(refused()),
    }
}

#[cfg(test)]
mod tests;

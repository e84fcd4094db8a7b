//! `exhibit export`: the whole log, or what of it is of a scope, as a bundle for an auditor.

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_schemas::event::access::PatientToken;
use exhibit_schemas::event::{SessionId, Timestamp};
use exhibit_schemas::scoped::Scope;

use super::connect;
use crate::config::Config;
use crate::error::CliError;
use crate::export::{self, scoped};
use crate::output::Output;
use crate::reader::{self, Reader};

/// Below the help.
const EXAMPLES: &str = "\
Examples:
  exhibit export audit.tar                                          # the whole log
  exhibit export --session 4f0c… incident.tar                       # one session, whole and proven
  exhibit export --subject ci-nightly --period 2026-11-01..2026-12-01 november.tar
  exhibit export --patient 9b1e… patient.tar                        # a token of `exhibit patient token`";

/// Write the log as it is now to a bundle that `exhibit-verify` checks offline
///
/// With a scope it holds the sessions of the scope, each whole, every event with its proof, and of everything else hashes
/// alone. What is given has to hold together. Such a bundle proves what it holds, and not that there is nothing else of the
/// scope; `exhibit-verify` says so.
///
/// An export that broke goes on where it was when it is run again. That you export, and which scope, is recorded first, behind what
/// the bundle holds.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A new directory, or a new tar archive when the name ends in .tar
    out: PathBuf,
    /// Only this session
    #[arg(long, value_name = "ID", value_parser = session)]
    session: Option<SessionId>,
    /// Only sessions of this subject, as verified claims name it
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Only sessions on this target
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Only sessions that were open in this period, in days or times of UTC; TO is not part of it
    #[arg(long, value_name = "FROM..TO", value_parser = period)]
    period: Option<(Timestamp, Timestamp)>,
    /// Only sessions that released records of the patient of this token
    #[arg(long, value_name = "TOKEN", value_parser = patient)]
    patient: Option<PatientToken>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reader: reader::Arguments,
}

fn session(text: &str) -> Result<SessionId, &'static str> {
    SessionId::from_hex(text).ok_or("a session id is 32 hexadecimal digits")
}

fn patient(text: &str) -> Result<PatientToken, &'static str> {
    PatientToken::from_hex(text).ok_or("the token of a patient is 32 hexadecimal digits; see `exhibit patient token`")
}

fn period(text: &str) -> Result<(Timestamp, Timestamp), &'static str> {
    let times = text.split_once("..");
    let times = times.and_then(|(from, to)| Timestamp::parse(from).zip(Timestamp::parse(to)));
    times.ok_or("a period is FROM..TO, such as 2026-11-01..2026-12-01, of days or times in UTC")
}

impl Arguments {
    /// The scope, where anything of one is given.
    fn scope(&self) -> Result<Option<Scope>, CliError> {
        let nothing = self.session.is_none()
            && self.subject.is_none()
            && self.target.is_none()
            && self.period.is_none()
            && self.patient.is_none();
        if nothing {
            return Ok(None);
        }
        let scope = Scope::new(
            self.session,
            self.subject.clone(),
            self.target.clone(),
            self.period,
            self.patient,
        );
        scope.map(Some).map_err(|error| CliError::Usage(error.to_string()))
    }
}

pub(crate) async fn run(arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    let out = &arguments.out;
    let scope = arguments.scope()?;
    if out.exists() {
        return Err(CliError::Usage(format!(
            "{} is there already; name a new directory or archive",
            out.display()
        )));
    }
    let trust = config.trust()?;
    let reader = Reader::open(&arguments.reader, config)?;
    let mut client = connect(config)?;
    let (checkpoint, disclosed) = match &scope {
        None => (export::export(&mut client, &reader, &trust, out, output).await?, None),
        Some(scope) => {
            let exported = scoped::export(&mut client, &reader, &trust, scope, out, output).await?;
            (exported.checkpoint, Some(exported.disclosed))
        }
    };
    let (size, root) = (checkpoint.size(), checkpoint.root());
    if arguments.json {
        let answer = serde_json::json!({
            "out": out.display().to_string(),
            "size": size.0,
            "root": root.to_string(),
            "scope": scope,
            "disclosed": disclosed,
        });
        output.json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    match scope.zip(disclosed) {
        None => output.line(&format!("{}: {size} entries, root {root}", out.display()))?,
        Some((scope, disclosed)) => output.line(&format!(
            "{}: {disclosed} events of {scope}; of {size} entries all others as hashes, root {root}",
            out.display()
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}

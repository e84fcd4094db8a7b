//! `exhibit target`: let a target's database enforce the masks itself.

mod apply;
mod check;
mod plan;

use std::path::PathBuf;
use std::process::ExitCode;

use exhibit_proxy::enforcement::{Enforcement, EnforcementError, Login};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::error::CliError;
use crate::files;
use crate::output::{Output, printable};

/// Where libpq's programs have the password, too.
const PASSWORD: &str = "PGPASSWORD";

/// Let a target's database enforce the masks itself
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Plan(plan::Arguments),
    Apply(apply::Arguments),
    Check(check::Arguments),
}

/// Which target, and who asks.
#[derive(clap::Args)]
pub(super) struct Access {
    /// The target's name in the policy
    pub(super) target: String,
    /// The role that connects: an administrator of the database, not the agents' role
    #[arg(long, default_value = "postgres", value_name = "ROLE")]
    user: String,
    /// The database; that of the target's `server` when absent
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// A file of the administrator's password; the variable PGPASSWORD when absent
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Runs the command that was asked for.
pub(crate) async fn run(command: &Command, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    match command {
        Command::Plan(arguments) => plan::run(arguments, config, output).await,
        Command::Apply(arguments) => apply::run(arguments, config, output).await,
        Command::Check(arguments) => check::run(arguments, config, output).await,
    }
}

impl Access {
    pub(super) async fn connect(&self, config: &Config) -> Result<Enforcement, CliError> {
        let login = Login {
            user: self.user.clone(),
            password: self.password()?,
            database: self.database.clone(),
        };
        Ok(Enforcement::connect(&config.proxy()?, &self.target, login).await?)
    }

    fn password(&self) -> Result<Zeroizing<String>, CliError> {
        if let Some(path) = &self.password_file {
            let text = Zeroizing::new(files::read_text(path)?);
            return Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()));
        }
        let password = std::env::var(PASSWORD).map(Zeroizing::new);
        password.map_err(|_| CliError::Usage(format!("give --password-file, or the password in {PASSWORD}")))
    }

    /// Prints why there is no plan, where that is what is wrong.
    fn refused(&self, error: EnforcementError, output: &mut Output) -> Result<ExitCode, CliError> {
        let Some(refusals) = error.refusals() else {
            return Err(error.into());
        };
        if self.json {
            output.json(&serde_json::json!({ "target": self.target, "refused": refusals }))?;
        } else {
            output.line(&format!(
                "{}: there is no plan that would hold:",
                printable(&self.target)
            ))?;
            for refusal in refusals {
                output.line(&format!("- {}", printable(&refusal)))?;
            }
        }
        Ok(ExitCode::FAILURE)
    }
}

#[cfg(test)]
mod tests;

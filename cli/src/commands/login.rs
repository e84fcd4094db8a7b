//! `exhibit login`: a pipeline's token, where libpq looks for passwords.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_identity::aws;
use exhibit_identity::caller::{AWS_USER, TOKEN_USER};
use exhibit_identity::oidc::github_token;
use exhibit_startup::pem;
use zeroize::Zeroizing;

use crate::error::CliError;
use crate::files;
use crate::output::Output;

/// Where GitHub Actions says how tokens are asked for.
const GITHUB_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";

/// With what.
const GITHUB_SECRET: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// What AWS knows a caller by.
const AWS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const AWS_SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const AWS_SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

/// Below the help.
const EXAMPLES: &str = "\
Examples:
  exhibit login --host exhibit.example --audience https://exhibit.example      # in GitHub Actions, with `id-token: write`
  exhibit login --host exhibit.example --token-env EXHIBIT_TOKEN               # in GitLab CI, of `id_tokens`
  exhibit login --host exhibit.example --aws --audience https://exhibit.example --region eu-central-1
  psql \"host=exhibit.example port=6432 dbname=clinic user=oidc sslmode=verify-full\"";

/// Write a pipeline's token into libpq's password file
///
/// The token comes from GitHub Actions, which is asked for one, from a variable (as GitLab CI sets them) or from a file. With
/// --aws it is a request to AWS STS, signed for the audience with the credentials in `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`
/// and `AWS_SESSION_TOKEN`, good for 15 minutes; nobody is asked for it, and the secret stays here. It becomes a line of the file
/// that PGPASSFILE names, or of ~/.pgpass, for the user `oidc`, or `aws`; an earlier line for the same host, port, database
/// and user is replaced, and others stay. psql and every driver on libpq then need no password.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The proxy's host, as the client names it
    #[arg(long)]
    host: String,
    /// The proxy's port
    #[arg(long, default_value_t = 6432)]
    port: u16,
    /// The database that the client names; any if left out
    #[arg(long, default_value = "*")]
    database: String,
    /// To whom the token is made out: one of the issuer's `audience` in the proxy's configuration, or that of AWS
    #[arg(long, required_unless_present_any = ["token_env", "token_file"])]
    audience: Option<String>,
    /// A variable that holds the token
    #[arg(long, value_name = "NAME", conflicts_with_all = ["audience", "token_file"])]
    token_env: Option<String>,
    /// A file that holds the token
    #[arg(long, value_name = "FILE", conflicts_with = "audience")]
    token_file: Option<PathBuf>,
    /// Sign a request with credentials of AWS
    #[arg(long, requires = "audience")]
    aws: bool,
    /// The region whose STS the proxy asks
    #[arg(long, env = "AWS_REGION", value_name = "REGION")]
    region: Option<String>,
    /// Where the proxy asks STS, if its configuration says `sts`
    #[arg(long, value_name = "URL", requires = "aws")]
    sts: Option<String>,
    /// The password file
    #[arg(long, env = "PGPASSFILE", value_name = "FILE")]
    password_file: Option<PathBuf>,
}

pub(crate) async fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, CliError> {
    let path = match &arguments.password_file {
        Some(path) => path.clone(),
        None => match std::env::home_dir() {
            Some(home) => home.join(".pgpass"),
            None => {
                return Err(CliError::Usage(
                    "there is no home directory: give --password-file".to_owned(),
                ));
            }
        },
    };
    let (user, token) = if arguments.aws {
        (AWS_USER, signed(arguments)?)
    } else {
        (TOKEN_USER, token(arguments).await?)
    };
    let lines = with_line(&earlier(&path)?, arguments, user, &token);
    files::replace(&path, lines.as_bytes(), files::SECRET)?;
    output.line(&format!("the token is in {}, for the user {user}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

async fn token(arguments: &Arguments) -> Result<Zeroizing<String>, CliError> {
    let variable = |name: &str| std::env::var(name).map(Zeroizing::new);
    let token = if let Some(path) = &arguments.token_file {
        Zeroizing::new(files::read_text(path)?)
    } else if let Some(name) = &arguments.token_env {
        variable(name).map_err(|_| CliError::Usage(format!("the variable {name} is not set, or is no text")))?
    } else {
        let (Ok(url), Ok(secret)) = (variable(GITHUB_URL), variable(GITHUB_SECRET)) else {
            return Err(CliError::Usage(format!(
                "this is no run of GitHub Actions that may ask for tokens ({GITHUB_URL} is not set): give it the \
                 permission `id-token: write`, or give --token-env or --token-file"
            )));
        };
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| CliError::Usage(format!("TLS: {error}")))?
            .with_root_certificates(pem::system_authorities()?)
            .with_no_client_auth();
        github_token(&url, &secret, arguments.audience.as_deref().unwrap_or_default(), tls).await?
    };
    let token = Zeroizing::new(token.trim().to_owned());
    // What is no token would be sent to the proxy as an API key, and refused there without a reason.
    if token.bytes().filter(|byte| *byte == b'.').count() != 2 || token.contains(char::is_whitespace) {
        return Err(CliError::Usage(
            "what is there is no token (JWS): three parts with dots in between".to_owned(),
        ));
    }
    Ok(token)
}

/// A request that was signed with what the environment holds of AWS.
fn signed(arguments: &Arguments) -> Result<Zeroizing<String>, CliError> {
    let variable = |name: &str| {
        std::env::var(name)
            .map(Zeroizing::new)
            .ok()
            .filter(|value| !value.is_empty())
    };
    let (Some(key_id), Some(secret)) = (variable(AWS_KEY_ID), variable(AWS_SECRET)) else {
        return Err(CliError::Usage(format!(
            "there are no credentials of AWS: {AWS_KEY_ID} and {AWS_SECRET} are not set; those of a profile, a container or an \
             instance are told by `aws configure export-credentials --format env`"
        )));
    };
    let Some(region) = &arguments.region else {
        return Err(CliError::Usage("give --region, or set AWS_REGION".to_owned()));
    };
    let credentials = aws::Credentials {
        key_id: key_id.to_string(),
        secret,
        session_token: variable(AWS_SESSION_TOKEN),
    };
    let audience = arguments.audience.as_deref().unwrap_or_default();
    let token = aws::token(
        &credentials,
        region,
        arguments.sts.as_deref(),
        audience,
        SystemClock.now(),
    );
    token.map_err(|error| CliError::Usage(error.to_string()))
}

/// The lines of the file, if it is there.
fn earlier(path: &Path) -> Result<Zeroizing<String>, CliError> {
    if path.exists() {
        Ok(Zeroizing::new(files::read_text(path)?))
    } else {
        Ok(Zeroizing::default())
    }
}

/// The lines with that of the token before all others: libpq takes the first that fits (libpq, \"The Password File\").
fn with_line(earlier: &str, arguments: &Arguments, user: &str, token: &str) -> Zeroizing<String> {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
    let (host, database) = (escaped(&arguments.host), escaped(&arguments.database));
    let place = format!("{host}:{}:{database}:{user}:", arguments.port);
    let mut lines = Zeroizing::new(format!("{place}{}\n", escaped(token)));
    for line in earlier.lines().filter(|line| !line.starts_with(&place)) {
        lines.push_str(line);
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{Arguments, with_line};

    #[test]
    fn a_line_is_replaced_and_others_stay() {
        let arguments = Arguments {
            host: "a:b\\c".to_owned(),
            port: 6432,
            database: "*".to_owned(),
            audience: None,
            token_env: None,
            token_file: None,
            aws: false,
            region: None,
            sts: None,
            password_file: None,
        };
        let first = with_line("other:1:*:me:secret\n# note\n", &arguments, "oidc", "x.y.z");
        assert_eq!(
            first.as_str(),
            "a\\:b\\\\c:6432:*:oidc:x.y.z\nother:1:*:me:secret\n# note\n"
        );
        let second = with_line(&first, &arguments, "oidc", "1.2.3");
        assert_eq!(second.as_str(), first.replace("x.y.z", "1.2.3"));
    }
}

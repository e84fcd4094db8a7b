//! An issuer of tokens that others wrote: oidc-provider, in a process of its own.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::HarnessError;

/// A running issuer; dropping it ends it.
pub struct Issuer {
    child: Child,
    url: String,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Issuer {
    /// Starts it; returns when it says where it is.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn start() -> Result<Self, HarnessError> {
        Self::started(None)
    }

    /// Starts one that says in its tokens that it is another issuer, with a key of its own that it calls as that one does.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn posing_as(other: &Self) -> Result<Self, HarnessError> {
        Self::started(Some(&other.url))
    }

    fn started(posing_as: Option<&str>) -> Result<Self, HarnessError> {
        let place = crate::drivers()?;
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig=TERM", "--", "node"])
            .arg(crate::driver("issuer.js"))
            .args(posing_as)
            .current_dir(&place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let input = child.stdin.take().ok_or(HarnessError::Pipe)?;
        let mut output = BufReader::new(child.stdout.take().ok_or(HarnessError::Pipe)?).lines();
        let url = output.next().ok_or(HarnessError::Pipe)??;
        Ok(Self {
            child,
            url,
            input,
            output,
        })
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A token of its client `etl` for an audience.
    ///
    /// # Errors
    /// [`HarnessError::Failed`] with what it said in the place of one.
    pub fn token(&mut self, audience: &str) -> Result<String, HarnessError> {
        self.token_of("etl", audience)
    }

    /// A token of one of its clients (see `issuer.js`) for an audience.
    ///
    /// # Errors
    /// [`HarnessError::Failed`] with what it said in the place of one.
    pub fn token_of(&mut self, client: &str, audience: &str) -> Result<String, HarnessError> {
        let token = self.says(&format!("{client} {audience}"))?;
        if token.starts_with("ey") {
            return Ok(token);
        }
        Err(HarnessError::Failed {
            program: "the issuer".to_owned(),
            said: token,
        })
    }

    /// Its public key, as PEM in base64.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn key(&mut self) -> Result<String, HarnessError> {
        self.says("key")
    }

    fn says(&mut self, question: &str) -> Result<String, HarnessError> {
        writeln!(self.input, "{question}")?;
        Ok(self.output.next().ok_or(HarnessError::Pipe)??)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

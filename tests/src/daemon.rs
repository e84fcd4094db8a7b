//! The deployment of a stack as two daemons over mutual TLS, in the place of `exhibit up`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::stack::Stack;
use crate::{HarnessError, programs};

/// What a daemon logs when it takes connections.
const READY: &str = "listens";

/// One of the daemons, killed with its value.
pub struct Daemon(Child);

impl Daemon {
    /// Starts `exhibit-ledger` or `exhibit-proxy`; returns when it says that it listens.
    ///
    /// # Errors
    /// [`HarnessError::Failed`] with what it said when it ends before that.
    pub fn start(program: &str, stack: &Stack) -> Result<Self, HarnessError> {
        // It dies with this thread, so a killed test leaves nothing behind.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig=KILL", "--"]).arg(programs::path(program)?);
        command.args(["serve", "--config"]).arg(stack.config());
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let log = child.stderr.take().ok_or(HarnessError::Pipe)?;
        let daemon = Self(child);
        let mut log = BufReader::new(log);
        let mut said = String::new();
        while !said.contains(READY) {
            if log.read_line(&mut said)? == 0 {
                return Err(HarnessError::Failed {
                    program: program.to_owned(),
                    said,
                });
            }
        }
        std::thread::spawn(move || log.lines().for_each(drop));
        Ok(daemon)
    }

    /// Ends it cleanly.
    ///
    /// # Errors
    /// [`HarnessError::Failed`] when it did not end in time, or not with success.
    pub fn end(mut self) -> Result<(), HarnessError> {
        let status = programs::end(&mut self.0)?;
        if status.success() {
            return Ok(());
        }
        Err(HarnessError::Failed {
            program: "a daemon".to_owned(),
            said: status.to_string(),
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes the configuration of a stack one for two daemons.
///
/// # Errors
/// [`HarnessError`].
pub fn apart(stack: &Stack) -> Result<(), HarnessError> {
    let text = std::fs::read_to_string(stack.config())?;
    let ledger = format!(
        "[proxy]\nledger = {{ url = \"{}\", certificate = \"tls/proxy.pem\", key = \"tls/proxy.key\", ca = \"tls/ca.pem\" }}\n",
        stack.ledger_url()
    );
    crate::write(&stack.config(), text.replacen("[proxy]\n", &ledger, 1).as_bytes())
}

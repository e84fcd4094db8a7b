//! A real ssh-agent of OpenSSH with keys that stand nowhere else.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{HarnessError, run};

/// An agent with a key of each person; their files are gone, but for the public halves.
pub struct SshAgent {
    child: Child,
    directory: PathBuf,
}

impl SshAgent {
    /// Starts one whose socket and public keys (`PERSON.pub`) stand in this directory.
    ///
    /// # Errors
    /// [`HarnessError`] where OpenSSH does not what it should.
    pub fn start(directory: &Path, people: &[&str]) -> Result<Self, HarnessError> {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig=TERM", "--", "ssh-agent", "-D", "-a"])
            .arg(directory.join("agent"))
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or(HarnessError::Pipe)?;
        let agent = Self {
            child,
            directory: directory.to_owned(),
        };
        // It says where it listens once it does.
        let mut said = String::new();
        BufReader::new(output).read_line(&mut said)?;
        if !said.contains("SSH_AUTH_SOCK") {
            let program = "ssh-agent".to_owned();
            return Err(HarnessError::Failed { program, said });
        }
        for person in people {
            let key = directory.join(person);
            let mut make = Command::new("ssh-keygen");
            run(make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key))?;
            run(Command::new("ssh-add")
                .arg("-q")
                .arg(&key)
                .env("SSH_AUTH_SOCK", agent.socket()))?;
            std::fs::remove_file(&key)?;
        }
        Ok(agent)
    }

    /// Where it listens, for `SSH_AUTH_SOCK`.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("agent")
    }

    /// The public key of a person.
    pub fn public(&self, person: &str) -> PathBuf {
        self.directory.join(person).with_extension("pub")
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

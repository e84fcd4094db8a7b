//! Harness of the integration tests, the demo and the stack: real parts, started on free ports, ended with their values.

pub mod authority;
pub mod bundle_builder;
pub mod ceph;
pub mod clinic;
pub mod daemon;
pub mod issuer;
pub mod null;
pub mod postgres;
pub mod programs;
pub mod ssh_agent;
pub mod stack;
pub mod two_years;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Why the harness cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// A program or an account is not on this machine.
    #[error("{what} is missing: {hint}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A program failed.
    #[error("{program} failed:\n{said}")]
    Failed {
        /// The program.
        program: String,
        /// What it said.
        said: String,
    },
    /// A pipe to a child was not made.
    #[error("a child process has no pipe")]
    Pipe,
    /// The file system, or a socket.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Random(#[from] getrandom::Error),
    /// A file of the deployment is not TOML.
    #[error("a file of the deployment cannot be read: {0}")]
    Toml(toml::de::Error),
    /// A certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// Random bytes of the operating system.
///
/// # Errors
/// [`HarnessError::Random`].
pub fn random<const SIZE: usize>() -> Result<[u8; SIZE], HarnessError> {
    let mut bytes = [0; SIZE];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// A TCP port of 127.0.0.1 that was free a moment ago.
///
/// # Errors
/// [`HarnessError::Io`].
pub fn free_port() -> Result<u16, HarnessError> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Writes a file of the harness, mode 0600.
///
/// # Errors
/// [`HarnessError::Io`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), HarnessError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    Ok(())
}

/// Makes what tests use of others (drivers, an issuer of tokens), one test at a time, in whichever process; gives where it is.
///
/// # Errors
/// [`HarnessError`] when there is no package index to fetch it from.
pub fn drivers() -> Result<PathBuf, HarnessError> {
    made_drivers(&[])
}

/// The same, of those in Python alone: what the demo uses.
///
/// # Errors
/// [`HarnessError`], as of [`drivers`].
pub fn python_drivers() -> Result<PathBuf, HarnessError> {
    made_drivers(&["python"])
}

fn made_drivers(which: &[&str]) -> Result<PathBuf, HarnessError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let place = root.join("target/drivers");
    std::fs::create_dir_all(&place)?;
    let lock = std::fs::File::create(place.join("lock"))?;
    lock.lock()?;
    run(Command::new("sh").arg(root.join("tests/drivers/setup.sh")).args(which))?;
    Ok(place)
}

/// A script or program under `tests/drivers`.
pub fn driver(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers").join(name)
}

/// Runs a program to its end and gives its standard output.
///
/// # Errors
/// [`HarnessError::Failed`] with all that it said when it does not exit with 0, or why it was not started.
pub fn run(command: &mut Command) -> Result<String, HarnessError> {
    let output = command.output().map_err(|error| HarnessError::Failed {
        program: command.get_program().to_string_lossy().into_owned(),
        said: error.to_string(),
    })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    Err(HarnessError::Failed {
        program: command.get_program().to_string_lossy().into_owned(),
        said: format!("{text}{}", String::from_utf8_lossy(&output.stderr)),
    })
}

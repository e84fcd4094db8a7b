//! The programs under test, as cargo built them, and what is said to them from outside.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::HarnessError;

/// How long a program may take to end after it was told to; a clean shutdown closes sessions and the store.
const END_TIMEOUT: Duration = Duration::from_secs(20);

/// How often an ending program is looked at.
const END_INTERVAL: Duration = Duration::from_millis(20);

/// The path of one of our programs: in the directory that `EXHIBIT_BIN` names, or beside this program.
///
/// # Errors
/// [`HarnessError::Missing`].
pub fn path(name: &str) -> Result<PathBuf, HarnessError> {
    let named = std::env::var_os("EXHIBIT_BIN").map(PathBuf::from);
    let own = std::env::current_exe()?;
    // Tests are in target/PROFILE/deps, programs in target/PROFILE.
    let beside = own.ancestors().skip(1).take(2).map(PathBuf::from);
    let mut places = named.into_iter().chain(beside).map(|directory| directory.join(name));
    places.find(|path| path.is_file()).ok_or(HarnessError::Missing {
        what: "a program of the workspace",
        hint: "run `cargo build --workspace --bins` first",
    })
}

/// A command of one of our programs.
///
/// # Errors
/// [`HarnessError::Missing`].
pub fn command(name: &str) -> Result<Command, HarnessError> {
    Ok(Command::new(path(name)?))
}

/// A signal for a process.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// Ends it cleanly.
    Term,
    /// Has it read its policy again.
    Hangup,
    /// Ends it at once.
    Kill,
    /// Ends a PostgreSQL server and all of its processes without a checkpoint.
    Quit,
}

/// Sends a signal to a process that was started here.
///
/// # Errors
/// [`HarnessError`].
pub fn signal(process: u32, signal: Signal) -> Result<(), HarnessError> {
    let name = match signal {
        Signal::Term => "-TERM",
        Signal::Hangup => "-HUP",
        Signal::Kill => "-KILL",
        Signal::Quit => "-QUIT",
    };
    // The shell's own `kill`: the program of that name is not on every machine.
    crate::run(Command::new("sh").arg("-c").arg(format!("kill {name} {process}")))?;
    Ok(())
}

/// Resolves when this program is told to end: at SIGINT or SIGTERM.
///
/// # Errors
/// What the operating system says.
pub async fn ended() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Tells a program to end, and waits for it; kills it when it does not end in time.
///
/// # Errors
/// [`HarnessError::Failed`] when it had to be killed.
pub fn end(child: &mut Child) -> Result<ExitStatus, HarnessError> {
    if let Some(status) = child.try_wait()? {
        return Ok(status);
    }
    signal(child.id(), Signal::Term)?;
    let start = Instant::now();
    while start.elapsed() < END_TIMEOUT {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(END_INTERVAL);
    }
    child.kill()?;
    child.wait()?;
    Err(HarnessError::Failed {
        program: "a child process".to_owned(),
        said: format!("it did not end within {} s", END_TIMEOUT.as_secs()),
    })
}

//! The process: its log, its limit of open files, and the signals that end it.

use std::io::IsTerminal as _;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// What is logged when `RUST_LOG` says nothing: our own doings, and of the stores only what is wrong with them.
const LOG_FILTER: &str = "info,fjall=warn,lsm_tree=warn,tantivy=warn";

/// Logs to standard error, in colours on a terminal alone. To be called once.
pub fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| LOG_FILTER.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

/// Files that a process should be able to open: two sockets to each session of a full listener, and the stores' own.
const OPEN_FILES: u64 = 8_192;

/// Lets the process open as many files as the system allows it: the usual 1,024 are 500 sessions, each of which has a socket
/// to its agent and one to its target. Says so in the log where that stays too few.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files was not raised");
            limit.current
        }
    };
    if let Some(files) = now.filter(|files| *files < OPEN_FILES) {
        tracing::warn!(
            files,
            wanted = OPEN_FILES,
            "few files may be open; raise the hard limit of open files (ulimit -Hn)"
        );
    }
}

/// A token that SIGINT or SIGTERM cancels; from here on neither ends the process by itself.
///
/// # Errors
/// The system's, when signals cannot be watched.
pub fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stopper.cancel();
    });
    Ok(stop)
}

/// What SIGHUP asks for: that files which may change while the process runs are read again. From here on it does not end the
/// process.
///
/// # Errors
/// The system's, when signals cannot be watched.
pub fn reload_on_signal() -> std::io::Result<ReloadSignal> {
    Ok(ReloadSignal(signal(SignalKind::hangup())?))
}

/// Asks for a reload, once for all signals that came since.
#[derive(Debug)]
pub struct ReloadSignal(Signal);

impl ReloadSignal {
    /// Waits for the next one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // No signal can come any more.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_as_the_system_allows_may_be_open() {
        let limit = getrlimit(Resource::Nofile);
        let few = Rlimit {
            current: Some(64),
            ..limit
        };
        setrlimit(Resource::Nofile, few).unwrap();
        raise_open_files();
        assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);
    }
}

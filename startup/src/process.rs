//! The process: its log, and the signals that end it.

use std::io::IsTerminal as _;

use tokio::signal::unix::{SignalKind, signal};
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

//! The ledger as a daemon of its own. Proxies reach it over mutual TLS.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use exhibit_ledger::readings::Readings;
use exhibit_ledger::{Config, Ledger, LedgerError, api, follow, serve, webhooks};
use exhibit_startup::configuration::{self, ConfigurationError};
use exhibit_startup::process;
use serde::Deserialize;

/// Runs the evidence ledger of Exhibit.
#[derive(Parser)]
#[command(name = "exhibit-ledger", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API until a signal to end.
    Serve {
        /// The configuration; its `[ledger]` section is read.
        #[arg(long, value_name = "FILE", default_value = "exhibit.toml")]
        config: PathBuf,
    },
    /// Make the derived records and the search index again from the entries.
    ///
    /// Entries, commits and the signed head stay as they are. Every seal is verified again on the way. The ledger must not
    /// run meanwhile; the search index follows when it is served again.
    Rebuild {
        /// The configuration; its `[ledger]` section is read.
        #[arg(long, value_name = "FILE", default_value = "exhibit.toml")]
        config: PathBuf,
    },
}

/// The file: the sections of the other programs are theirs to read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    ledger: Option<Config>,
    #[serde(rename = "proxy")]
    _proxy: Option<toml::Table>,
    #[serde(rename = "client")]
    _client: Option<toml::Table>,
}

/// Why the daemon ends.
#[derive(Debug, thiserror::Error)]
enum DaemonError {
    #[error(transparent)]
    Config(#[from] ConfigurationError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Webhook(#[from] webhooks::WebhookError),
    #[error("the search index cannot be opened: {0}")]
    Search(#[from] exhibit_search::SearchError),
    #[error("cannot listen on {address}: {error}")]
    Listen {
        address: std::net::SocketAddr,
        error: std::io::Error,
    },
    #[error("signals cannot be watched: {0}")]
    Signal(std::io::Error),
}

fn main() -> ExitCode {
    process::log();
    process::raise_open_files();
    let ran = match Arguments::parse().command {
        Command::Serve { config } => tokio::runtime::Runtime::new()
            .map_err(DaemonError::Signal)
            .and_then(|runtime| runtime.block_on(run(&config))),
        Command::Rebuild { config } => rebuild(&config),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ (DaemonError::Config(_) | DaemonError::Webhook(_))) => {
            tracing::error!("{error}");
            ExitCode::from(2)
        }
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(3)
        }
    }
}

fn read(path: &Path) -> Result<Config, DaemonError> {
    let file = configuration::File::read(path)?;
    let File { ledger, .. } = file.parse()?;
    let section = ledger.ok_or_else(|| file.missing("ledger"))?;
    let resolved = section.resolve(file.directory());
    Ok(resolved.map_err(|error| file.refuse(&error.place(), &error))?)
}

fn search_directory(config: &Config) -> PathBuf {
    config.directory.join("search")
}

fn rebuild(path: &Path) -> Result<(), DaemonError> {
    let config = read(path)?;
    Ledger::drop_projections(&config)?;
    let index = search_directory(&config);
    match std::fs::remove_dir_all(&index) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(LedgerError::File { path: index, error }.into());
        }
        _ => {}
    }
    let ledger = Ledger::open(&config)?;
    tracing::info!(size = %ledger.shared().head().size(), "the ledger is rebuilt");
    ledger.shutdown();
    Ok(())
}

async fn run(path: &Path) -> Result<(), DaemonError> {
    let config = read(path)?;
    let acceptor = serve::acceptor(&config.tls)?;
    let ledger = Ledger::open(&config)?;
    let searcher = follow::follow(&ledger, &search_directory(&config), &tokio::runtime::Handle::current())?;
    webhooks::follow(&ledger, &config.webhooks)?;
    let address = config.listen;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| DaemonError::Listen { address, error })?;
    tracing::info!(%address, size = %ledger.shared().head().size(), "the ledger listens");
    let stop = process::stop_on_signal().map_err(DaemonError::Signal)?;
    let readings = Readings::new(ledger.clone(), &config)?;
    let router = api::router(ledger.clone(), Some(searcher), Arc::clone(&readings));
    serve::serve(router, listener, acceptor, stop).await;
    readings.settle().await;
    let ended = tokio::task::spawn_blocking(move || ledger.shutdown()).await;
    ended.map_err(|error| DaemonError::Signal(error.into()))?;
    tracing::info!("the ledger ended");
    Ok(())
}

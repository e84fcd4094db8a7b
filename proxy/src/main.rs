//! The proxy as a daemon of its own. It reaches the ledger over mutual TLS.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use exhibit_proxy::config::ConfigError;
use exhibit_proxy::start::tls_connect;
use exhibit_proxy::{Config, Proxy, ProxyError};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

/// Runs the proxies of Exhibit.
#[derive(Parser)]
#[command(name = "exhibit-proxy", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Let agents in until a signal to end.
    Serve {
        /// The configuration; its `[proxy]` section is read.
        #[arg(long, value_name = "FILE", default_value = "exhibit.toml")]
        config: PathBuf,
    },
}

/// The file: the sections of the other programs are theirs to read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    proxy: Config,
    #[serde(rename = "ledger")]
    _ledger: Option<toml::Table>,
    #[serde(rename = "client")]
    _client: Option<toml::Table>,
}

/// Why the daemon ends.
#[derive(Debug, thiserror::Error)]
enum DaemonError {
    #[error("{path}: {reason}")]
    File { path: PathBuf, reason: String },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the [proxy] section has no `ledger`: a proxy of its own needs one to reach")]
    NoLedger,
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error("signals cannot be watched: {0}")]
    Signal(std::io::Error),
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| "info,fjall=warn,lsm_tree=warn,tantivy=warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let Arguments {
        command: Command::Serve { config },
    } = Arguments::parse();
    let ran = tokio::runtime::Runtime::new()
        .map_err(DaemonError::Signal)
        .and_then(|runtime| runtime.block_on(run(&config)));
    let Err(error) = ran else {
        return ExitCode::SUCCESS;
    };
    tracing::error!("{error}");
    match error {
        DaemonError::File { .. } | DaemonError::Config(_) | DaemonError::NoLedger => ExitCode::from(2),
        DaemonError::Proxy(_) | DaemonError::Signal(_) => ExitCode::from(3),
    }
}

async fn run(path: &Path) -> Result<(), DaemonError> {
    let refuse = |reason: String| DaemonError::File {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let file: File = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
    let config = file.proxy.resolve(path.parent().unwrap_or(Path::new(".")))?;
    let connect = tls_connect(config.ledger.as_ref().ok_or(DaemonError::NoLedger)?)?;
    let proxy = Proxy::start(&config, connect).await?;
    let listeners = proxy.listen(&config).await?;
    for (target, address) in listeners.addresses() {
        tracing::info!(target_name = target, %address, "the proxy listens");
    }
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = signals().map_err(DaemonError::Signal)?;
    let stopper = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stopper.cancel();
    });
    listeners.run(stop).await;
    proxy.shutdown().await;
    tracing::info!("the proxy ended");
    Ok(())
}

fn signals() -> std::io::Result<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
}

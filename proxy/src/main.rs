//! The proxy as a daemon of its own. It reaches the ledger over mutual TLS.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use exhibit_proxy::config::LedgerConfig;
use exhibit_proxy::start::tls_connect;
use exhibit_proxy::{Config, Proxy, ProxyError};
use exhibit_startup::configuration::{self, ConfigurationError, Step};
use exhibit_startup::process;
use serde::Deserialize;

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
    proxy: Option<Config>,
    #[serde(rename = "ledger")]
    _ledger: Option<toml::Table>,
    #[serde(rename = "client")]
    _client: Option<toml::Table>,
}

/// Why the daemon ends.
#[derive(Debug, thiserror::Error)]
enum DaemonError {
    #[error(transparent)]
    Config(#[from] ConfigurationError),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error("signals cannot be watched: {0}")]
    Signal(std::io::Error),
}

fn main() -> ExitCode {
    process::log();
    process::raise_open_files();
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
        DaemonError::Config(_) => ExitCode::from(2),
        DaemonError::Proxy(_) | DaemonError::Signal(_) => ExitCode::from(3),
    }
}

fn read(path: &Path) -> Result<(Config, LedgerConfig), ConfigurationError> {
    let file = configuration::File::read(path)?;
    let File { proxy, .. } = file.parse()?;
    let section = proxy.ok_or_else(|| file.missing("proxy"))?;
    let config = section.resolve(file.directory());
    let config = config.map_err(|error| file.refuse(&error.place(), &error))?;
    let wanted = "`ledger` is missing: a proxy of its own needs one to reach";
    let ledger = config.ledger.clone();
    let ledger = ledger.ok_or_else(|| file.refuse(&[Step::Key("proxy")], wanted))?;
    Ok((config, ledger))
}

async fn run(path: &Path) -> Result<(), DaemonError> {
    let (config, ledger) = read(path)?;
    let connect = tls_connect(&ledger)?;
    // Before it starts: it may have to wait until its policy is signed.
    let stop = process::stop_on_signal().map_err(DaemonError::Signal)?;
    let signal = process::reload_on_signal().map_err(DaemonError::Signal)?;
    let proxy = tokio::select! {
        proxy = Proxy::start(&config, connect) => proxy?,
        () = stop.cancelled() => return Ok(()),
    };
    let listeners = proxy.listen(&config).await?;
    for (protocol, target, address) in listeners.addresses() {
        tracing::info!(protocol, target_name = target, %address, "the proxy listens");
    }
    let reloading = tokio::spawn(proxy.reload(&config).run(signal, stop.clone(), |_| ()));
    listeners.run(stop).await;
    let _ = reloading.await;
    proxy.shutdown().await;
    tracing::info!("the proxy ended");
    Ok(())
}

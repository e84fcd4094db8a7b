//! `exhibit up`: the ledger and the proxies in one process, for one machine.
//!
//! They speak the append protocol as two daemons do, over in-process pipes instead of sockets.

use std::process::ExitCode;
use std::sync::Arc;

use exhibit_gate::link::connect::PipeConnect;
use exhibit_ledger::readings::Readings;
use exhibit_ledger::{Ledger, api, follow, serve, webhooks};
use exhibit_proxy::Proxy;
use exhibit_startup::process::{self, ReloadSignal};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::error::CliError;
use crate::output::Output;

/// Bytes that one direction of a pipe holds; a batch is cut into as many pieces as it needs.
const PIPE_BYTES: usize = 256 << 10;

/// Run the ledger and the proxies until a signal to end; SIGHUP reads the policy again
#[derive(clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: &Arguments, config: &Config, output: &mut Output) -> Result<ExitCode, CliError> {
    process::log();
    process::raise_open_files();
    let runtime = tokio::runtime::Runtime::new().map_err(CliError::Runtime)?;
    runtime.block_on(serve_all(config, output))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve_all(config: &Config, output: &mut Output) -> Result<(), CliError> {
    let (of_ledger, of_proxy) = (config.ledger()?, config.proxy()?);
    let broken = |error: &dyn std::fmt::Display| CliError::Ledger(error.to_string());
    let acceptor = serve::acceptor(&of_ledger.tls).map_err(|error| broken(&error))?;
    let ledger = Ledger::open(&of_ledger).map_err(|error| broken(&error))?;
    let index = of_ledger.directory.join("search");
    let searcher = follow::follow(&ledger, &index, &tokio::runtime::Handle::current());
    let searcher = searcher.map_err(|error| broken(&error))?;
    let readings = Readings::new(ledger.clone(), &of_ledger).map_err(|error| broken(&error))?;
    let router = api::router(ledger.clone(), Some(searcher), Arc::clone(&readings));
    webhooks::follow(&ledger, &of_ledger.webhooks).map_err(|error| CliError::Usage(error.to_string()))?;
    let listener = TcpListener::bind(of_ledger.listen).await;
    let listener = listener.map_err(|error| broken(&format!("cannot listen on {}: {error}", of_ledger.listen)))?;
    output.line(&format!("ledger https://{}", of_ledger.listen))?;

    // The proxies stop first, so that what their sessions record last still finds the ledger.
    let stop_ledger = CancellationToken::new();
    let serving = tokio::spawn(serve::serve(router.clone(), listener, acceptor, stop_ledger.clone()));
    let pipes = stop_ledger.clone();
    let connect = PipeConnect::new(move || {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(serve::serve_stream(router.clone(), far, pipes.clone()));
        Ok(near)
    });
    let failed = |error: &dyn std::fmt::Display| CliError::Proxy(error.to_string());
    // Before the proxies start: they may have to wait until their policy is signed.
    let stop_proxies = process::stop_on_signal().map_err(CliError::Runtime)?;
    let signal = process::reload_on_signal().map_err(CliError::Runtime)?;
    let proxy = tokio::select! {
        proxy = Proxy::start(&of_proxy, Arc::new(connect)) => Some(proxy.map_err(|error| failed(&error))?),
        () = stop_proxies.cancelled() => None,
    };
    if let Some(proxy) = proxy {
        serve_agents(&of_proxy, proxy, signal, stop_proxies, output).await?;
    }
    stop_ledger.cancel();
    readings.settle().await;
    let ending = ledger.clone();
    let ended = tokio::task::spawn_blocking(move || ending.shutdown()).await;
    ended.map_err(|error| broken(&error))?;
    serving.await.map_err(|error| broken(&error))?;
    output.note("ended");
    Ok(())
}

/// Lets agents in until `stop`.
async fn serve_agents(
    of_proxy: &exhibit_proxy::Config,
    proxy: Proxy,
    signal: ReloadSignal,
    stop: CancellationToken,
    output: &mut Output,
) -> Result<(), CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::Proxy(error.to_string());
    let listeners = proxy.listen(of_proxy).await.map_err(|error| failed(&error))?;
    for (protocol, target, address) in listeners.addresses() {
        output.line(&format!("{protocol} {target} {address}"))?;
    }
    if of_proxy.postgres.is_empty() && of_proxy.s3.is_empty() {
        output.note("no target is configured yet: name one in [[proxy.postgres]] or [[proxy.s3]], and start again");
    }
    output.line("ready")?;
    // A reader that is gone is no reason to end.
    let told = |line: &str| drop(output.line(line));
    let reloading = proxy.reload(of_proxy).run(signal, stop.clone(), told);
    tokio::join!(listeners.run(stop), reloading);
    proxy.shutdown().await;
    Ok(())
}

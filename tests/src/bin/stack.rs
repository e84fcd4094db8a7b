//! `make stack`: the demo's parts on free ports, left running until a signal; one line of JSON says where they are.
//!
//! `STACK_PG` names a PostgreSQL `bin` directory, `STACK_SQL` a file of SQL that the server runs first, `STACK_POLICY` a
//! policy in the place of the demo's, `STACK_LEDGER=null` a recorder that drops events (for benches).
//!
//! There is a store of objects, and `s3` in the line, where the policy has a target of that protocol: the demo's has one, and
//! of several in a policy the first counts.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its one line of output is its interface"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use exhibit_tests::ceph::Ceph;
use exhibit_tests::programs::ended;
use exhibit_tests::stack::{LAKE_POLICY, Options, POLICY, Stack, store};
use exhibit_tests::{HarnessError, null};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stack: {error}");
            ExitCode::from(3)
        }
    }
}

fn run() -> Result<(), HarnessError> {
    let place = tempfile::Builder::new().prefix("exhibit-stack-").tempdir()?;
    let mut options = Options::new(&place.path().join("deployment"));
    options.sql = std::env::var_os("STACK_SQL").map(PathBuf::from);
    options.policy = match std::env::var_os("STACK_POLICY") {
        Some(path) => std::fs::read_to_string(path)?,
        None => format!("{POLICY}\n{LAKE_POLICY}"),
    };
    if store::target(&options.policy)?.is_some() {
        options.store = Some(Arc::new(Ceph::start()?));
    }
    let runtime = tokio::runtime::Runtime::new()?;
    match std::env::var("STACK_LEDGER").as_deref() {
        Err(_) => {
            let mut stack = Stack::start(&options)?;
            println!("{}", stack.describe()?);
            runtime.block_on(ended())?;
            stack.down()
        }
        Ok("null") => {
            let stack = Stack::prepare(&options)?;
            let stop = CancellationToken::new();
            let stopper = stop.clone();
            runtime.spawn(async move {
                let _ = ended().await;
                stopper.cancel();
            });
            let described = stack.describe()?;
            runtime.block_on(null::serve(&stack.proxy_config()?, stop, || println!("{described}")))
        }
        Ok(other) => Err(HarnessError::Failed {
            program: "stack".to_owned(),
            said: format!("STACK_LEDGER={other} is unknown; `null` is the one other ledger"),
        }),
    }
}

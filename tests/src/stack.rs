//! The stack: a private PostgreSQL with the clinic, and a deployment in front of it, made and run by the real `exhibit`.
//!
//! `make stack`, the demo and the integration tests start their parts through this one code. Dropping a [`Stack`] ends
//! everything that it started.

pub mod store;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use exhibit_postgres::config::Masking;
use serde_json::json;

use crate::ceph::Ceph;
use crate::clinic::{Clinic, SEED};
use crate::postgres::{PrivatePostgres, SUPERUSER};
use crate::{HarnessError, programs};

/// The demo's policy.
pub const POLICY: &str = include_str!("policy.toml");

/// What is added to it where the stack has a store of objects, as the target [`LAKE`].
pub const LAKE_POLICY: &str = include_str!("lake.toml");

/// Name of the database, and of the target.
pub const DATABASE: &str = "clinic";

/// Name of the target that is a store of objects.
pub const LAKE: &str = "lake";

/// The agent's subject, which is also its user name.
pub const AGENT: &str = "ci-nightly";

/// The person who approves.
pub const APPROVER: &str = "dana.ferris";

/// The person who reads the evidence.
pub const READER: &str = "robin.hale";

/// Name of the log.
pub const ORIGIN: &str = "clinic.example/exhibit";

/// The line with which `exhibit up` says that everything listens.
const READY: &str = "ready";

/// How long `exhibit up` may take to read its policy again.
const RELOAD: Duration = Duration::from_mins(1);

/// What a stack is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of the deployment; made anew.
    pub directory: PathBuf,
    /// Patients of the clinic; with 0 its tables are not made either, and the database holds what `sql` makes.
    pub patients: u32,
    /// The policy's text.
    pub policy: String,
    /// A file of SQL to run on the server first.
    pub sql: Option<PathBuf>,
    /// Who masks.
    pub masking: Masking,
    /// The directory of the server's programs; [`PrivatePostgres::start`] looks for them when absent.
    pub server: Option<PathBuf>,
    /// A store of objects, as the policy's first target of the protocol `s3`.
    pub store: Option<Arc<Ceph>>,
}

/// A running stack.
pub struct Stack {
    up: Option<Child>,
    /// What `exhibit up` says after it is ready, line by line.
    told: Option<Receiver<String>>,
    postgres: PrivatePostgres,
    clinic: Clinic,
    directory: PathBuf,
    ledger_port: u16,
    proxy_port: u16,
    /// Of the store, where there is one, the ports of its proxy: with TLS, and without.
    store: Option<(Arc<Ceph>, [u16; 2])>,
    api_key: String,
    /// Whether the reader's key is enrolled.
    readable: bool,
}

impl Options {
    /// The demo's stack in this directory.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            patients: crate::clinic::PATIENTS,
            policy: POLICY.to_owned(),
            sql: None,
            masking: Masking::Proxy,
            server: None,
            store: None,
        }
    }
}

impl Stack {
    /// Starts everything; returns when the proxy takes connections.
    ///
    /// # Errors
    /// [`HarnessError`] of the first part that does not start.
    pub fn start(options: &Options) -> Result<Self, HarnessError> {
        let mut stack = Self::prepare(options)?;
        stack.up()?;
        stack.enrol_approver()?;
        Ok(stack)
    }

    /// Starts the database, fills it, and makes the deployment; `exhibit up` does not run yet.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn prepare(options: &Options) -> Result<Self, HarnessError> {
        let postgres = match &options.server {
            Some(programs) => PrivatePostgres::start_from(programs.clone())?,
            None => PrivatePostgres::start()?,
        };
        let clinic = Clinic::generate(SEED, options.patients);
        let password = hex::encode(crate::random::<16>()?);
        load(&postgres, &clinic, &password, options)?;
        let mut stack = Self {
            up: None,
            told: None,
            postgres,
            clinic,
            directory: options.directory.clone(),
            ledger_port: crate::free_port()?,
            proxy_port: crate::free_port()?,
            store: options
                .store
                .clone()
                .map(|store| Ok::<_, HarnessError>((store, [crate::free_port()?, crate::free_port()?])))
                .transpose()?,
            api_key: String::new(),
            readable: false,
        };
        stack.deploy(options, &password)?;
        Ok(stack)
    }

    /// `exhibit init`, and the files that the demo's deployment has instead of the samples; where the database masks, what
    /// it needs for that.
    fn deploy(&mut self, options: &Options, password: &str) -> Result<(), HarnessError> {
        let mut init = programs::command("exhibit")?;
        init.arg("init").arg(&self.directory).args(["--origin", ORIGIN]);
        crate::run(&mut init)?;
        let place = |name: &str| self.directory.join(name);
        crate::write(&place("policy.toml"), options.policy.as_bytes())?;
        crate::write(&place("exhibit.toml"), self.config_text(options)?.as_bytes())?;
        crate::write(&place("secrets/clinic.password"), password.as_bytes())?;
        crate::write(&place("tls/pg-ca.pem"), &std::fs::read(self.postgres.authority())?)?;
        if let Some((store, _)) = &self.store {
            store::deploy(store, &self.directory)?;
        }
        for (name, key) in [(APPROVER, self.approver_key()), (READER, self.reader_key())] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]);
            crate::run(keygen.arg(key))?;
        }
        let key = crate::run(self.exhibit()?.args(["key", "api", AGENT, "--group", "pipelines"]))?;
        key.trim().clone_into(&mut self.api_key);
        if options.masking == Masking::Database {
            let mut apply = self.exhibit()?;
            apply.env("PGPASSWORD", self.postgres.password());
            crate::run(apply.args(["target", "apply", DATABASE, "--user", SUPERUSER, "--database", DATABASE]))?;
        }
        Ok(())
    }

    fn config_text(&self, options: &Options) -> Result<String, HarnessError> {
        let store = self.store_text(&options.policy)?;
        let (ledger, proxy, server) = (self.ledger_port, self.proxy_port, self.postgres.port());
        let masking = match options.masking {
            Masking::Proxy => "proxy",
            Masking::Database => "database",
        };
        Ok(format!(
            r#"[ledger]
origin = "{ORIGIN}"
directory = "ledger"
listen = "127.0.0.1:{ledger}"
tls = {{ certificate = "tls/ledger.pem", key = "tls/ledger.key", client_ca = "tls/ca.pem" }}

[[ledger.readers]]
role = "compliance"
people = ["compliance"]

[[ledger.readers]]
role = "approver"
people = ["dba", "privacy"]

[proxy]
directory = "proxy"
policy = "policy.toml"
api_keys = "api-keys.toml"
trust = "trust.toml"

[[proxy.postgres]]
target = "{DATABASE}"
masking = "{masking}"
listen = "127.0.0.1:{proxy}"
tls = {{ certificate = "tls/proxy.pem", key = "tls/proxy.key" }}
server = {{ host = "127.0.0.1", port = {server}, user = "exhibit", password_file = "secrets/clinic.password", tls = "verify-full", ca = "tls/pg-ca.pem" }}
{store}
[client]
ledger = "https://127.0.0.1:{ledger}"
certificate = "tls/operator.pem"
key = "tls/operator.key"
ca = "tls/ca.pem"
trust = "trust.toml"
person = "secrets/reader"
administrator = "administrator.key"
"#
        ))
    }

    /// Starts `exhibit up`, and waits until it says that it is ready.
    ///
    /// # Errors
    /// [`HarnessError::Failed`] with what it said when it ends before that.
    pub fn up(&mut self) -> Result<(), HarnessError> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        // It dies with this thread, so a killed test leaves nothing behind.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig=TERM", "--"]).arg(programs::path("exhibit")?);
        command.arg("--config").arg(self.config()).arg("up");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let stdout = child.stdout.take().ok_or(HarnessError::Pipe)?;
        self.up = Some(child);
        let mut said = String::new();
        let mut lines = BufReader::new(stdout);
        while lines.read_line(&mut said)? > 0 {
            if said.lines().last() == Some(READY) {
                let (tell, told) = channel();
                // Nobody may listen; the lines are read all the same, so that nobody waits to say one.
                std::thread::spawn(move || {
                    for line in lines.lines().map_while(Result::ok) {
                        let _ = tell.send(line);
                    }
                });
                self.told = Some(told);
                if !std::mem::replace(&mut self.readable, true) {
                    self.enrol_reader()?;
                }
                return Ok(());
            }
        }
        said.push_str(&std::fs::read_to_string(self.log())?);
        Err(HarnessError::Failed {
            program: "exhibit up".to_owned(),
            said,
        })
    }

    /// Has the policy read again; gives what `exhibit up` says of it.
    ///
    /// # Errors
    /// [`HarnessError::Failed`] when it says nothing.
    pub fn reload(&self) -> Result<String, HarnessError> {
        let (Some(up), Some(told)) = (&self.up, &self.told) else {
            return Err(HarnessError::Pipe);
        };
        programs::signal(up.id(), programs::Signal::Hangup)?;
        told.recv_timeout(RELOAD).map_err(|_| HarnessError::Failed {
            program: "exhibit up".to_owned(),
            said: "nothing of its policy".to_owned(),
        })
    }

    /// Enrols the approver's key.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn enrol_approver(&self) -> Result<(), HarnessError> {
        self.enrol(&self.approver_key(), APPROVER, "dba")
    }

    /// Enrols the key of who reads the evidence; [`Stack::up`] does.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn enrol_reader(&self) -> Result<(), HarnessError> {
        self.enrol(&self.reader_key(), READER, "compliance")
    }

    /// Enrols a person's key.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn enrol(&self, key: &Path, name: &str, group: &str) -> Result<(), HarnessError> {
        let mut enrol = self.exhibit()?;
        enrol.args(["key", "enrol"]).arg(key.with_extension("pub"));
        crate::run(enrol.args(["--name", name, "--group", group]))?;
        Ok(())
    }

    /// Ends `exhibit up` cleanly.
    ///
    /// # Errors
    /// [`HarnessError::Failed`] when it did not end, or not with success.
    pub fn down(&mut self) -> Result<(), HarnessError> {
        let Some(mut child) = self.up.take() else {
            return Ok(());
        };
        let status = programs::end(&mut child)?;
        if status.success() {
            return Ok(());
        }
        Err(HarnessError::Failed {
            program: "exhibit up".to_owned(),
            said: format!("{status}\n{}", std::fs::read_to_string(self.log())?),
        })
    }

    /// Kills `exhibit up` where it stands.
    ///
    /// # Errors
    /// [`HarnessError::Io`].
    pub fn kill(&mut self) -> Result<(), HarnessError> {
        if let Some(mut child) = self.up.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// A command of `exhibit` for this deployment.
    ///
    /// # Errors
    /// [`HarnessError::Missing`].
    pub fn exhibit(&self) -> Result<Command, HarnessError> {
        let mut command = programs::command("exhibit")?;
        command.arg("--config").arg(self.config());
        Ok(command)
    }

    /// psql through the proxy, as the agent: quiet, unaligned, stopping at the first error, errors with their SQLSTATE.
    pub fn psql(&self) -> Command {
        psql(&self.proxy_url())
    }

    /// The same on the database itself, as its superuser.
    pub fn psql_direct(&self) -> Command {
        psql(&self.direct_url())
    }

    /// The database server.
    pub fn postgres(&self) -> &PrivatePostgres {
        &self.postgres
    }

    /// The same, to crash and restart it.
    pub fn postgres_mut(&mut self) -> &mut PrivatePostgres {
        &mut self.postgres
    }

    /// Where the ledger's API is.
    pub fn ledger_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ledger_port)
    }

    /// What is in the database.
    pub fn clinic(&self) -> &Clinic {
        &self.clinic
    }

    /// The deployment's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.directory.join("exhibit.toml")
    }

    /// What `exhibit up` logs.
    pub fn log(&self) -> PathBuf {
        self.directory.join("exhibit.log")
    }

    /// Its trust anchors.
    pub fn trust(&self) -> PathBuf {
        self.directory.join("trust.toml")
    }

    /// The approver's private key, without a passphrase.
    pub fn approver_key(&self) -> PathBuf {
        self.directory.join("secrets/approver")
    }

    /// The key of who reads the evidence, without a passphrase; the tool's configuration names it.
    pub fn reader_key(&self) -> PathBuf {
        self.directory.join("secrets/reader")
    }

    /// A libpq URL of the database itself.
    pub fn direct_url(&self) -> String {
        self.postgres.url(DATABASE)
    }

    /// A libpq URL of the database through the proxy.
    pub fn proxy_url(&self) -> String {
        let (port, key) = (self.proxy_port, &self.api_key);
        let authority = self.directory.join("tls/ca.pem").display().to_string();
        format!("postgresql://{AGENT}:{key}@127.0.0.1:{port}/{DATABASE}?sslmode=verify-full&sslrootcert={authority}")
    }

    /// The agent's API key.
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// The port of the proxy, on 127.0.0.1.
    pub fn proxy_port(&self) -> u16 {
        self.proxy_port
    }

    /// The `[proxy]` section of its configuration.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn proxy_config(&self) -> Result<exhibit_proxy::Config, HarnessError> {
        let file: toml::Table = toml::from_str(&std::fs::read_to_string(self.config())?).map_err(HarnessError::Toml)?;
        let proxy = file.get("proxy").cloned().unwrap_or(toml::Value::Boolean(false));
        let config: exhibit_proxy::Config = proxy.try_into().map_err(HarnessError::Toml)?;
        config.resolve(&self.directory).map_err(|error| HarnessError::Failed {
            program: "the configuration".to_owned(),
            said: error.to_string(),
        })
    }

    /// What `make stack` prints: how to reach each part.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn describe(&self) -> Result<serde_json::Value, HarnessError> {
        let trust: toml::Table = toml::from_str(&std::fs::read_to_string(self.trust())?).map_err(HarnessError::Toml)?;
        let key = trust.get("log").and_then(toml::Value::as_str);
        let exhibit = programs::path("exhibit")?;
        let export = format!("{} --config {} export ", exhibit.display(), self.config().display());
        let mut described = json!({
            "postgres": { "direct": self.direct_url(), "proxy": self.proxy_url() },
            "ledger": { "url": self.ledger_url(), "key": key },
            "config": self.config(),
            "policy": self.directory.join("policy.toml"),
            "approver_key": self.approver_key(),
            "reader_key": self.reader_key(),
            "export": export,
        });
        if let (Some(keys), Some(store)) = (described.as_object_mut(), self.describe_store()?) {
            keys.insert("s3".to_owned(), store);
        }
        Ok(described)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // A test that failed must not wait for a clean shutdown; `down` is for those that want to see one.
        drop(self.kill());
    }
}

fn psql(url: &str) -> Command {
    let mut command = Command::new("psql");
    command.arg(url).args([
        "--no-psqlrc",
        "--quiet",
        "--tuples-only",
        "--no-align",
        "--set=ON_ERROR_STOP=1",
        "--set=VERBOSITY=verbose",
    ]);
    command
}

/// Fills the server: the database, its owner, and what `sql` adds.
fn load(postgres: &PrivatePostgres, clinic: &Clinic, password: &str, options: &Options) -> Result<(), HarnessError> {
    let owned = if options.patients > 0 { " OWNER exhibit" } else { "" };
    let create = format!("CREATE ROLE exhibit LOGIN PASSWORD '{password}';\nCREATE DATABASE {DATABASE}{owned};\n");
    postgres.execute("postgres", &create)?;
    if let Some(sql) = &options.sql {
        postgres.execute_file(DATABASE, sql)?;
    }
    if options.patients > 0 {
        postgres.execute(DATABASE, &format!("SET ROLE exhibit;\n{}", clinic.sql))?;
    }
    Ok(())
}

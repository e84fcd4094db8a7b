//! A private PostgreSQL with TLS and SCRAM; dies with the test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PASSWORD: &str = "private-test-server";

pub(crate) struct Server {
    process: Child,
    port: u16,
    directory: tempfile::TempDir,
}

/// A lock that a session of the server's own holds while this is alive.
pub(crate) struct Lock(Child);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::launch(&bin(), &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    /// The same of PostgreSQL 18.
    pub(crate) fn start_18() -> Self {
        Self::launch(&tool("postgresql-18"), &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    /// The same with a certificate whose signature is of that algorithm.
    pub(crate) fn start_signed(algorithm: &'static rcgen::SignatureAlgorithm) -> Self {
        Self::launch(&bin(), algorithm)
    }

    fn launch(bin: &Path, algorithm: &'static rcgen::SignatureAlgorithm) -> Self {
        let directory = tempfile::Builder::new().prefix("exhibit-pg-").tempdir().unwrap();
        let path = directory.path();
        run(Command::new("chmod").arg("777").arg(path));
        std::fs::write(path.join("pw"), PASSWORD).unwrap();
        let data = path.join("data");
        let auth = [
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-sync",
            "--username=postgres",
        ];
        run(account(&bin.join("initdb"))
            .args(auth)
            .arg("--pwfile")
            .arg(path.join("pw"))
            .arg("-D")
            .arg(&data));
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        std::fs::write(path.join("server.pem"), certificate.pem()).unwrap();
        std::fs::write(path.join("server.key"), readable(&key)).unwrap();
        // The server takes a key that only its own account reads; its account makes the copy.
        run(account(Path::new("install"))
            .arg("-m600")
            .arg(path.join("server.key"))
            .arg(data.join("server.key")));
        run(account(Path::new("install"))
            .arg("-m600")
            .arg(path.join("server.pem"))
            .arg(data.join("server.crt")));
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut process = account(&bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
                "-c",
                "ssl=on",
            ])
            .args(["-c", &format!("port={port}"), "-c", "fsync=off"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let ready = log
            .by_ref()
            .any(|line| line.unwrap().contains("ready to accept connections"));
        assert!(ready, "PostgreSQL did not start");
        std::thread::spawn(move || log.for_each(drop));
        Self {
            process,
            port,
            directory,
        }
    }

    /// A libpq connection string of the server itself.
    pub(crate) fn address(&self) -> String {
        format!(
            "host=127.0.0.1 port={} user=postgres password={PASSWORD} dbname=postgres sslmode=require channel_binding=disable",
            self.port
        )
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn password() -> &'static str {
        PASSWORD
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs SQL directly.
    pub(crate) fn execute(&self, sql: &str) -> String {
        run(self.psql().args(["--set=ON_ERROR_STOP=1", "--command", sql]))
    }

    /// Locks a table until the value is dropped.
    pub(crate) fn lock(&self, table: &str) -> Lock {
        let mut holder = self
            .psql()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = holder.stdin.take().unwrap();
        writeln!(input, "BEGIN; LOCK TABLE {table}; SELECT 'locked';").unwrap();
        let output = BufReader::new(holder.stdout.take().unwrap());
        assert!(output.lines().any(|line| line.unwrap() == "locked"));
        holder.stdin = Some(input);
        Lock(holder)
    }

    /// Returns when some session waits for a lock.
    pub(crate) fn wait_for_lock(&self) {
        self.wait_for_locks(1);
    }

    /// Returns when so many sessions wait for locks.
    pub(crate) fn wait_for_locks(&self, count: usize) {
        while self.locks_waited_for() < count {
            std::thread::yield_now();
        }
    }

    /// How many sessions wait for locks.
    pub(crate) fn locks_waited_for(&self) -> usize {
        let count = self.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
        count.trim().parse().unwrap()
    }

    /// Sends the server's first process a signal.
    pub(crate) fn signal(&self, signal: &str) {
        run(Command::new("kill").args(["-s", signal, &self.process.id().to_string()]));
    }

    fn psql(&self) -> Command {
        let mut psql = Command::new("psql");
        psql.arg(self.address())
            .args(["--no-psqlrc", "--no-align", "--tuples-only", "--quiet"]);
        psql
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // At once, but not by SIGKILL: that leaves the server's segment of shared memory behind, and the system has only so many.
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = Command::new("kill")
                .args(["-QUIT", &self.process.id().to_string()])
                .status();
            let _ = self.process.wait();
        }
    }
}

/// The key as OpenSSL 3.0 reads it, which knows only the first version of PKCS #8 (RFC 5958, 2). Of an Ed25519 key that is a
/// fixed head and the seed (RFC 8410, 7).
fn readable(key: &rcgen::KeyPair) -> String {
    use base64::Engine as _;
    if !key.is_compatible(&rcgen::PKCS_ED25519) {
        return key.serialize_pem();
    }
    let head = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
    let first = [&head, &key.serialize_der()[16..48]].concat();
    let text = base64::engine::general_purpose::STANDARD.encode(first);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

fn bin() -> PathBuf {
    let found = (13..=18)
        .rev()
        .map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")))
        .find(|bin| bin.join("initdb").exists());
    found.expect("PostgreSQL is needed: apt-get install postgresql")
}

/// Where a tool lies that `scripts/postgresql18.sh` makes.
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/tools")
        .join(name);
    // The server's account may not be able to follow the link.
    path.canonicalize()
        .unwrap_or_else(|error| panic!("{}: {error}; run scripts/tools.sh test", path.display()))
}

/// A command as the user `postgres` when this is root, who may not run the server; it dies with its parent.
fn account(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if run(Command::new("id").arg("-u")).trim() == "0" {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.args(["--pdeathsig=KILL", "--"]).arg(program);
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

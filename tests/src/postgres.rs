//! A private PostgreSQL server: real, on a free port, with TLS and SCRAM, gone when the value is dropped.
//!
//! The server refuses to run as root, so a root caller runs it as `postgres` (or `nobody`). It dies with the thread that
//! started it (`setpriv --pdeathsig`), so a killed test leaves nothing behind.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::HarnessError;

/// Name of the superuser of a private server.
pub const SUPERUSER: &str = "postgres";

/// Where Debian puts the server's programs, newest first; `STACK_PG` names another place.
const BIN_DIRECTORIES: [&str; 4] = [
    "/usr/lib/postgresql/18/bin",
    "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/15/bin",
];

/// The line with which the server says that it is ready.
const READY: &str = "database system is ready to accept connections";

/// A running server.
pub struct PrivatePostgres {
    server: Child,
    account: Option<(u32, u32)>,
    bin: PathBuf,
    port: u16,
    password: String,
    directory: tempfile::TempDir,
}

impl PrivatePostgres {
    /// Makes a cluster and starts it; returns when it accepts connections.
    ///
    /// # Errors
    /// [`HarnessError`] when a program is missing or fails; its text holds what the program said.
    pub fn start() -> Result<Self, HarnessError> {
        Self::start_from(bin_directory()?)
    }

    /// The same with the programs of a directory.
    ///
    /// # Errors
    /// [`HarnessError`] when a program is missing or fails; its text holds what the program said.
    pub fn start_from(bin: PathBuf) -> Result<Self, HarnessError> {
        let directory = tempfile::Builder::new().prefix("exhibit-pg-").tempdir()?;
        let password = hex::encode(crate::random::<16>()?);
        let account = account()?;
        let data = directory.path().join("data");
        let secret = directory.path().join("password");
        crate::write(&secret, password.as_bytes())?;
        own(directory.path(), account)?;
        own(&secret, account)?;
        let mut initdb = as_account(account, &bin.join("initdb"));
        initdb
            .args([
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "--username",
                SUPERUSER,
            ])
            .arg("--pwfile")
            .arg(&secret)
            .arg("--pgdata")
            .arg(&data);
        crate::run(&mut initdb)?;
        certify(&data, account)?;
        let port = crate::free_port()?;
        let server = serve(&bin, directory.path(), port, account)?;
        Ok(Self {
            server,
            account,
            bin,
            port,
            password,
            directory,
        })
    }

    /// Crashes the server, as its machine could: every process of it ends at once, and nothing is written any more.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn crash(&mut self) -> Result<(), HarnessError> {
        crate::programs::signal(self.server.id(), crate::programs::Signal::Quit)?;
        self.server.wait()?;
        Ok(())
    }

    /// Starts it again after a crash, on the same port; returns when it has recovered and accepts connections.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn restart(&mut self) -> Result<(), HarnessError> {
        self.server = serve(&self.bin, self.directory.path(), self.port, self.account)?;
        Ok(())
    }

    /// The port, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The certificate of the authority that signed the server's certificate (names `localhost` and 127.0.0.1).
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("data/ca.crt")
    }

    /// The directory of the server's programs.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// A libpq URL of the server itself.
    pub fn url(&self, database: &str) -> String {
        let (port, password) = (self.port, &self.password);
        let authority = self.authority().display().to_string();
        format!(
            "postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}?sslmode=verify-full&sslrootcert={authority}"
        )
    }

    /// Runs SQL as the superuser, directly; stops at the first error.
    ///
    /// # Errors
    /// [`HarnessError`] with what psql said.
    pub fn execute(&self, database: &str, sql: &str) -> Result<String, HarnessError> {
        let file = self
            .directory
            .path()
            .join(format!("{}.sql", hex::encode(crate::random::<8>()?)));
        crate::write(&file, sql.as_bytes())?;
        let output = self.execute_file(database, &file);
        std::fs::remove_file(&file)?;
        output
    }

    /// Runs a file of SQL as the superuser, directly; stops at the first error.
    ///
    /// # Errors
    /// [`HarnessError`] with what psql said.
    pub fn execute_file(&self, database: &str, file: &Path) -> Result<String, HarnessError> {
        let mut psql = Command::new("psql");
        psql.arg(self.url(database))
            .args([
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--set=ON_ERROR_STOP=1",
                "--file",
            ])
            .arg(file);
        crate::run(&mut psql)
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // At once, but not by SIGKILL: that leaves the server's segment of shared memory behind, and the system has only so many.
        if matches!(self.server.try_wait(), Ok(None)) {
            let _ = self.crash();
        }
    }
}

/// Starts the server of a cluster, and waits until it accepts connections.
fn serve(bin: &Path, directory: &Path, port: u16, account: Option<(u32, u32)>) -> Result<Child, HarnessError> {
    let settings = [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        "ssl=on".to_owned(),
        "max_connections=1300".to_owned(),
        "log_destination=stderr".to_owned(),
        "logging_collector=off".to_owned(),
    ];
    let mut command = as_account(account, &bin.join("postgres"));
    command.arg("-D").arg(directory.join("data"));
    for setting in &settings {
        command.arg("-c").arg(setting);
    }
    let mut server = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let log = server.stderr.take().ok_or(HarnessError::Pipe)?;
    let log = wait_until_ready(BufReader::new(log))?;
    // The server stops when nobody reads its log and the pipe is full.
    std::thread::spawn(move || log.lines().for_each(drop));
    Ok(server)
}

fn bin_directory() -> Result<PathBuf, HarnessError> {
    let named = std::env::var_os("STACK_PG").map(PathBuf::from);
    let usual = BIN_DIRECTORIES.iter().map(PathBuf::from);
    let found = named
        .into_iter()
        .chain(usual)
        .find(|directory| directory.join("initdb").exists());
    found.ok_or(HarnessError::Missing {
        what: "PostgreSQL's initdb",
        hint: "apt-get install postgresql, or name its bin directory in STACK_PG",
    })
}

/// User and group id to run the server as; `None` when this process is not root.
fn account() -> Result<Option<(u32, u32)>, HarnessError> {
    use std::os::unix::fs::MetadataExt as _;
    if std::fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres")
        .or_else(|| find("nobody"))
        .map(Some)
        .ok_or(HarnessError::Missing {
            what: "an ordinary user to run PostgreSQL as",
            hint: "apt-get install postgresql makes the user `postgres`",
        })
}

fn own(path: &Path, account: Option<(u32, u32)>) -> Result<(), HarnessError> {
    if let Some((user, group)) = account {
        std::os::unix::fs::chown(path, Some(user), Some(group))?;
    }
    Ok(())
}

/// A command of the account that dies with the thread that starts it.
fn as_account(account: Option<(u32, u32)>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if let Some((user, group)) = account {
        command.args([
            format!("--reuid={user}"),
            format!("--regid={group}"),
            "--clear-groups".to_owned(),
        ]);
    }
    command
        .arg("--pdeathsig=KILL")
        .arg("--")
        .arg(program)
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/");
    command
}

/// Gives the cluster a certificate for `localhost` and 127.0.0.1 under an authority of its own.
fn certify(data: &Path, account: Option<(u32, u32)>) -> Result<(), HarnessError> {
    use std::os::unix::fs::PermissionsExt as _;
    let certified = crate::authority::certify(&["localhost", "127.0.0.1"])?;
    let files = [
        ("ca.crt", certified.authority),
        ("server.crt", certified.certificate),
        ("server.key", certified.key),
    ];
    for (name, text) in files {
        let path = data.join(name);
        crate::write(&path, text.as_bytes())?;
        own(&path, account)?;
    }
    std::fs::set_permissions(data.join("server.key"), std::fs::Permissions::from_mode(0o600))?;
    // Clients read the authority's certificate, so the way to it must be open to them; only the server can list the data.
    std::fs::set_permissions(data.join("ca.crt"), std::fs::Permissions::from_mode(0o644))?;
    Ok(())
}

/// Reads the server's log up to the line that says it is ready; gives the rest of the log.
fn wait_until_ready<R: std::io::Read>(mut log: BufReader<R>) -> Result<BufReader<R>, HarnessError> {
    let mut said = String::new();
    loop {
        let start = said.len();
        if log.read_line(&mut said)? == 0 {
            return Err(HarnessError::Failed {
                program: "postgres".to_owned(),
                said,
            });
        }
        if said.get(start..).is_some_and(|line| line.contains(READY)) {
            return Ok(log);
        }
    }
}

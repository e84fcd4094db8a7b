//! Client certificates that OpenSSL made, and credentials that are revoked while `exhibit up` runs, on the whole system.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails, in its helpers too"
)]

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use exhibit_tests::stack::{Options, Stack};

const POLICY: &str = r#"
version = 1
[[roles]]
name = "build"
match = { method = "client-certificate", issuer = "build", groups = ["pipelines"] }
[[roles]]
name = "keys"
match = { method = "api-key" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[rules]]
name = "reads"
roles = ["build", "keys"]
targets = ["clinic"]
actions = ["read", "session"]
effect = "allow"
"#;

/// What `openssl ca` needs to know.
const OPENSSL: &str = "[ca]\ndefault_ca = agents\n[agents]\ndatabase = index.txt\ncrlnumber = crlnumber\n\
    default_md = sha256\ndefault_crl_days = 30\npolicy = any\nserial = serial\nnew_certs_dir = .\n[any]\n\
    commonName = supplied\norganizationName = optional\n";

/// An authority of agents, as OpenSSL keeps one.
struct Authority(PathBuf);

impl Authority {
    fn new(directory: PathBuf) -> Self {
        std::fs::create_dir_all(&directory).unwrap();
        let authority = Self(directory);
        for (file, text) in [
            ("openssl.cnf", OPENSSL),
            ("index.txt", ""),
            ("crlnumber", "01\n"),
            ("serial", "01\n"),
        ] {
            exhibit_tests::write(&authority.place(file), text.as_bytes()).unwrap();
        }
        authority.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=agents",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ]);
        authority.list();
        authority
    }

    fn place(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn openssl(&self, arguments: &[&str]) {
        exhibit_tests::run(Command::new("openssl").args(arguments).current_dir(&self.0)).unwrap();
    }

    fn issue(&self, name: &str) {
        let (key, request, certificate) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
        let subject = format!("/O=pipelines/CN={name}");
        exhibit_tests::write(
            &self.place("client.ext"),
            b"extendedKeyUsage=clientAuth\nkeyUsage=digitalSignature\n",
        )
        .unwrap();
        self.openssl(&[
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", &subject, "-keyout", &key, "-out", &request,
        ]);
        self.openssl(&[
            "ca",
            "-batch",
            "-config",
            "openssl.cnf",
            "-cert",
            "ca.pem",
            "-keyfile",
            "ca.key",
            "-days",
            "7",
            "-notext",
            "-extfile",
            "client.ext",
            "-in",
            &request,
            "-out",
            &certificate,
        ]);
    }

    /// Revokes a certificate, and puts the new list in the place of the one that the proxy reads, whole.
    fn revoke(&self, name: &str) {
        let certificate = format!("{name}.pem");
        self.openssl(&[
            "ca",
            "-config",
            "openssl.cnf",
            "-cert",
            "ca.pem",
            "-keyfile",
            "ca.key",
            "-revoke",
            &certificate,
        ]);
        self.list();
    }

    fn list(&self) {
        self.openssl(&[
            "ca",
            "-config",
            "openssl.cnf",
            "-cert",
            "ca.pem",
            "-keyfile",
            "ca.key",
            "-gencrl",
            "-out",
            "next.crl",
        ]);
        std::fs::rename(self.place("next.crl"), self.place("agents.crl")).unwrap();
    }
}

/// psql with this before its address, and these variables.
fn psql(stack: &Stack, user: &str, variables: &[(&str, &Path)]) -> Command {
    let url = stack.proxy_url();
    let (_, place) = url.split_once('@').unwrap();
    let mut psql = Command::new("psql");
    psql.args(["-XAtqw", "-v", "ON_ERROR_STOP=1"])
        .arg(format!("postgresql://{user}@{place}"))
        .envs(variables.iter().copied())
        .env("PGCONNECT_TIMEOUT", "60");
    psql
}

fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

/// A psql that stays, and is given one statement after the other.
struct Talk {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    fn start(mut psql: Command) -> Self {
        let mut child = psql
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    fn ask(&mut self) -> String {
        writeln!(self.input, "SELECT 41 + 1;").unwrap();
        self.output.next().expect("psql answers").unwrap()
    }

    /// Asks until the session has ended; gives what psql said to that.
    fn ended(mut self) -> String {
        while writeln!(self.input, "SELECT 41 + 1;").is_ok() {
            if self.output.next().is_none() {
                break;
            }
        }
        drop(self.input);
        said(&self.child.wait_with_output().unwrap())
    }
}

#[test]
fn certificates_let_in_and_what_is_revoked_ends_while_the_proxy_runs() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path().join("authority"));
    authority.issue("nightly");
    authority.issue("weekly");
    let mut options = Options::new(&directory.path().join("deployment"));
    POLICY.clone_into(&mut options.policy);
    options.patients = 10;
    let mut stack = Stack::prepare(&options).unwrap();
    let section = format!(
        "\n[[proxy.certificates]]\nname = \"build\"\nca = \"{}\"\ncrl = \"{}\"\n",
        authority.place("ca.pem").display(),
        authority.place("agents.crl").display(),
    );
    let config = std::fs::read_to_string(stack.config()).unwrap() + &section;
    exhibit_tests::write(&stack.config(), config.as_bytes()).unwrap();
    stack.up().unwrap();

    let by = |name: &str| {
        let (certificate, key) = (
            authority.place(&format!("{name}.pem")),
            authority.place(&format!("{name}.key")),
        );
        psql(
            &stack,
            "certificate",
            &[("PGSSLCERT", &certificate), ("PGSSLKEY", &key)],
        )
    };
    let answer = by("weekly")
        .args(["-c", "SELECT count(*) FROM patients"])
        .output()
        .unwrap();
    assert_eq!(said(&answer).trim(), "10");

    // A certificate.
    let mut open = Talk::start(by("nightly"));
    assert_eq!(open.ask(), "42");
    authority.revoke("nightly");
    let told = open.ended();
    assert!(told.contains("what this session was opened with was revoked"), "{told}");
    let told = said(&by("nightly").args(["-c", "SELECT 1"]).output().unwrap());
    assert!(told.contains("revoked"), "{told}");
    let answer = by("weekly").args(["-c", "SELECT 41 + 1"]).output().unwrap();
    assert_eq!(said(&answer).trim(), "42");

    // An API key, which the proxy takes while it runs, and loses while it runs.
    let exhibit = |arguments: &[&str]| exhibit_tests::run(stack.exhibit().unwrap().args(arguments)).unwrap();
    let key = exhibit(&["key", "api", "hourly", "--target", "clinic", "--days", "1"]);
    let (id, _) = key.trim().strip_prefix("exk_").unwrap().split_once('_').unwrap();
    let listed: serde_json::Value = serde_json::from_str(&exhibit(&["key", "api-list", "--json"])).unwrap();
    let own = listed.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap();
    assert_eq!(
        (&own["subject"], &own["targets"][0]),
        (&"hourly".into(), &"clinic".into())
    );
    assert_eq!(own["expired"], false);
    let secret = PathBuf::from(key.trim());
    let hourly = || psql(&stack, "hourly", &[("PGPASSWORD", &secret)]);
    while !hourly().args(["-c", "SELECT 1"]).output().unwrap().status.success() {}
    let mut open = Talk::start(hourly());
    assert_eq!(open.ask(), "42");
    let told = exhibit(&["key", "api-revoke", id, "--reason", "found in a build log"]);
    assert!(told.contains("is revoked"), "{told}");
    let told = open.ended();
    assert!(told.contains("what this session was opened with was revoked"), "{told}");
    let told = said(&hourly().args(["-c", "SELECT 1"]).output().unwrap());
    assert!(told.contains("not known"), "{told}");
    assert!(!exhibit(&["key", "api-list"]).contains(id));
    let again = stack
        .exhibit()
        .unwrap()
        .args(["key", "api-revoke", "0000000000000000", "--reason", "x"])
        .output();
    assert!(said(&again.unwrap()).contains("there is no API key 0000000000000000"));

    let sessions = exhibit(&["sessions"]);
    let id = sessions.lines().find(|line| line.contains("weekly")).unwrap();
    let replay = exhibit(&["replay", id.split("  ").next().unwrap()]);
    assert!(replay.contains("proved by client-certificate of build"), "{replay}");
    stack.down().unwrap();
}

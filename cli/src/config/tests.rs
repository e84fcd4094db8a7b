//! Faults in every section: each error names the file, the line and, where there is one, the nearest right spelling.

use super::Config;

const GOOD: &str = r#"[client]
ledger = "https://127.0.0.1:1"
certificate = "tls/operator.pem"
key = "tls/operator.key"
ca = "tls/ca.pem"
trust = "trust.toml"

[ledger]
origin = "clinic.example/exhibit"
directory = "ledger"
listen = "127.0.0.1:7443"
tls = { certificate = "tls/ledger.pem", key = "tls/ledger.key", client_ca = "tls/ca.pem" }

[proxy]
directory = "proxy"
policy = "policy.toml"
api_keys = "api-keys.toml"
trust = "trust.toml"
ledger = { url = "https://127.0.0.1:7443", certificate = "a", key = "b", ca = "c" }

[[proxy.postgres]]
target = "clinic"
listen = "127.0.0.1:6432"
tls = { certificate = "tls/proxy.pem", key = "tls/proxy.key" }
server = { host = "127.0.0.1", port = 5432, user = "exhibit", password_file = "p", tls = "verify-full", ca = "d" }

[[proxy.postgres]]
target = "billing"
listen = "127.0.0.1:6433"
tls = { certificate = "tls/proxy.pem", key = "tls/proxy.key" }
server = { host = "db.example", port = 5432, user = "exhibit", password_file = "p", tls = "verify-ca", ca = "d" }
"#;

/// Reads every section; what is said of the first that is refused, without the directory.
fn read(text: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("exhibit.toml");
    crate::files::create(&path, text.as_bytes(), 0o600).unwrap();
    let read = || -> Result<(), super::ConfigError> {
        let config = Config::read(&path)?;
        config.client()?;
        config.ledger()?;
        config.proxy()?;
        Ok(())
    };
    let place = format!("{}/", directory.path().display());
    read().map_err(|error| error.to_string().replace(&place, ""))
}

fn check(from: &str, to: &str, line: usize, wanted: &str) {
    assert!(GOOD.contains(from), "{from}");
    let error = read(&GOOD.replacen(from, to, 1)).unwrap_err();
    assert!(
        error.starts_with(&format!("exhibit.toml, line {line}: ")) && error.contains(wanted),
        "{from} -> {to}: {error}"
    );
}

#[test]
fn a_good_file_is_taken() {
    assert_eq!(read(GOOD), Ok(()));
}

#[test]
fn unknown_names_are_refused_with_their_line_and_the_nearest_spelling() {
    check("[client]", "[cleint]", 1, "did you mean `client`?");
    check("[ledger]", "[ledgr]", 8, "did you mean `ledger`?");
    check("[proxy]", "[proxi]", 14, "did you mean `proxy`?");
    check("ledger = \"https", "leger = \"https", 2, "did you mean `ledger`?");
    check(
        "certificate = \"tls/operator",
        "certificat = \"tls/operator",
        3,
        "did you mean `certificate`?",
    );
    check("origin", "orign", 9, "did you mean `origin`?");
    check("client_ca", "clientca", 12, "did you mean `client_ca`?");
    check("key = \"tls/ledger", "keys = \"tls/ledger", 12, "did you mean `key`?");
    check("policy", "polizy", 16, "did you mean `policy`?");
    check("api_keys", "api-keys", 17, "did you mean `api_keys`?");
    check("url", "uri", 19, "did you mean `url`?");
    check(
        "[[proxy.postgres]]",
        "[[proxy.postgre]]",
        21,
        "did you mean `postgres`?",
    );
    check(
        "target = \"billing\"",
        "tagret = \"billing\"",
        28,
        "did you mean `target`?",
    );
    check(
        "port = 5432, user = \"exhibit\", password_file = \"p\", tls = \"verify-ca",
        "prt = 1, tls = \"off",
        31,
        "did you mean `port`?",
    );
    check("password_file", "pasword_file", 25, "did you mean `password_file`?");
    check("verify-full", "verifyfull", 25, "did you mean `verify-full`?");
    check("verify-ca", "verify-cert", 31, "did you mean `verify-ca`?");
}

#[test]
fn values_that_cannot_be_are_refused_with_their_line() {
    check(
        "127.0.0.1:7443\"\ntls",
        "127.0.0.1\"\ntls",
        11,
        "invalid socket address",
    );
    check("\"ledger\"\nlisten", "7\nlisten", 10, "invalid type");
    check("127.0.0.1:6433", "localhost", 29, "invalid socket address");
    check("port = 5432", "port = 65536", 25, "65536");
    check("directory = \"proxy\"\n", "", 14, "missing field `directory`");
    check("target = \"billing\"\n", "", 27, "missing field `target`");
    check("origin = \"clinic.example/exhibit\"", "origin = \"clinic", 9, "");
    check(
        "key = \"tls/operator.key\"",
        "key = \"a\"\nkey = \"b\"",
        5,
        "duplicate key",
    );
}

#[test]
fn what_does_not_fit_together_is_refused_at_its_listener() {
    check("6433", "6432", 27, "127.0.0.1:6432 is listened on twice");
    check(
        ", tls = \"verify-full\", ca = \"d\"",
        ", tls = \"verify-full\"",
        21,
        "give `ca` exactly when",
    );
    check(
        "tls = \"verify-ca\", ca = \"d\"",
        "tls = \"off\"",
        27,
        "only for a loopback address",
    );
}

#[test]
fn a_missing_section_is_named() {
    for (section, name) in [("[client]", "client"), ("[ledger]", "ledger"), ("[proxy]", "proxy")] {
        let start = GOOD.find(section).unwrap();
        let rest = GOOD.split_at(start).1;
        let end = rest
            .find("\n\n[")
            .map_or(rest.len(), |end| if name == "proxy" { rest.len() } else { end });
        let text = GOOD.replace(rest.split_at(end).0, "");
        let wanted = format!("exhibit.toml has no [{name}] section");
        assert_eq!(read(&text), Err(wanted));
    }
}

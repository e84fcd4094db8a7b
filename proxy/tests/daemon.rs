//! The daemon from outside: a file that it refuses is named, with the line where it has one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

use std::path::Path;
use std::process::Command;

const CONFIG: &str = r#"[proxy]
directory = "proxy"
policy = "policy.toml"
api_keys = "api-keys.toml"
trust = "trust.toml"
ledger = { url = "https://127.0.0.1:1", certificate = "proxy.pem", key = "proxy.key", ca = "ca.pem" }
[[proxy.postgres]]
target = "clinic"
listen = "127.0.0.1:0"
tls = { certificate = "proxy.pem", key = "proxy.key" }
server = { host = "127.0.0.1", port = 5432, user = "exhibit", password_file = "p", tls = "off" }
[ledger]
anything = "is read by its own program"
"#;

/// Exit code, and what was said without the directory.
fn serve(directory: &Path, config: &str) -> (Option<i32>, String) {
    let path = directory.join("exhibit.toml");
    write(&path, config);
    let output = Command::new(env!("CARGO_BIN_EXE_exhibit-proxy"))
        .args(["serve", "--config"])
        .arg(path)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (
        output.status.code(),
        said.replace(&format!("{}/", directory.display()), ""),
    )
}

#[expect(clippy::disallowed_methods, reason = "a test's own file")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_configuration_that_is_refused_is_named_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let check = |from: &str, to: &str, wanted: &str| {
        assert!(CONFIG.contains(from), "{from}");
        let (code, said) = serve(directory.path(), &CONFIG.replacen(from, to, 1));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(wanted) && !said.contains('\u{1b}'), "{said}");
    };
    check("policy =", "polizy =", "exhibit.toml, line 3: unknown field `polizy`");
    check("policy =", "polizy =", "did you mean `policy`?");
    check("listen", "listne", "exhibit.toml, line 9: unknown field `listne`");
    check("\"off\"", "\"of\"", "did you mean `off`?");
    check(
        "\"off\"",
        "\"verify-ca\"",
        "exhibit.toml, line 7: proxy.postgres: target `clinic`: give `ca`",
    );
    check("ledger = {", "# {", "exhibit.toml, line 1: `ledger` is missing");
    check("[ledger]", "[ledgr]", "exhibit.toml, line 12: unknown field `ledgr`");
    let (code, said) = serve(directory.path(), "");
    assert_eq!(code, Some(2));
    assert!(said.contains("exhibit.toml has no [proxy] section"), "{said}");
}

#[test]
fn a_tls_file_towards_the_ledger_that_holds_nothing_is_named() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("ca.pem"), "");
    let (code, said) = serve(directory.path(), CONFIG);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("proxy.ledger: ca.pem is empty"), "{said}");
}

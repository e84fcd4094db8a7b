//! The daemon from outside: a configuration that it refuses is named, and ends it before anything is opened.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

use std::path::Path;
use std::process::Command;

const CONFIG: &str = r#"[ledger]
origin = "clinic.example/exhibit"
directory = "ledger"
listen = "127.0.0.1:0"
tls = { certificate = "ledger.pem", key = "ledger.key", client_ca = "ca.pem" }
[proxy]
anything = "is read by its own program"
"#;

/// Exit code, and what was said without the directory.
fn serve(directory: &Path, config: &str) -> (Option<i32>, String) {
    let path = directory.join("exhibit.toml");
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::write(&path, config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_exhibit-ledger"))
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

#[test]
fn a_configuration_that_is_refused_is_named_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let check = |from: &str, to: &str, wanted: &str| {
        assert!(CONFIG.contains(from), "{from}");
        let (code, said) = serve(directory.path(), &CONFIG.replacen(from, to, 1));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(wanted) && !said.contains('\u{1b}'), "{said}");
    };
    check("origin", "orign", "exhibit.toml, line 2: unknown field `orign`");
    check("origin", "orign", "did you mean `origin`?");
    check("[proxy]", "[proxi]", "exhibit.toml, line 6: unknown field `proxi`");
    check("127.0.0.1:0", "here", "exhibit.toml, line 4: invalid socket address");
    check("[ledger]", "[client]", "exhibit.toml has no [ledger] section");
    assert!(!directory.path().join("ledger").exists());
}

#[test]
fn a_tls_file_that_holds_nothing_is_named_before_anything_is_opened() {
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (own, other) = (made(), made());
    let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        std::fs::write(directory.path().join(name), text).unwrap();
    };
    let check = |name: &str, text: &str, wanted: &str| {
        for (good, content) in [
            ("ledger.pem", &certificate),
            ("ledger.key", &key),
            ("ca.pem", &certificate),
        ] {
            write(good, content);
        }
        write(name, text);
        let (code, said) = serve(directory.path(), CONFIG);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(&format!("{name} {wanted}")), "{said}");
    };
    check("ca.pem", "", "is empty; it should hold a certificate");
    check("ca.pem", "no PEM at all", "holds no certificate");
    check("ca.pem", &key, "holds no certificate in PEM form, but a private key");
    check("ledger.pem", "\n", "is empty; it should hold a certificate");
    check(
        "ledger.key",
        &certificate,
        "holds no private key in PEM form, but a certificate",
    );
    let other = other.signing_key.serialize_pem();
    check(
        "ledger.key",
        &other,
        "is not the key of the first certificate in ledger.pem",
    );
    assert!(!directory.path().join("ledger").exists());
}

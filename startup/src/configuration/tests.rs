//! Every fault names the file, the line and, where there is one, the nearest right spelling.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;

use super::{ConfigurationError, FILE_BYTES_MAX, File, Step};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Whole {
    ledger: Option<Ledger>,
    #[serde(default)]
    listeners: Vec<Ledger>,
    other: Option<BTreeMap<String, u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
struct Ledger {
    origin: String,
    listen: SocketAddr,
    tls: Tls,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Tls {
    VerifyFull,
    Off,
}

fn file(text: &[u8]) -> (tempfile::TempDir, Result<File, ConfigurationError>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("exhibit.toml");
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::write(&path, text).unwrap();
    let read = File::read(&path);
    (directory, read)
}

/// What is said of a text, without the directory.
fn refused(text: &str) -> String {
    let (directory, file) = file(text.as_bytes());
    let error = file.unwrap().parse::<Whole>().unwrap_err().to_string();
    error.replace(&format!("{}/", directory.path().display()), "")
}

const GOOD: &str = "\
[ledger]
origin = \"o\"
listen = \"127.0.0.1:1\"
tls = \"verify-full\"

[[listeners]]
origin = \"o\"
listen = \"127.0.0.1:1\"
tls = \"off\"

[[listeners]]
origin = \"p\"
listen = \"127.0.0.1:2\"
tls = \"off\"
";

#[test]
fn a_fault_is_named_with_its_line_and_the_nearest_spelling() {
    file(GOOD.as_bytes()).1.unwrap().parse::<Whole>().unwrap();
    let check = |from: &str, to: &str, line: usize, wanted: &str| {
        assert!(GOOD.contains(from), "{from}");
        let error = refused(&GOOD.replacen(from, to, 1));
        let place = format!("exhibit.toml, line {line}: ");
        assert!(error.starts_with(&place) && error.contains(wanted), "{to}: {error}");
        assert!(!error.contains('\n'), "{error}");
    };
    check("[ledger]", "[ledgr]", 1, "did you mean `ledger`?");
    check("origin", "orign", 2, "did you mean `origin`?");
    check("listen =", "listn =", 3, "did you mean `listen`?");
    check("127.0.0.1:1", "nowhere", 3, "invalid socket address");
    check("\"127.0.0.1:1\"", "5", 3, "invalid type");
    check("verify-full", "verify_full", 4, "did you mean `verify-full`?");
    check("verify-full", "insecure", 4, "unknown variant");
    check("\"off\"\n\n", "\"of\"\n\n", 9, "did you mean `off`?");
    check("\"p\"", "\"p\"\norigin = \"q\"", 13, "duplicate key");
    check("\"p\"", "\"p", 12, "");
    check("tls = \"off\"\n\n[[", "\n[[", 6, "missing field `tls`");
    check("origin = \"p\"", "origin = \"p\"\nport = 1", 13, "unknown field `port`");
}

#[test]
fn a_place_has_the_line_of_its_deepest_part() {
    use Step::{Element, Key};

    let (_directory, file) = file(format!("{GOOD}\n[other]\na = 1\nlist = [\n  1,\n  2,\n]\n").as_bytes());
    let file = file.unwrap();
    let check = |place: &[Step], wanted: usize| match file.refuse(place, "no") {
        ConfigurationError::Refused { line, .. } => assert_eq!(line, wanted, "{place:?}"),
        error => panic!("{error}"),
    };
    check(&[Key("ledger")], 1);
    check(&[Key("ledger"), Key("tls")], 4);
    check(&[Key("ledger"), Key("nothing")], 1);
    check(&[Key("listeners"), Element(0)], 6);
    check(&[Key("listeners"), Element(1)], 11);
    check(&[Key("listeners"), Element(1), Key("listen")], 13);
    check(&[Key("listeners"), Element(2)], 6);
    check(&[Key("other"), Key("list"), Element(1)], 20);
    check(&[Key("nothing")], 1);
    check(&[Element(0)], 1);
    check(&[], 1);
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let error = File::read(std::path::Path::new("nowhere.toml")).unwrap_err();
    assert!(error.to_string().starts_with("nowhere.toml: "), "{error}");
    let error = file(b"a = 1\n# \xff").1.unwrap_err().to_string();
    assert!(error.ends_with("exhibit.toml, line 2: it is not UTF-8 text"), "{error}");
    assert!(file(&vec![b'\n'; FILE_BYTES_MAX]).1.is_ok());
    let error = file(&vec![b'\n'; FILE_BYTES_MAX + 1]).1.unwrap_err();
    assert!(matches!(error, ConfigurationError::TooLong { .. }), "{error}");
    let error = file(b"").1.unwrap().missing("ledger").to_string();
    assert!(error.ends_with("exhibit.toml has no [ledger] section"), "{error}");
}

#[test]
fn paths_are_relative_to_the_directory_of_the_file() {
    let (directory, file) = file(b"");
    assert_eq!(file.unwrap().directory(), directory.path());
    let here = File {
        path: "exhibit.toml".into(),
        text: String::new(),
    };
    assert_eq!(here.directory(), std::path::Path::new("."));
}

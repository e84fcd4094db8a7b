//! What is read, which keys are taken, and which domain is meant.

use std::collections::BTreeSet;

use exhibit_policy::mask::MaskKey;
use exhibit_policy::patients;
use exhibit_proxy::mask_key;
use exhibit_schemas::event::trust::MaskKeyId;

use super::{IDENTIFIER_BYTES_MAX, IDENTIFIERS_MAX, Token, domain, keys, read_identifiers, tokens};
use crate::files::{self, SECRET};

#[test]
fn identifiers_are_lines_and_never_told_again() {
    let read = |text: &str| {
        let lines = read_identifiers(text.as_bytes()).map_err(|error| error.to_string())?;
        let text = |line: &zeroize::Zeroizing<Vec<u8>>| String::from_utf8(line.to_vec()).unwrap();
        Ok::<Vec<String>, String>(lines.iter().map(text).collect())
    };
    assert_eq!(
        read("17\n18\r\n 19 "),
        Ok(vec!["17".into(), "18".into(), " 19 ".into()])
    );
    assert!(read("").unwrap_err().contains("is empty"));
    let refused = read("17\n\n18").unwrap_err();
    assert!(refused.contains("line 2"), "{refused}");
    let longest = "7".repeat(IDENTIFIER_BYTES_MAX);
    assert_eq!(read(&longest), Ok(vec![longest.clone()]));
    let refused = read(&format!("{longest}7")).unwrap_err();
    assert!(refused.contains("line 1") && !refused.contains("77"), "{refused}");
    assert_eq!(read(&"7\n".repeat(IDENTIFIERS_MAX)).unwrap().len(), IDENTIFIERS_MAX);
    assert!(read(&"7\n".repeat(IDENTIFIERS_MAX + 1)).is_err());
}

#[test]
fn every_key_that_is_there_is_asked_and_the_others_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let id = |seed: u8| MaskKey::new([seed; 32]).id();
    let put = |path: &std::path::Path, seed: u8, replaced: &[MaskKeyId]| {
        files::replace(path, mask_key::file(&[seed; 32], replaced).as_bytes(), SECRET).unwrap();
    };
    put(&directory.path().join(mask_key::FILE), 3, &[id(2), id(1)]);
    files::make_directory(&directory.path().join(mask_key::RETIRED)).unwrap();
    put(&mask_key::retired(directory.path(), id(1)), 1, &[]);
    let (found, lost) = keys(directory.path()).unwrap();
    assert_eq!(found.iter().map(MaskKey::id).collect::<Vec<_>>(), [id(3), id(1)]);
    assert_eq!(lost, [id(2)]);
    let made = tokens(&found, "patient", b"17");
    assert_eq!(made.len(), 2);
    assert_eq!(made[1].key, id(1).to_string());
    assert_eq!(
        made[1].token,
        patients::token(&MaskKey::new([1; 32]), "patient", b"17").to_string()
    );
    assert_ne!(made[0].token, made[1].token);
    // The key that took the place of a lost one names no other; the files say which there were.
    put(&directory.path().join(mask_key::FILE), 3, &[id(2)]);
    let (found, lost) = keys(directory.path()).unwrap();
    assert_eq!(found.iter().map(MaskKey::id).collect::<Vec<_>>(), [id(3), id(1)]);
    assert_eq!(lost, [id(2)]);
    // A file that holds another key than its name says is not taken for it.
    put(&mask_key::retired(directory.path(), id(2)), 9, &[]);
    let refused = keys(directory.path()).unwrap_err().to_string();
    assert!(refused.contains(&id(9).to_string()), "{refused}");
}

#[test]
fn the_domain_is_said_where_there_are_several() {
    let meant = |known: &[&'static str], wanted: Option<&str>| {
        let arguments = Token {
            target: "clinic".into(),
            domain: wanted.map(str::to_owned),
            json: false,
        };
        domain(&known.iter().copied().collect::<BTreeSet<_>>(), &arguments).map_err(|error| error.to_string())
    };
    assert_eq!(meant(&["a"], None), Ok("a"));
    assert_eq!(meant(&["a", "b"], Some("b")), Ok("b"));
    assert!(meant(&[], None).unwrap_err().contains("names no patients"));
    assert!(meant(&[], Some("a")).unwrap_err().contains("names no patients"));
    assert!(meant(&["a", "b"], None).unwrap_err().contains("a, b"));
    assert!(meant(&["a"], Some("c")).unwrap_err().contains("`c`"));
}

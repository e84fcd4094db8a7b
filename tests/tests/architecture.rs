//! The arrows of the design, read from `cargo metadata`: who may depend on whom, and what stays out of which tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Every arrow between our crates that may be; dependencies of tests count too.
const ARROWS: &[(&str, &[&str])] = &[
    ("exhibit-schemas", &[]),
    // How every program starts; the ledger and the proxies share it, and through it nothing of each other.
    ("exhibit-startup", &[]),
    ("exhibit-policy", &["exhibit-schemas"]),
    // Pure: what objects hold is read here for every protocol, and masked by the policy.
    ("exhibit-documents", &["exhibit-policy", "exhibit-schemas"]),
    ("exhibit-gate", &["exhibit-policy", "exhibit-schemas"]),
    ("exhibit-identity", &["exhibit-schemas", "exhibit-startup"]),
    (
        "exhibit-postgres",
        &[
            "exhibit-gate",
            "exhibit-identity",
            "exhibit-policy",
            "exhibit-schemas",
            "exhibit-startup",
        ],
    ),
    // As the protocol before it; what objects hold is read by a crate of its own.
    (
        "exhibit-s3",
        &[
            "exhibit-documents",
            "exhibit-gate",
            "exhibit-identity",
            "exhibit-policy",
            "exhibit-schemas",
            "exhibit-startup",
        ],
    ),
    (
        "exhibit-proxy",
        &[
            "exhibit-gate",
            "exhibit-identity",
            "exhibit-policy",
            "exhibit-postgres",
            "exhibit-s3",
            "exhibit-schemas",
            "exhibit-startup",
        ],
    ),
    // The index is inside the ledger: a crate of its own so that tantivy stays in one place.
    ("exhibit-search", &["exhibit-schemas"]),
    // Tokens of readers are checked by the code that checks those of agents; the ledger has nothing else of the proxies.
    (
        "exhibit-ledger",
        &[
            "exhibit-identity",
            "exhibit-schemas",
            "exhibit-search",
            "exhibit-startup",
        ],
    ),
    // What was released of an object is read again by the code that read it when it was masked.
    (
        "exhibit-verify",
        &["exhibit-documents", "exhibit-policy", "exhibit-schemas"],
    ),
    // The verifier's command line with a typesetter: nothing of ours imports it, so nothing else of ours links one.
    ("exhibit-verify-pdf", &["exhibit-verify"]),
    // `exhibit up` runs proxy and ledger in one process; they still speak the wire protocol. `exhibit policy diff` decides
    // again what a verified log holds.
    (
        "exhibit",
        &[
            "exhibit-gate",
            "exhibit-identity",
            "exhibit-ledger",
            "exhibit-policy",
            "exhibit-proxy",
            "exhibit-schemas",
            "exhibit-startup",
            "exhibit-verify",
        ],
    ),
    (
        "exhibit-tests",
        &[
            "exhibit-documents",
            "exhibit-gate",
            "exhibit-identity",
            "exhibit-ledger",
            "exhibit-policy",
            "exhibit-postgres",
            "exhibit-proxy",
            "exhibit-s3",
            "exhibit-schemas",
            "exhibit-search",
            "exhibit-verify",
        ],
    ),
];

/// Sockets, asynchronous runtimes and TLS: the verifier reads files on a machine without a network.
const NETWORK: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "mio",
    "socket2",
    "hyper",
    "axum",
    "reqwest",
    "ureq",
    "rustls",
    "native-tls",
    "openssl",
];

/// Crates that speak one protocol of an agent.
const PROTOCOLS: &[&str] = &["proxy/postgres", "proxy/s3", "proxy/kubernetes"];

/// Names through which a protocol could decide by itself, or read a value by itself.
const NOT_IN_PROTOCOLS: &[&str] = &[
    "decide::decide",
    "explain::explain",
    "snapshot::Rule",
    "snapshot::Role",
    "policy::detect",
    "DecisionRecord {",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn metadata() -> Metadata {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        // What this platform builds is what was downloaded; the test asks no network.
        .other_options([
            "--locked".to_owned(),
            "--offline".to_owned(),
            "--filter-platform".to_owned(),
            platform,
        ])
        .exec()
        .expect("cargo describes the workspace")
}

#[test]
fn our_crates_depend_on_each_other_only_along_the_arrows() {
    let metadata = metadata();
    let ours: BTreeSet<_> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let known: BTreeSet<_> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(ours, known, "every crate of the workspace has its line in ARROWS");
    for package in metadata.workspace_packages() {
        let (_, allowed) = ARROWS
            .iter()
            .find(|(name, _)| **name == *package.name)
            .expect("compared above");
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| ours.contains(&dependency.name))
        {
            assert!(
                allowed.contains(&dependency.name.as_str()),
                "{} may not depend on {}",
                package.name,
                dependency.name
            );
        }
    }
}

#[test]
fn only_the_index_knows_tantivy() {
    for package in metadata().workspace_packages() {
        let knows = package
            .dependencies
            .iter()
            .any(|dependency| dependency.name == "tantivy");
        assert_eq!(knows, *package.name == "exhibit-search", "{}", package.name);
    }
}

#[test]
fn only_the_program_that_sets_pages_knows_a_typesetter() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let tree = tree(&metadata, &package.name);
        let knows = tree.iter().any(|id| metadata[id].name.starts_with("typst"));
        assert_eq!(knows, *package.name == "exhibit-verify-pdf", "{}", package.name);
    }
}

#[test]
fn the_verifier_and_what_it_reads_with_have_no_network() {
    let metadata = metadata();
    let names = |id: &PackageId| metadata[id].name.to_string();
    for start in [
        "exhibit-verify",
        "exhibit-verify-pdf",
        "exhibit-schemas",
        "exhibit-policy",
        "exhibit-documents",
    ] {
        let tree: BTreeSet<_> = tree(&metadata, start).iter().map(names).collect();
        assert!(tree.contains("serde"), "the tree of {start} was walked");
        let found: Vec<_> = NETWORK.iter().filter(|name| tree.contains(**name)).collect();
        assert!(found.is_empty(), "{start} pulls in {found:?}");
    }
    // The walk does find them where they are.
    let ledger: BTreeSet<_> = tree(&metadata, "exhibit-ledger").iter().map(names).collect();
    assert!(["tokio", "hyper", "rustls"].iter().all(|name| ledger.contains(*name)));
}

/// Everything that a crate is built with, tests aside.
fn tree(metadata: &Metadata, name: &str) -> BTreeSet<PackageId> {
    let resolve = metadata.resolve.as_ref().expect("cargo resolves the workspace");
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let packages = metadata.workspace_packages();
    let start = packages
        .iter()
        .find(|package| *package.name == name)
        .expect("a crate of ours");
    let mut seen = BTreeSet::new();
    let mut next = vec![start.id.clone()];
    while let Some(id) = next.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let dependencies = nodes.get(&id).expect("every package has a node").deps.iter();
        let built_in = dependencies.filter(|dependency| {
            dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind != DependencyKind::Development)
        });
        next.extend(built_in.map(|dependency| dependency.pkg.clone()));
    }
    seen
}

#[test]
fn protocols_leave_decisions_to_the_policy() {
    let mut read = 0;
    for protocol in PROTOCOLS
        .iter()
        .map(|path| root().join(path).join("src"))
        .filter(|path| path.exists())
    {
        for file in sources(&protocol) {
            let text = std::fs::read_to_string(&file).expect("it reads");
            read += 1;
            for name in NOT_IN_PROTOCOLS {
                assert!(!text.contains(name), "{} names {name}", file.display());
            }
        }
    }
    assert!(read > 0, "there is a protocol to look at");
}

/// Ways by which bytes that no mask has seen become part of what is released, and the files that may use them. Each of them is as much of
/// the argument that nothing else comes out as the policy's own code is.
const UNMASKED: &[(&[&str], &[&str])] = &[
    (
        &[".structure(", "DocumentMasker::structure"],
        &[
            "documents/src/hl7.rs",
            "documents/src/json.rs",
            "documents/src/lines.rs",
            "documents/src/masker.rs",
            "documents/src/table.rs",
            "documents/src/text.rs",
        ],
    ),
    (
        &["Masked::framing", "Masked::<Frame>::framing"],
        &[
            "postgres/src/copy.rs",
            "postgres/src/notified.rs",
            "postgres/src/reply.rs",
            "postgres/src/session.rs",
            "s3/src/reply.rs",
            "s3/src/reply/object.rs",
            "s3/src/reply/stream.rs",
            "s3/src/session/deciding.rs",
        ],
    ),
    (
        &[".framed(", "Masked::framed", "Masked::<Frame>::framed"],
        &[
            "documents/src/masker.rs",
            "postgres/src/copy.rs",
            "postgres/src/reply.rs",
        ],
    ),
];

#[test]
fn bytes_that_no_mask_has_seen_are_released_by_named_files_alone() {
    let mut found = vec![BTreeSet::new(); UNMASKED.len()];
    for crate_of in std::fs::read_dir(root().join("proxy")).expect("it lists") {
        let source = crate_of.expect("an entry").path().join("src");
        // The policy is where they are made.
        if !source.exists() || source.ends_with("policy/src") {
            continue;
        }
        for file in sources(&source) {
            let text = std::fs::read_to_string(&file).expect("it reads");
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let lines = || code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let name = file.strip_prefix(root().join("proxy")).expect("it is below");
            for ((words, _), found) in UNMASKED.iter().zip(&mut found) {
                if lines().any(|line| words.iter().any(|word| line.contains(word))) {
                    found.insert(name.display().to_string());
                }
            }
        }
    }
    for ((words, files), found) in UNMASKED.iter().zip(found) {
        let allowed: BTreeSet<String> = files.iter().map(|file| (*file).to_owned()).collect();
        assert_eq!(found, allowed, "{words:?}");
    }
}

/// Rust files below a directory, tests aside.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("it lists") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "tests" {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && name != "tests.rs" {
            files.push(path);
        }
    }
    files
}

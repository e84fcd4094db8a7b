//! The harness's own parts work: a private PostgreSQL starts, holds the clinic and goes away, and a stack's store is where it says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

use std::process::Command;

use exhibit_tests::ceph::Ceph;
use exhibit_tests::clinic::{Clinic, SEED};
use exhibit_tests::postgres::PrivatePostgres;
use exhibit_tests::stack::{LAKE_POLICY, Options, POLICY, Stack};

#[test]
fn a_private_server_holds_the_clinic_and_ends_with_its_value() {
    let server = PrivatePostgres::start().unwrap();
    let clinic = Clinic::generate(SEED, 200);
    server.execute("postgres", &clinic.sql).unwrap();
    let counts = "SELECT (SELECT count(*) FROM patients), (SELECT count(*) FROM encounters),
                         (SELECT count(*) FROM notes), (SELECT count(*) FROM claims)";
    assert_eq!(server.execute("postgres", counts).unwrap().trim(), "200|400|400|400");
    let canary = clinic.canaries.iter().find(|canary| canary.starts_with("MRN")).unwrap();
    let found = format!("SELECT count(*) FROM notes WHERE body LIKE '%{canary}%'");
    assert_eq!(server.execute("postgres", &found).unwrap().trim(), "2");
    let refused = server
        .execute("postgres", "SELECT * FROM nowhere")
        .unwrap_err()
        .to_string();
    assert!(refused.contains("nowhere"), "{refused}");
    let port = server.port();
    drop(server);
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

/// What `make stack` prints of the store is what the AWS CLI needs, past the proxy and through it.
#[test]
fn a_stack_says_how_its_store_is_reached() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(&directory.path().join("deployment"));
    (options.patients, options.policy) = (0, format!("{POLICY}\n{LAKE_POLICY}"));
    options.store = Some(Ceph::shared().unwrap());
    let mut stack = Stack::start(&options).unwrap();
    let described = stack.describe().unwrap();
    let store = described.get("s3").unwrap();
    let aws = |way: &str, arguments: &[&str]| {
        let text = |name: &str| store.pointer(&format!("/{way}/{name}")).unwrap().as_str().unwrap();
        let mut command = Command::new(exhibit_tests::drivers().unwrap().join("venv/bin/aws"));
        command.args(arguments).env("AWS_CONFIG_FILE", "/dev/null");
        command.env("AWS_ACCESS_KEY_ID", text("access_key"));
        command.env("AWS_SECRET_ACCESS_KEY", text("secret_key"));
        command.env("AWS_REGION", text("region"));
        command.env("AWS_ENDPOINT_URL_S3", text("endpoint"));
        exhibit_tests::run(command.env("AWS_CA_BUNDLE", text("ca"))).unwrap()
    };
    let file = directory.path().join("a.txt");
    exhibit_tests::write(&file, b"by the proxy").unwrap();
    aws("direct", &["s3", "mb", "s3://harness-stack"]);
    aws(
        "proxy",
        &["s3", "cp", file.to_str().unwrap(), "s3://harness-stack/a.txt"],
    );
    assert_eq!(
        aws("direct", &["s3", "cp", "s3://harness-stack/a.txt", "-"]),
        "by the proxy"
    );
    let sessions = exhibit_tests::run(stack.exhibit().unwrap().arg("sessions")).unwrap();
    assert_eq!(sessions.lines().count(), 1, "{sessions}");
    stack.down().unwrap();
}

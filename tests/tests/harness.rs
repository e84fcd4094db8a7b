//! The harness's own parts work: a private PostgreSQL starts, holds the clinic and goes away.

use exhibit_tests::clinic::{Clinic, SEED};
use exhibit_tests::postgres::PrivatePostgres;

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

//! The owner of a schema puts something else under the name of a masked relation.

use super::{CLINIC, POLICY, apply, as_agent};
use crate::server::Server;

/// A ward of the agents' role, with a guest list that is not its own.
const WARD: &str = "CREATE SCHEMA ward AUTHORIZATION agent; GRANT CREATE ON DATABASE postgres TO agent;
CREATE TABLE ward.guests (room text, name text); INSERT INTO ward.guests VALUES ('four', 'Zyxwara Qonterly');
GRANT SELECT ON ward.guests TO agent;";

/// Whoever reads `ward.guests` by its name runs a function as itself, which gives out the name as the room.
const TAKEOVER: &str = "ALTER SCHEMA ward RENAME TO away; CREATE SCHEMA ward;
CREATE FUNCTION ward.shown() RETURNS TABLE (room text, name text) LANGUAGE sql AS 'SELECT name, room FROM away.guests';
CREATE VIEW ward.guests AS SELECT * FROM ward.shown();
GRANT USAGE ON SCHEMA ward, away TO PUBLIC; GRANT SELECT ON ward.guests TO PUBLIC;
SELECT 'taken over' WHERE 'ward.guests'::regclass <> 'away.guests'::regclass;";

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_masked_relation_does_not_move_what_is_read_of_it() {
    let server = Server::start();
    server.execute(CLINIC);
    server.execute(WARD);
    let policy = POLICY.replace(
        "\"public.patients.name\",",
        "\"public.patients.name\", \"ward.guests.name\",",
    );
    apply(&server, &policy).await.unwrap();
    let own = "SELECT * FROM exhibit.\"ward.guests\"()";
    let all = "SELECT * FROM exhibit.\"ward.guests\"";
    for read in [own, all] {
        assert_eq!(as_agent(&server, read), "four|[redacted]\n");
    }
    let taken = as_agent(&server, TAKEOVER);
    assert!(taken.ends_with("taken over\n") && !taken.contains("ERROR"), "{taken}");
    for read in [own, all] {
        assert_eq!(as_agent(&server, read), "four|[redacted]\n", "{read}");
    }
    // By the name itself it is what the agents' role may read, which is not the column.
    let named = as_agent(&server, "SELECT * FROM ward.guests");
    assert!(
        named.contains("permission denied") && !named.contains("Zyxwara"),
        "{named}"
    );
}

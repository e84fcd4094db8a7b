//! Names that SQL gives: prepared statements, cursors, channels of notifications.

use std::sync::Arc;

use exhibit_schemas::event::Body;

use crate::server::Server;
use crate::stand::{POLICY, Stand, read_message, talk};

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_of_sql_are_masked_by_name() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    let prepared = talk(
        stream,
        &[(
            b'Q',
            b"PREPARE q (int) AS SELECT ssn, born FROM patients WHERE id = $1\0",
        )],
    )
    .await;
    assert!(prepared.contains("PREPARE"), "{prepared}");
    for _ in 0..2 {
        let rows = talk(stream, &[(b'Q', b"EXECUTE q (1)\0")]).await;
        assert!(rows.contains("***-**-6789") && rows.contains("1970-01-01"), "{rows}");
    }
    // The name is the same by message, and the other way round.
    let bind = b"\0q\0\0\0\0\x01\0\0\0\x011\0\0";
    let rows = talk(stream, &[(b'B', bind), (b'E', b"\0\0\0\0\0"), (b'S', b"")]).await;
    assert!(rows.contains("***-**-6789"), "{rows}");
    talk(stream, &[(b'P', b"m\0SELECT ssn FROM patients\0\0\0"), (b'S', b"")]).await;
    let rows = talk(stream, &[(b'Q', b"EXECUTE m\0")]).await;
    assert!(rows.contains("***-**-6789"), "{rows}");
    // Forgetting one name forgets one name.
    talk(stream, &[(b'Q', b"DEALLOCATE q\0")]).await;
    let gone = talk(stream, &[(b'Q', b"EXECUTE q (1)\0")]).await;
    assert!(gone.contains("C26000"), "{gone}");
    let rows = talk(stream, &[(b'Q', b"EXECUTE m\0")]).await;
    assert!(rows.contains("***-**-6789"), "{rows}");
    let denied = talk(stream, &[(b'Q', b"PREPARE a AS SELECT id FROM audit\0")]).await;
    assert!(denied.contains("no-audit"), "{denied}");
    let unproven = talk(
        stream,
        &[(b'Q', b"PREPARE u AS SELECT id FROM patients WHERE ssn = $1\0")],
    )
    .await;
    assert!(unproven.contains("C42501"), "{unproven}");
    assert!(!String::from_utf8_lossy(&stand.memory.evidence()).contains("123-45"));
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_are_masked_by_what_they_were_declared_for() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    talk(stream, &[(b'Q', b"BEGIN\0")]).await;
    talk(
        stream,
        &[(
            b'Q',
            b"DECLARE c SCROLL CURSOR FOR SELECT id, ssn, born FROM patients ORDER BY id\0",
        )],
    )
    .await;
    talk(stream, &[(b'Q', b"SAVEPOINT s\0")]).await;
    let rows = talk(stream, &[(b'Q', b"FETCH 1 FROM c\0")]).await;
    assert!(rows.contains("***-**-6789") && rows.contains("1970-01-01"), "{rows}");
    let moved = talk(stream, &[(b'Q', b"MOVE BACKWARD ALL FROM c\0")]).await;
    assert!(moved.contains("MOVE"), "{moved}");
    // By the extended protocol: the statement `FETCH`, and the cursor as a portal.
    let fetch: [(u8, &[u8]); 4] = [
        (b'P', b"\0FETCH 1 FROM c\0\0\0"),
        (b'B', b"\0\0\0\0\0\0\0\0"),
        (b'E', b"\0\0\0\0\0"),
        (b'S', b""),
    ];
    let rows = talk(stream, &fetch).await;
    assert!(rows.contains("***-**-6789"), "{rows}");
    talk(stream, &[(b'Q', b"MOVE BACKWARD ALL FROM c\0")]).await;
    let rows = talk(stream, &[(b'D', b"Pc\0"), (b'E', b"c\0\0\0\0\x01"), (b'S', b"")]).await;
    assert!(rows.contains("***-**-6789"), "{rows}");
    // A portal as a cursor.
    let bind: [(u8, &[u8]); 3] = [
        (b'P', b"s\0SELECT ssn FROM patients ORDER BY id\0\0\0"),
        (b'B', b"p\0s\0\0\0\0\0\0\0"),
        (b'S', b""),
    ];
    talk(stream, &bind).await;
    let rows = talk(stream, &[(b'Q', b"FETCH ALL FROM p\0")]).await;
    assert!(rows.contains("***-**-6789"), "{rows}");
    // One that outlives its transaction keeps the origins of its columns.
    talk(
        stream,
        &[(
            b'Q',
            b"DECLARE h CURSOR WITH HOLD FOR SELECT ssn, name FROM patients ORDER BY id\0",
        )],
    )
    .await;
    talk(stream, &[(b'Q', b"COMMIT\0")]).await;
    let rows = talk(stream, &[(b'Q', b"FETCH ALL FROM h\0")]).await;
    assert!(rows.contains("***-**-6789") && rows.contains("Ann"), "{rows}");
    let gone = talk(stream, &[(b'Q', b"FETCH ALL FROM c\0")]).await;
    assert!(gone.contains("C26000"), "{gone}");
    talk(stream, &[(b'Q', b"CLOSE h\0")]).await;
    let gone = talk(stream, &[(b'Q', b"FETCH ALL FROM h\0")]).await;
    assert!(gone.contains("C26000"), "{gone}");
    assert!(!String::from_utf8_lossy(&stand.memory.evidence()).contains("123-45"));
}

/// The policy without any mask.
fn unmasked() -> String {
    POLICY.split("[[masks]]").next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_simply_work_where_no_masks_are() {
    let server = Server::start();
    server.execute("CREATE TABLE notes (id int PRIMARY KEY, text text); CREATE TABLE audit (id int);");
    let stand = Stand::start_with(Arc::new(server), &unmasked(), |_| {}).await;
    let told = stand
        .psql(
            "PREPARE p AS INSERT INTO notes VALUES ($1, upper($2)); EXECUTE p (1, 'a'); EXECUTE p (2, 'b'); \
             BEGIN; DECLARE c CURSOR FOR SELECT text FROM notes ORDER BY id; FETCH ALL FROM c; COMMIT",
        )
        .await;
    assert!(told.contains("A\nB\n"), "{told}");
    let copied = stand.psql("COPY (SELECT text FROM notes ORDER BY id) TO STDOUT").await;
    assert_eq!(copied, "A\nB\n");
    let denied = stand.psql("PREPARE a AS DELETE FROM audit; EXECUTE a").await;
    assert!(denied.contains("no-audit"), "{denied}");
    let unknown = stand.psql("EXECUTE nobody").await;
    assert!(unknown.contains("refused by policy"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_come_while_the_session_is_idle() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    talk(stream, &[(b'Q', b"LISTEN news\0")]).await;
    // One of its own comes before the server is ready.
    let own = talk(stream, &[(b'Q', b"NOTIFY news, 'own-words'\0")]).await;
    assert!(own.contains("news\0\0"), "{own:?}");
    assert!(
        !own.contains("own-words"),
        "payloads are withheld where masks are: {own:?}"
    );
    stand.server.execute("NOTIFY news, 'secret-word'");
    let idle = read_message(stream).await;
    assert_eq!(idle.first(), Some(&b'A'));
    assert!(String::from_utf8_lossy(&idle).contains("news\0\0"), "{idle:?}");
    assert!(stand.memory.released().windows(idle.len()).any(|window| window == idle));
    assert!(!String::from_utf8_lossy(&stand.memory.evidence()).contains("secret-word"));

    let server = Server::start();
    server.execute("CREATE TABLE audit (id int)");
    let stand = Stand::start_with(Arc::new(server), &unmasked(), |_| {}).await;
    let mut stream = stand.raw_session().await;
    talk(&mut stream, &[(b'Q', b"LISTEN news\0")]).await;
    stand.server.execute("NOTIFY news, 'plain-word'");
    let idle = read_message(&mut stream).await;
    assert!(
        String::from_utf8_lossy(&idle).contains("news\0plain-word\0"),
        "{idle:?}"
    );
    assert!(stand.memory.released().windows(idle.len()).any(|window| window == idle));
    // A setting that the server changes on its own comes, too.
    let changed = talk(&mut stream, &[(b'Q', b"SET timezone = 'Europe/Zurich'\0")]).await;
    assert!(changed.contains("Europe/Zurich"), "{changed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_people_would_have_to_be_asked_about_is_recorded_and_does_not_come() {
    let asks = r#"
[[rules]]
name = "news"
roles = ["ci"]
targets = ["clinic"]
actions = ["read"]
resources = ["channel:news"]
effect = "ask"
approval = "dba"
[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 60
"#;
    let server = Server::start();
    server.execute("CREATE TABLE audit (id int)");
    let policy = unmasked().replace(r#""delete", "session""#, r#""delete", "execute", "session""#);
    let policy = policy.replacen("[[rules]]", &format!("{}[[rules]]", asks.trim_start()), 1);
    let stand = Stand::start_with(Arc::new(server), &policy, |_| {}).await;
    let mut stream = stand.raw_session().await;
    // To listen is a request of the agent's own, about which people could be asked; here somebody else had it listen.
    stand
        .server
        .execute("CREATE FUNCTION hear() RETURNS void LANGUAGE sql AS $$ LISTEN news $$");
    talk(&mut stream, &[(b'Q', b"SELECT hear()\0")]).await;
    let told = talk(&mut stream, &[(b'Q', b"NOTIFY news, 'plain-word'\0")]).await;
    assert!(told.contains("NOTIFY") && !told.contains("plain-word"), "{told}");
    let statements = stand.memory.statements();
    assert!(
        statements.contains(&("NOTIFICATION".to_owned(), "denied".to_owned())),
        "{statements:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ways_around_masks_work_at_the_server_and_not_through_the_proxy() {
    let stand = Stand::start().await;
    for sql in [
        "COPY (SELECT ssn || '' FROM patients) TO STDOUT",
        "COPY (SELECT p FROM patients p) TO STDOUT",
        "COPY (SELECT s.ssn || '' FROM (TABLE patients) s) TO STDOUT",
        "COPY (TABLE patients UNION ALL TABLE patients) TO STDOUT",
        "COPY patients TO STDOUT (ENCODING 'LATIN1')",
        "BEGIN; COPY patients TO STDOUT; COMMIT",
        "COPY patients TO PROGRAM 'cat >&2'; COPY patients TO STDOUT",
        "PREPARE q AS SELECT ssn || '' FROM patients; EXECUTE q",
        "PREPARE q AS SELECT ssn FROM patients; CREATE TEMP TABLE x AS EXECUTE q; TABLE x",
        "PREPARE q (text) AS SELECT $1; EXECUTE q (query_to_xml('TABLE patients', true, true, '')::text)",
        "BEGIN; DECLARE c CURSOR FOR SELECT ssn || '' FROM patients; FETCH ALL FROM c; COMMIT",
        "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT p FROM patients p; COMMIT; FETCH ALL FROM c",
        "BEGIN; DECLARE c CURSOR FOR SELECT 1; CLOSE c; DECLARE c CURSOR FOR SELECT s FROM (TABLE patients) s; FETCH c",
        "PREPARE q AS SELECT id FROM patients; DEALLOCATE q; PREPARE q AS SELECT lower(ssn) FROM patients; EXECUTE q",
    ] {
        let direct = stand.server.execute(sql);
        assert!(
            direct.contains("123-45-6789"),
            "the control gives nothing: {sql}: {direct}"
        );
        let through = stand.psql(sql).await;
        assert!(
            !through.contains("123-45") && !through.contains("1970-02"),
            "{sql}: {through}"
        );
    }
    // A message may prepare what SQL cannot; SQL then runs it by its name.
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    for copy in [
        b"s\0COPY patients TO STDOUT\0\0\0".as_slice(),
        b"s\0COPY patients TO STDOUT (FORMAT csv)\0\0\0",
    ] {
        talk(stream, &[(b'P', copy), (b'S', b"")]).await;
        let through = talk(stream, &[(b'Q', b"EXECUTE s\0")]).await;
        assert!(!through.contains("123-45"), "{through}");
        talk(stream, &[(b'Q', b"DEALLOCATE s\0")]).await;
    }
    let evidence = String::from_utf8_lossy(&stand.memory.evidence()).into_owned();
    assert!(!evidence.contains("123-45"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_recorded_with_its_fingerprint_and_the_types_that_the_server_described() {
    let stand = Stand::start().await;
    let mut stream = stand.raw_session().await;
    let stream = &mut stream;
    // The first of two parameters is given a type, the other one is left to the server.
    let parse = b"q\0SELECT id FROM patients WHERE id = $1 AND name < $2\0\0\x01\0\0\0\x14";
    let bind = b"\0q\0\0\0\0\x02\0\0\0\x011\0\0\0\x03Zoe\0\0";
    let rows = talk(
        stream,
        &[(b'P', parse), (b'B', bind), (b'E', b"\0\0\0\0\0"), (b'S', b"")],
    )
    .await;
    assert!(rows.contains("SELECT 1"), "{rows}");
    talk(stream, &[(b'D', b"Sq\0"), (b'S', b"")]).await;
    talk(stream, &[(b'B', bind), (b'E', b"\0\0\0\0\0"), (b'S', b"")]).await;
    talk(stream, &[(b'Q', b"SELECT id FROM patients WHERE id = 7\0")]).await;
    talk(stream, &[(b'Q', b"SELECT id FROM patients WHERE id = 8\0")]).await;
    let told = stand.memory.each(|body| match body {
        Body::Command(command) => Some((
            command.parameters.clone(),
            command.described.clone(),
            command.statement_fingerprint.map(|fingerprint| fingerprint.to_string()),
        )),
        _ => None,
    });
    let given = vec!["int8".to_owned()];
    let described = Some(vec!["int8".to_owned(), "text".to_owned()]);
    let of = |sql: &str| Some(pg_query::fingerprint(sql, 0, 0).unwrap().hex);
    let (first, other) = (
        of("SELECT id FROM patients WHERE id = $1 AND name < $2"),
        of("SELECT id FROM patients WHERE id = 1"),
    );
    assert_eq!(
        told,
        [
            (given.clone(), None, first.clone()),
            (given.clone(), None, first.clone()),
            (given, described, first),
            (vec![], None, other.clone()),
            (vec![], None, other),
        ]
    );
}

//! Values that a policy lets be tried on masked columns: they are answered, counted and recorded without themselves, and
//! nothing but which rows have them comes out.

use std::sync::Arc;

use crate::server::Server;
use crate::stand::{Stand, talk};

const POLICY: &str = r#"
version = 1
[[roles]]
name = "ci"
match = { subject = "ci" }
[[targets]]
name = "clinic"
protocol = "postgres"
[[approvals]]
name = "privacy"
groups = ["privacy"]
people = 1
expires_s = 1
[[rules]]
name = "everything"
roles = ["ci"]
targets = ["clinic"]
actions = ["read", "write", "delete", "define", "session", "transaction"]
effect = "allow"
[[masks]]
name = "ssn"
targets = ["clinic"]
resources = ["public.patients.ssn"]
technique = "redact"
predicates = "equality"
probes_per_hour = 8
[[masks]]
name = "pin"
targets = ["clinic"]
resources = ["public.patients.pin", "public.patients.born", "public.patients.mrn"]
technique = "null"
predicates = "equality"
probes_per_hour = 100
[[masks]]
name = "note"
targets = ["clinic"]
resources = ["public.patients.note"]
technique = "redact"
predicates = "ask"
approval = "privacy"
[[masks]]
name = "name"
targets = ["clinic"]
resources = ["public.patients.name"]
technique = "redact"
"#;

const SCHEMA: &str = "CREATE TABLE patients (id int PRIMARY KEY, ssn varchar(20), pin int, born date, mrn uuid, note text, name text); \
     INSERT INTO patients VALUES \
     (1, '123-45-6789', 4711, '1943-02-01', '6f9619ff-8b86-4d01-b42d-00c04fc964ff', 'well', 'Ann'), \
     (2, '987-65-4321', 1234, '1951-07-08', '6f9619ff-8b86-4d01-b42d-00c04fc96400', 'ill', 'Bob');";

async fn stand() -> Stand {
    let server = Server::start();
    server.execute(SCHEMA);
    Stand::start_with(Arc::new(server), POLICY, |_| {}).await
}

#[tokio::test]
async fn a_value_is_tried_and_tells_only_which_rows_have_it() {
    let stand = stand().await;
    for (sql, wanted) in [
        (
            "SELECT id, ssn, name FROM patients WHERE ssn = '123-45-6789'",
            "1|[redacted]|[redacted]\n",
        ),
        ("SELECT id FROM patients WHERE ssn = '123-45-6780'", ""),
        (
            "SELECT id, upper(ssn) FROM patients p WHERE p.ssn IN ('987-65-4321', '000-00-0000') AND id > 1",
            "2|\n",
        ),
        ("SELECT id FROM patients WHERE pin = 4711 AND id < 5", "1\n"),
        ("SELECT id FROM patients WHERE pin = '1234'", "2\n"),
        ("SELECT id FROM patients WHERE born = DATE '1951-07-08'", "2\n"),
        ("SELECT id FROM patients WHERE born = '1951-07-08'::date", "2\n"),
        (
            "SELECT id FROM patients WHERE mrn = '6f9619ff-8b86-4d01-b42d-00c04fc964ff'",
            "1\n",
        ),
        (
            "SELECT b.id, b.ssn FROM patients a JOIN patients b ON b.id = a.id AND b.pin = 1234",
            "2|[redacted]\n",
        ),
        (
            "COPY (SELECT id, ssn FROM patients WHERE pin = 1234) TO STDOUT",
            "2\t[redacted]\n",
        ),
        ("SELECT id FROM patients WHERE pin = ANY (ARRAY[1, 2, 4711])", "1\n"),
    ] {
        assert_eq!(stand.psql(sql).await, wanted, "{sql}");
    }
    let ssn = "public.patients.ssn";
    let tried = stand.memory.tried();
    assert_eq!(
        tried[..3],
        [
            format!("allowed probe:{ssn}=1 probed:ssn=0"),
            format!("allowed probe:{ssn}=1 probed:ssn=1"),
            format!("allowed probe:{ssn}=2 probed:ssn=2"),
        ]
    );
    assert_eq!(
        tried.last().unwrap(),
        "allowed probe:public.patients.pin=3 probed:pin=7"
    );
    let evidence = stand.memory.evidence();
    for value in ["123-45-6789", "987-65-4321", "4711", "1951-07-08", "c04fc964ff"] {
        let found = evidence.windows(value.len()).any(|bytes| bytes == value.as_bytes());
        assert!(!found, "{value} is in the evidence");
    }
}

#[tokio::test]
async fn the_limit_holds_over_sessions_and_over_what_is_tried_at_once() {
    let stand = stand().await;
    let one = "SELECT id FROM patients WHERE ssn = 'x'";
    let many = "SELECT id FROM patients WHERE ssn IN ('1','2','3','4','5','6','7','8','9')";
    let refused = stand.psql(many).await;
    assert!(
        refused.contains("mask `ssn` lets 8 values be tried in an hour; 0 were, and these would be 9 more"),
        "{refused}"
    );
    for _ in 0..8 {
        assert_eq!(stand.psql(one).await, "", "each in a session of its own");
    }
    let refused = stand.psql(one).await;
    assert!(
        refused.contains("8 were, and these would be 1 more (rule: none)"),
        "{refused}"
    );
    assert_eq!(
        stand.memory.tried().last().unwrap(),
        "denied probe:public.patients.ssn=1 probed:ssn=8"
    );
    // Other masks have their own, and everything else goes on.
    assert_eq!(stand.psql("SELECT id FROM patients WHERE pin = 1234").await, "2\n");
    assert_eq!(
        stand.psql("SELECT id, ssn FROM patients WHERE id = 1").await,
        "1|[redacted]\n"
    );
}

#[tokio::test]
async fn each_execution_of_a_prepared_statement_counts() {
    let stand = stand().await;
    let client = stand.driver().await;
    let one = client
        .prepare("SELECT id, ssn FROM patients WHERE ssn = $1")
        .await
        .unwrap();
    assert!(stand.memory.tried().is_empty(), "preparing tries nothing");
    for (value, rows) in [("123-45-6789", 1), ("x", 0), ("987-65-4321", 1)] {
        assert_eq!(client.query(&one, &[&value]).await.unwrap().len(), rows, "{rows} rows");
    }
    let all = client
        .prepare("SELECT id FROM patients WHERE ssn = ANY ($1)")
        .await
        .unwrap();
    let values = vec!["a", "b", "123-45-6789", "c"];
    assert_eq!(client.query(&all, &[&values]).await.unwrap().len(), 1);
    assert_eq!(
        stand.memory.tried().last().unwrap(),
        "allowed probe:public.patients.ssn=4 probed:ssn=3",
        "values of an array in binary format"
    );
    let refused = client.query(&all, &[&vec!["d", "e"]]).await.unwrap_err();
    assert!(
        refused.to_string().contains("db error") || refused.to_string().contains("7 were"),
        "{refused}"
    );
    assert_eq!(
        stand.memory.tried().last().unwrap(),
        "denied probe:public.patients.ssn=2 probed:ssn=7"
    );
    assert!(
        client.query(&all, &[&Vec::<String>::new()]).await.is_ok(),
        "an empty array counts as one"
    );
    assert!(client.query(&one, &[&"x"]).await.is_err());
}

#[tokio::test]
async fn what_is_bound_runs_by_messages_alone_and_with_the_columns_own_type() {
    let stand = stand().await;
    let mut stream = stand.raw_session().await;
    let parse = |name: &str, oid: u32| {
        let sql = "SELECT id FROM patients WHERE ssn = $1";
        [name.as_bytes(), &[0], sql.as_bytes(), &[0, 0, 1], &oid.to_be_bytes()].concat()
    };
    let bind = |portal: &str, name: &str| {
        let value = b"\0\0\0\x01\0\0\0\x01x\0\0";
        [portal.as_bytes(), &[0], name.as_bytes(), &[0], value].concat()
    };
    let execute = b"p\0\0\0\0\0";
    let answer = talk(
        &mut stream,
        &[
            (b'P', &parse("text", 25)),
            (b'B', &bind("p", "text")),
            (b'E', execute),
            (b'S', b""),
        ],
    )
    .await;
    assert!(answer.contains("SELECT 0"), "{answer}");
    // The number of an operator's own: `float8` would have the server cast the column.
    let answer = talk(
        &mut stream,
        &[
            (b'P', &parse("float", 701)),
            (b'B', &bind("p", "float")),
            (b'E', execute),
            (b'S', b""),
        ],
    )
    .await;
    assert!(answer.contains("another kind of type than the column"), "{answer}");
    let answer = talk(&mut stream, &[(b'Q', b"EXECUTE text('x')\0")]).await;
    assert!(answer.contains("runs by Bind and Execute alone"), "{answer}");
    let answer = talk(&mut stream, &[(b'Q', b"BEGIN\0")]).await;
    assert!(answer.contains("BEGIN"), "{answer}");
    let answer = talk(&mut stream, &[(b'B', &bind("p", "text")), (b'S', b"")]).await;
    assert!(!answer.contains("42501"), "{answer}");
    let answer = talk(&mut stream, &[(b'Q', b"FETCH ALL FROM p\0")]).await;
    assert!(answer.contains("runs by Bind and Execute alone"), "{answer}");
    assert_eq!(stand.memory.tried().len(), 1, "{:?}", stand.memory.tried());
}

#[tokio::test]
async fn a_mask_that_asks_shows_people_what_is_tried() {
    let stand = stand().await;
    let answer = stand
        .psql("SELECT id FROM patients WHERE note IN ('well', 'ill')")
        .await;
    assert!(answer.contains("nobody decided in time"), "{answer}");
    let tried = stand.memory.tried();
    assert_eq!(
        tried,
        [
            "asked probe:public.patients.note=2 probed:note=0",
            "expired probe:public.patients.note=2 probed:note=0"
        ]
    );
}

#[tokio::test]
async fn what_is_no_probe_stays_refused() {
    let stand = stand().await;
    for sql in [
        "SELECT id FROM patients WHERE ssn = '1' OR true",
        "SELECT id FROM patients WHERE ssn LIKE '1%'",
        "SELECT id FROM patients WHERE ssn IN (SELECT i::text FROM generate_series(1, 1000) i)",
        "SELECT id, EXISTS (SELECT FROM patients q WHERE q.ssn = '1' AND q.id = p.id) FROM patients p",
        "EXPLAIN SELECT id FROM patients WHERE ssn = '1'",
        "DELETE FROM patients WHERE ssn = '123-45-6789'",
        "COPY (SELECT id FROM patients WHERE ssn = '123-45-6789' OR true) TO STDOUT",
        "DECLARE c CURSOR WITH HOLD FOR SELECT id FROM patients WHERE ssn = '123-45-6789'",
        "SELECT id FROM patients WHERE ssn = '123-45-6789' FOR UPDATE",
        "SELECT id FROM patients WHERE pin = 4711.5::float8",
        "SELECT id FROM patients WHERE name = 'Ann'",
        "SELECT id FROM patients ORDER BY ssn",
    ] {
        let answer = stand.psql(sql).await;
        assert!(answer.contains("refused by policy"), "{sql}: {answer}");
    }
    assert!(stand.memory.tried().is_empty(), "{:?}", stand.memory.tried());
    assert_eq!(stand.psql("SELECT count(*) FROM patients").await, "2\n");
}

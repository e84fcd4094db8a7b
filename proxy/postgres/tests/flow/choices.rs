//! What agents choose at start-up, and what the server makes of it.

use std::sync::Arc;

use exhibit_postgres::message::encode;
use tokio::io::AsyncWriteExt as _;

use crate::server::Server;
use crate::stand::{POLICY, Stand, ask, enter, read_rest, sqlstate, talk};

#[tokio::test(flavor = "multi_thread")]
async fn settings_reach_the_server_and_are_reset_to() {
    let stand = Stand::start().await;
    let check = async |parameters: &[(&str, &str)], setting: &str, wanted: &str| {
        let mut stream = stand.raw().await;
        enter(&mut stream, 0, parameters).await;
        let show = format!("SHOW {setting}\0");
        let told = talk(&mut stream, &[(b'Q', show.as_bytes())]).await;
        assert!(told.contains(wanted), "{parameters:?}: {told}");
        // What was chosen is the session's own default.
        let reset = format!("RESET {setting}\0");
        talk(&mut stream, &[(b'Q', reset.as_bytes())]).await;
        let told = talk(&mut stream, &[(b'Q', show.as_bytes())]).await;
        assert!(told.contains(wanted), "{parameters:?} after RESET: {told}");
    };
    check(
        &[("options", "-c statement_timeout=4321ms")],
        "statement_timeout",
        "4321ms",
    )
    .await;
    check(&[("options", "--lock-timeout=7s -cjit=off")], "lock_timeout", "7s").await;
    check(
        &[("idle_in_transaction_session_timeout", "9s")],
        "idle_in_transaction_session_timeout",
        "9s",
    )
    .await;
    check(&[("extra_float_digits", "2")], "extra_float_digits", "2").await;
    check(&[("IntervalStyle", "iso_8601")], "IntervalStyle", "iso_8601").await;
    check(&[("TimeZone", "Asia/Tokyo")], "TimeZone", "Asia/Tokyo").await;
    check(&[("application_name", "ci run")], "application_name", "ci run").await;
    check(&[("geqo", "off")], "geqo", "off").await;
    check(&[("search_path", "staging, public")], "search_path", "staging, public").await;
    // A parameter of its own holds against `options`.
    check(&[("jit", "off"), ("options", "-c jit=on")], "jit", "off").await;
    // Held by the proxy; the server says so, too.
    check(&[("client_encoding", "utf-8")], "client_encoding", "UTF8").await;
    check(&[("client_encoding", "SQL_ASCII")], "client_encoding", "UTF8").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_dates_is_the_agent_s_or_the_server_s() {
    let stand = Stand::start().await;
    stand.server.execute("ALTER SYSTEM SET datestyle = 'SQL, DMY'");
    stand.server.execute("SELECT pg_reload_conf()");
    // The setting is in force for new sessions once one sees it.
    while !stand.server.execute("SHOW datestyle").contains("DMY") {
        std::thread::yield_now();
    }
    for (parameters, wanted) in [
        (&[][..], "ISO, DMY"),
        (&[("DateStyle", "ISO")], "ISO, DMY"),
        (&[("DateStyle", "ISO, MDY")], "ISO, MDY"),
        (&[("options", "-c datestyle=iso,ymd")], "ISO, YMD"),
    ] {
        let mut stream = stand.raw().await;
        enter(&mut stream, 0, parameters).await;
        let told = talk(&mut stream, &[(b'Q', b"SHOW datestyle\0")]).await;
        assert!(told.contains(wanted), "{parameters:?}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_path_of_the_start_is_the_one_that_names_are_looked_up_in() {
    let stand = Stand::start().await;
    let query = b"SELECT id FROM audit\0".as_slice();
    for (parameters, taken) in [
        (&[("search_path", "staging")][..], true),
        (&[("options", "-c search_path=staging,\\ public")], true),
        (&[("options", "--search-path=public,staging")], false),
        (&[("search_path", "public")], false),
        (&[], false),
    ] {
        let mut stream = stand.raw().await;
        enter(&mut stream, 0, parameters).await;
        let told = talk(&mut stream, &[(b'Q', query)]).await;
        assert!(!told.contains("4711"), "{parameters:?}: {told}");
        assert_eq!(told.contains("SELECT 0"), taken, "{parameters:?}: {told}");
        // A later SET is followed, and RESET goes back.
        for (set, taken) in [("SET search_path = public", false), ("SET search_path = staging", true)] {
            talk(&mut stream, &[(b'Q', format!("{set}\0").as_bytes())]).await;
            let told = talk(&mut stream, &[(b'Q', query)]).await;
            assert_eq!(told.contains("SELECT 0"), taken, "{parameters:?}, {set}: {told}");
        }
        talk(&mut stream, &[(b'Q', b"RESET search_path\0")]).await;
        let told = talk(&mut stream, &[(b'Q', query)]).await;
        assert_eq!(told.contains("SELECT 0"), taken, "{parameters:?} after RESET: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_change_how_statements_are_read_is_refused_by_name() {
    let stand = Stand::start().await;
    let check = async |parameters: &[(&str, &str)], code: &str, named: &str| {
        let mut stream = stand.raw().await;
        ask(&mut stream, 0, parameters).await;
        let told = read_rest(&mut stream).await;
        assert_eq!(sqlstate(&told).as_deref(), Some(code), "{parameters:?}");
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(told.contains(named), "{parameters:?}: {told}");
        assert!(!told.contains("secret-value"), "{told}");
    };
    check(
        &[("standard_conforming_strings", "off")],
        "0A000",
        "standard_conforming_strings",
    )
    .await;
    check(&[("client_encoding", "LATIN1")], "0A000", "client_encoding").await;
    check(&[("DateStyle", "German")], "0A000", "DateStyle").await;
    check(&[("role", "secret-value")], "0A000", "role").await;
    check(
        &[("options", "-c session_replication_role=replica")],
        "0A000",
        "session_replication_role",
    )
    .await;
    check(&[("replication", "true")], "0A000", "replication").await;
    check(&[("replication", "database")], "0A000", "replication").await;
    check(&[("options", "-d 5")], "0A000", "only -c name=value").await;
    check(&[("my.setting", "secret-value")], "0A000", "my.setting").await;
    assert_eq!(stand.memory.sessions().0, 0);
    // What the server refuses is told as it told it, without its text.
    check(&[("TimeZone", "secret-value")], "22023", "SQLSTATE 22023").await;
    check(&[("statement_timeout", "secret-value")], "22023", "SQLSTATE 22023").await;
    assert_eq!(stand.memory.sessions(), (2, vec!["target".to_owned(); 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_s_time_limit_for_statements_is_not_the_proxy_s() {
    let stand = Stand::start().await;
    // The proxy reads the catalog before the first statement, which takes longer than this.
    let mut stream = stand.raw().await;
    enter(&mut stream, 0, &[("options", "-c statement_timeout=1ms")]).await;
    let mut stream = stand.raw().await;
    enter(&mut stream, 0, &[]).await;
    // The path has changed, so the proxy reads it again.
    let set = b"SET search_path = staging; SET statement_timeout = '1ms'\0";
    talk(&mut stream, &[(b'Q', set)]).await;
    talk(&mut stream, &[(b'Q', b"RESET statement_timeout\0")]).await;
    let told = talk(&mut stream, &[(b'Q', b"SELECT id FROM audit\0")]).await;
    assert!(told.contains("SELECT 0"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_s_own_settings_are_taken() {
    let stand = Stand::start().await;
    // PGDATESTYLE, PGTZ, PGGEQO, PGOPTIONS and PGAPPNAME as libpq sends them.
    let start = [
        ("datestyle", "ISO, DMY"),
        ("timezone", "UTC"),
        ("geqo", "on"),
        ("options", "-c statement_timeout=1min"),
        ("application_name", "psql"),
        ("client_encoding", "UTF8"),
    ];
    let mut stream = stand.raw().await;
    enter(&mut stream, 0, &start).await;
    stream.write_all(&encode::message(b'X', b"")).await.unwrap();
    stream.flush().await.unwrap();
    read_rest(&mut stream).await;
    assert_eq!(stand.memory.sessions(), (1, vec!["agent".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_start_up_are_decided_on_and_recorded_before_the_server_hears_of_them() {
    let stand = Stand::start().await;
    let chosen = [
        ("application_name", "ci"),
        ("TimeZone", "Asia/Tokyo"),
        ("options", "-c search_path=\"it's\""),
    ];
    let mut stream = stand.raw().await;
    enter(&mut stream, 0, &chosen).await;
    let wanted = "SET search_path TO <string>; SET timezone TO <string>";
    assert_eq!(stand.memory.statements(), [(wanted.to_owned(), "allowed".to_owned())]);
    assert_eq!(stand.memory.accesses(), ["session -"]);
    // A name alone stands in the opening; the server's refusal is told like any other.
    let mut stream = stand.raw().await;
    enter(&mut stream, 0, &chosen[..1]).await;
    assert_eq!(stand.memory.statements().len(), 1);
    let mut stream = stand.raw().await;
    ask(&mut stream, 0, &[("TimeZone", "nowhere")]).await;
    assert_eq!(sqlstate(&read_rest(&mut stream).await).as_deref(), Some("22023"));
    assert_eq!(stand.memory.statements().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_policy_does_not_let_pass_end_the_session_before_the_server_knows_of_it() {
    let policy = POLICY.replace(r#""delete", "session", "transaction"]"#, r#""delete", "transaction"]"#);
    assert_ne!(policy, POLICY);
    let asks = policy.clone()
        + r#"
[[rules]]
name = "settings"
roles = ["ci"]
targets = ["clinic"]
actions = ["session"]
effect = "ask"
approval = "dba"
[[approvals]]
name = "dba"
groups = ["dba"]
people = 1
expires_s = 60
"#;
    for (policy, word, recorded) in [(&policy, "rule: none", 1), (&asks, "approval", 1)] {
        let server = Arc::new(Server::start());
        let stand = Stand::start_with(Arc::clone(&server), policy, |_| {}).await;
        let mut stream = stand.raw().await;
        ask(&mut stream, 0, &[("TimeZone", "Asia/Tokyo")]).await;
        let told = read_rest(&mut stream).await;
        assert_eq!(sqlstate(&told).as_deref(), Some("42501"));
        assert!(String::from_utf8_lossy(&told).contains(word), "{}", told.escape_ascii());
        assert_eq!(stand.memory.sessions(), (1, vec!["policy".to_owned()]));
        assert_eq!(stand.memory.statements().len(), recorded);
        // Without settings of its own it comes in.
        let mut stream = stand.raw().await;
        enter(&mut stream, 0, &[("application_name", "ci")]).await;
    }
}

//! What tokio-postgres does with a server, one line to each thing: its name and what came of it.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_postgres::error::{DbError, ErrorPosition};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Config, Error, NoTls, SimpleQueryMessage};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// `SSLRequest`, which the driver leaves to whoever makes its connections.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A server, and how to come there.
struct Way {
    config: Config,
    address: String,
    tls: TlsConnector,
}

/// A connection with what the server says on its own.
struct Session {
    client: Client,
    aside: mpsc::UnboundedReceiver<AsyncMessage>,
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Lines {
    fn say(&mut self, name: &str, value: impl Debug) {
        self.0.push(format!("{name} = {value:?}"));
    }

    fn fail<T>(&mut self, name: &str, came: Result<T, Error>) {
        let told = |error: &DbError| {
            let position = error.position().map(|position| match position {
                ErrorPosition::Original(place) => *place,
                ErrorPosition::Internal { position, .. } => *position,
            });
            let (code, message) = (error.code().code().to_owned(), error.message().to_owned());
            (error.severity().to_owned(), code, message, position)
        };
        let error = came.err();
        self.say(name, error.as_ref().map(|error| error.as_db_error().map(told)));
    }
}

impl Way {
    fn to(url: &str) -> Self {
        let (base, query) = url.split_once('?').unwrap();
        let root = query
            .split('&')
            .find_map(|part| part.strip_prefix("sslrootcert="))
            .unwrap();
        let pem = std::fs::read(root).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        for certificate in rustls_pki_types::pem::PemObject::pem_slice_iter(&pem) {
            let certificate: rustls_pki_types::CertificateDer<'_> = certificate.unwrap();
            roots.add(certificate).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config: Config = base.parse().unwrap();
        let port = config.get_ports().first().unwrap();
        let address = format!("127.0.0.1:{port}");
        Self {
            config,
            address,
            tls: Arc::new(tls).into(),
        }
    }

    async fn stream(&self) -> TlsStream<TcpStream> {
        let mut socket = TcpStream::connect(&self.address).await.unwrap();
        socket.write_all(&SSL_REQUEST).await.unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), b'S');
        let name = "localhost".try_into().unwrap();
        self.tls.connect(name, socket).await.unwrap()
    }

    async fn connect(&self) -> Session {
        let (client, mut connection) = self.config.connect_raw(self.stream().await, NoTls).await.unwrap();
        let (sender, aside) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut messages = futures_util::stream::poll_fn(|context| connection.poll_message(context));
            while let Some(Ok(message)) = messages.next().await {
                // Nobody may listen.
                let _ = sender.send(message);
            }
        });
        Session { client, aside }
    }
}

/// All that it does, in lines.
pub(crate) async fn lines(url: &str) -> Vec<String> {
    let way = Way::to(url);
    let mut session = way.connect().await;
    let mut lines = Lines::default();
    values(&session.client, &mut lines).await;
    statements(&mut session.client, &mut lines).await;
    failures(&session.client, &mut lines).await;
    transactions(&mut session.client, &mut lines).await;
    copies(&session.client, &mut lines).await;
    messages(&way, &mut session, &mut lines).await;
    lines.0
}

async fn values(client: &Client, lines: &mut Lines) {
    async fn one<T>(client: &Client, lines: &mut Lines, kind: &str, value: T)
    where
        T: ToSql + Sync + Debug + for<'a> tokio_postgres::types::FromSql<'a>,
    {
        let row = client
            .query_one(&format!("SELECT $1::{kind} AS v"), &[&value])
            .await
            .unwrap();
        let column = row.columns().first().unwrap();
        lines.say(kind, (row.get::<_, T>(0), column.name(), column.type_().oid()));
    }
    one(client, lines, "int2", -7_i16).await;
    one(client, lines, "int4", 7_i32).await;
    one(client, lines, "int8", 9_007_199_254_740_993_i64).await;
    one(client, lines, "float4", 0.25_f32).await;
    one(client, lines, "float8", 0.1_f64).await;
    one(client, lines, "bool", true).await;
    one(client, lines, "text", "Zoë '\\ \n".to_owned()).await;
    one(client, lines, "varchar", None::<String>).await;
    one(client, lines, "bytea", vec![0_u8, 255]).await;
    one(client, lines, "oid", 4_000_000_000_u32).await;
    one(client, lines, "\"char\"", 65_i8).await;
    one(client, lines, "int4[]", vec![Some(1_i32), None]).await;
    one(client, lines, "text[]", vec!["a".to_owned(), "b\"c".to_owned()]).await;
    one(
        client,
        lines,
        "timestamptz",
        std::time::UNIX_EPOCH + std::time::Duration::from_micros(1_704_067_200_000_001),
    )
    .await;
    one(client, lines, "inet", "10.0.0.1".parse::<std::net::IpAddr>().unwrap()).await;
    let statement = client
        .prepare("SELECT $1::int + 1 AS a, now() AS b, $2::text")
        .await
        .unwrap();
    let columns: Vec<_> = statement
        .columns()
        .iter()
        .map(|column| (column.name().to_owned(), column.type_().clone()))
        .collect();
    lines.say("described", (columns, statement.params()));
}

async fn statements(client: &mut Client, lines: &mut Lines) {
    let again = client.prepare_typed("SELECT $1 + 1 AS v", &[Type::INT4]).await.unwrap();
    for number in 0..1_000_i32 {
        let row = client.query_one(&again, &[&number]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), number + 1);
    }
    lines.say("a thousand times", again.params());
    // Sent without waiting.
    let numbers: [i32; 5] = [1, 2, 3, 4, 5];
    let ahead = numbers
        .iter()
        .map(|number| async { client.query_one(&again, &[number]).await });
    let ahead = futures_util::future::join_all(ahead).await;
    let ahead: Vec<i32> = ahead.into_iter().map(|row| row.unwrap().get(0)).collect();
    lines.say("ahead", ahead);
    let several = client
        .simple_query("SELECT 1 AS a; SELECT 2 AS b; VALUES (3)")
        .await
        .unwrap();
    lines.say("several", several.iter().map(simple).collect::<Vec<_>>());
    lines.say(
        "made",
        client
            .execute("CREATE TEMP TABLE t (a int PRIMARY KEY, b text)", &[])
            .await
            .unwrap(),
    );
    let insert = "INSERT INTO t SELECT n, n::text FROM generate_series(1, 1000) n";
    lines.say("inserted", client.execute(insert, &[]).await.unwrap());
    let big = client
        .query("SELECT repeat(b, 100) FROM t ORDER BY a", &[])
        .await
        .unwrap();
    lines.say("big", big.iter().map(|row| row.get::<_, &str>(0).len()).sum::<usize>());
    lines.say("empty", client.simple_query("").await.unwrap().len());
    let rows = client
        .query_raw("SELECT a FROM t WHERE a < $1 ORDER BY a", [4_i32])
        .await
        .unwrap();
    let rows: Vec<_> = rows.try_collect().await.unwrap();
    lines.say(
        "stream",
        rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(),
    );
    // A portal in parts.
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT a FROM t ORDER BY a", &[]).await.unwrap();
    for rows in [2, 3, 0] {
        let part = transaction.query_portal(&portal, rows).await.unwrap();
        lines.say("part", (part.len(), part.last().map(|row| row.get::<_, i32>(0))));
    }
    transaction.commit().await.unwrap();
}

fn simple(message: &SimpleQueryMessage) -> String {
    match message {
        SimpleQueryMessage::Row(row) => format!("row {:?}", row.get(0)),
        SimpleQueryMessage::CommandComplete(rows) => format!("complete {rows}"),
        SimpleQueryMessage::RowDescription(columns) => format!("columns {}", columns.len()),
        _ => "another".to_owned(),
    }
}

async fn failures(client: &Client, lines: &mut Lines) {
    lines.fail("division", client.query("SELECT 1 / 0", &[]).await);
    lines.fail("syntax", client.query("SELECT FROM WHERE", &[]).await);
    lines.fail("simple syntax", client.simple_query("SELEC 1").await);
    lines.fail("no table", client.query("SELECT * FROM nowhere", &[]).await);
    lines.fail(
        "duplicate",
        client.execute("INSERT INTO t VALUES ($1)", &[&1_i32]).await,
    );
    lines.fail("late", client.simple_query("SELECT 1; SELECT 1 / 0; SELECT 2").await);
    let row = client.query_one("SELECT 'still there'", &[]).await.unwrap();
    lines.say("after", row.get::<_, &str>(0));
}

async fn transactions(client: &mut Client, lines: &mut Lines) {
    let mut transaction = client.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (5000)", &[]).await.unwrap();
    let savepoint = transaction.savepoint("s").await.unwrap();
    lines.fail("breaks", savepoint.query("SELECT 1 / 0", &[]).await);
    lines.fail("aborted", savepoint.query("SELECT 1", &[]).await);
    savepoint.rollback().await.unwrap();
    transaction.commit().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (5001)", &[]).await.unwrap();
    transaction.rollback().await.unwrap();
    let read_only = client
        .build_transaction()
        .read_only(true)
        .isolation_level(tokio_postgres::IsolationLevel::Serializable);
    let transaction = read_only.start().await.unwrap();
    lines.fail(
        "read only",
        transaction.execute("INSERT INTO t VALUES (5002)", &[]).await,
    );
    lines.fail("commit of a failed one", transaction.commit().await);
    let kept = client.query("SELECT a FROM t WHERE a >= 5000", &[]).await.unwrap();
    lines.say("kept", kept.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>());
}

async fn copies(client: &Client, lines: &mut Lines) {
    let sink = client.copy_in("COPY t FROM STDIN (FORMAT csv)").await.unwrap();
    let mut sink = std::pin::pin!(sink);
    sink.send(bytes::Bytes::from_static(b"6000,\"six, thou\"\n6001,"))
        .await
        .unwrap();
    sink.send(bytes::Bytes::from_static(b"more\n")).await.unwrap();
    lines.say("copied in", sink.finish().await.unwrap());
    let dropped = client.copy_in::<_, bytes::Bytes>("COPY t FROM STDIN").await.unwrap();
    // The driver fails the copy.
    drop(dropped);
    let out = client
        .copy_out("COPY (SELECT * FROM t WHERE a > 5000 ORDER BY a) TO STDOUT")
        .await
        .unwrap();
    let parts: Vec<bytes::Bytes> = out.try_collect().await.unwrap();
    lines.say("copied out", parts);
    let out = client
        .copy_out("COPY (SELECT a, b FROM t ORDER BY a) TO STDOUT (FORMAT binary)")
        .await
        .unwrap();
    let out = tokio_postgres::binary_copy::BinaryCopyOutStream::new(out, &[Type::INT4, Type::TEXT]);
    let rows: Vec<_> = out.try_collect().await.unwrap();
    lines.say(
        "copied out in binary",
        (rows.len(), rows.last().map(|row| row.get::<i32>(0))),
    );
    lines.fail(
        "copy of nothing",
        client.copy_out("COPY nowhere TO STDOUT").await.map(|_| ()),
    );
}

async fn messages(way: &Way, session: &mut Session, lines: &mut Lines) {
    let other = way.connect().await;
    let raises = "DO $$BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; END$$";
    session.client.batch_execute(raises).await.unwrap();
    session.client.batch_execute("LISTEN news").await.unwrap();
    other.client.batch_execute("NOTIFY news, 'hello'").await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 3 {
        match session.aside.recv().await.unwrap() {
            AsyncMessage::Notice(notice) => heard.push(format!("{}: {}", notice.severity(), notice.message())),
            AsyncMessage::Notification(note) => heard.push(format!("{}: {}", note.channel(), note.payload())),
            _ => {}
        }
    }
    lines.say("heard", heard);
    let token = session.client.cancel_token();
    let pid: i32 = session
        .client
        .query_one("SELECT pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    let cancel = async {
        let asleep = "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
        while other.client.query(asleep, &[&pid]).await.unwrap().is_empty() {}
        token.cancel_query_raw(way.stream().await, NoTls).await.unwrap();
    };
    let (came, ()) = tokio::join!(session.client.query("SELECT pg_sleep(60)", &[]), cancel);
    lines.fail("cancelled", came);
    let row = session.client.query_one("SELECT 'after'", &[]).await.unwrap();
    lines.say("after", row.get::<_, &str>(0));
}

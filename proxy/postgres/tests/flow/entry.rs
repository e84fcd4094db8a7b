//! How connections begin: TLS in both ways, the versions of the protocol, keys for cancelling, and what is no connection.

use exhibit_postgres::message::backend::Backend;
use exhibit_postgres::message::startup::{cancel_request, ssl_request, startup};
use exhibit_postgres::message::{Raw, encode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::stand::{Encrypted, Stand, enter, messages, read_rest, read_until_ready, sqlstate, talk};

const PROTOCOL: &str = "postgresql";

/// Process number and secret of a session that was entered.
fn key(answers: &[Raw]) -> (i32, Vec<u8>) {
    let keys = answers.iter().filter(|answer| answer.tag() == b'K');
    let keys: Vec<Backend> = keys.map(|answer| Backend::parse(answer).unwrap()).collect();
    match keys.as_slice() {
        [Backend::KeyData(process, secret)] => (*process, secret.clone()),
        _ => panic!("a session has one key"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_may_come_at_once_with_alpn_alone() {
    let stand = Stand::start().await;
    let mut direct = stand.encrypt(stand.plain().await, &[PROTOCOL]).await.unwrap();
    enter(&mut direct, 0, &[]).await;
    assert!(talk(&mut direct, &[(b'Q', b"SELECT 41 + 1\0")]).await.contains("42"));
    // Without ALPN the handshake is done, as with the server, and then the connection ends before any message.
    let mut without = stand.encrypt(stand.plain().await, &[]).await.unwrap();
    let start = startup(0, &[("user", "ci"), ("database", "postgres")]);
    let _ = without.write_all(&start).await;
    assert_eq!(read_rest(&mut without).await, b"");
    assert!(stand.encrypt(stand.plain().await, &["http/1.1"]).await.is_err());
    // After an SSLRequest it may be left out, but not be another protocol.
    for (protocols, taken) in [(vec![PROTOCOL], true), (vec![], true), (vec!["http/1.1"], false)] {
        let mut socket = stand.plain().await;
        socket.write_all(&ssl_request()).await.unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), b'S');
        assert_eq!(stand.encrypt(socket, &protocols).await.is_ok(), taken, "{protocols:?}");
    }
    assert_eq!(stand.memory.sessions().0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_before_tls_is_not_inside_it() {
    let stand = Stand::start().await;
    let start = startup(0, &[("user", "ci"), ("database", "postgres")]);
    let login = [start.clone(), encode::message(b'p', b"exk_0000000000000001_test\0")].concat();
    let query = encode::message(b'Q', b"INSERT INTO notes VALUES (1, 'injected')\0");
    let hello = [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0];
    let second = ssl_request();
    for injected in [&login, &start, &second, &query, &hello.to_vec()] {
        let mut socket = stand.plain().await;
        // One write, so that all of it may be read before the answer is written.
        socket
            .write_all(&[ssl_request(), injected.clone()].concat())
            .await
            .unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), b'S');
        let tls = stand.encrypt(socket, &[PROTOCOL]).await;
        assert!(tls.is_err(), "a handshake went well after injected bytes");
    }
    assert_eq!(stand.memory.sessions().0, 0);
    // Inside TLS there is no second encryption.
    let mut stream = stand.raw().await;
    stream.write_all(&ssl_request()).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(sqlstate(&read_rest(&mut stream).await).as_deref(), Some("0A000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn gssapi_is_refused_once_and_tls_may_follow() {
    let stand = Stand::start().await;
    let gss = encode::untagged(&80_877_104_i32.to_be_bytes());
    let mut socket = stand.plain().await;
    socket.write_all(&gss).await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), b'N');
    socket.write_all(&ssl_request()).await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), b'S');
    let mut stream = stand.encrypt(socket, &[PROTOCOL]).await.unwrap();
    enter(&mut stream, 0, &[]).await;
    for after in [gss.clone(), startup(0, &[("user", "ci")])] {
        let mut socket = stand.plain().await;
        socket.write_all(&[gss.clone(), after].concat()).await.unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), b'N');
        assert_eq!(sqlstate(&read_rest(&mut socket).await).as_deref(), Some("28000"));
    }
    let mut stream = stand.raw().await;
    stream.write_all(&gss).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(sqlstate(&read_rest(&mut stream).await).as_deref(), Some("0A000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_negotiated_as_the_server_does() {
    let stand = Stand::start().await;
    let check = async |minor: u16, parameters: &[(&str, &str)], wanted: Option<&[u8]>, secret: usize| {
        let mut stream = stand.raw().await;
        let answers = enter(&mut stream, minor, parameters).await;
        let negotiation = answers.iter().find(|answer| answer.tag() == b'v').map(Raw::body);
        assert_eq!(negotiation, wanted, "3.{minor} {parameters:?}");
        assert_eq!(key(&answers).1.len(), secret, "3.{minor}");
        assert!(talk(&mut stream, &[(b'Q', b"SELECT 1\0")]).await.contains('1'));
    };
    check(0, &[], None, 4).await;
    check(1, &[], None, 4).await;
    check(2, &[], None, 32).await;
    check(3, &[], Some(b"\0\x03\0\x02\0\0\0\0"), 32).await;
    // As libpq greases it.
    let grease = [("_pq_.test_protocol_negotiation", "")];
    let told = b"\0\x03\0\x02\0\0\0\x01_pq_.test_protocol_negotiation\0";
    check(9_999, &grease, Some(told), 32).await;
    check(
        0,
        &[("_pq_.a", "1"), ("_pq_.b", "2")],
        Some(b"\0\x03\0\0\0\0\0\x02_pq_.a\0_pq_.b\0"),
        4,
    )
    .await;
    for version in [[0, 2, 0, 0], [0, 4, 0, 0], [4, 210, 22, 49]] {
        let mut stream = stand.raw().await;
        stream.write_all(&encode::untagged(&version)).await.unwrap();
        stream.flush().await.unwrap();
        let told = read_rest(&mut stream).await;
        assert_eq!(sqlstate(&told).as_deref(), Some("0A000"));
        assert!(String::from_utf8_lossy(&told).contains("server supports 3.0 to 3.2"));
    }
}

/// Two sessions of protocol 3.`minor`, both waiting for a lock that the server holds; what cancels which of them.
struct Waiting {
    first: Encrypted,
    first_key: (i32, Vec<u8>),
    second: Encrypted,
    second_key: (i32, Vec<u8>),
}

impl Waiting {
    async fn new(stand: &Stand, minor: u16) -> Self {
        let (mut first, mut second) = (stand.raw().await, stand.raw().await);
        let first_key = key(&enter(&mut first, minor, &[]).await);
        let second_key = key(&enter(&mut second, minor, &[]).await);
        for stream in [&mut first, &mut second] {
            let insert = encode::message(b'Q', b"INSERT INTO notes VALUES (3, 'x')\0");
            stream.write_all(&insert).await.unwrap();
            stream.flush().await.unwrap();
        }
        stand.server.wait_for_locks(2);
        Self {
            first,
            first_key,
            second,
            second_key,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_cancels_its_own_session_alone() {
    let stand = Stand::start().await;
    for minor in [0, 2] {
        let lock = stand.server.lock("notes");
        let mut waiting = Waiting::new(&stand, minor).await;
        let (process, secret) = waiting.first_key.clone();
        let mut flipped = secret.clone();
        flipped[0] ^= 1;
        let wrong = [
            (process, flipped),
            (process, secret[..3].to_vec()),
            (process, [secret.as_slice(), &[0]].concat()),
            (process, waiting.second_key.1.clone()),
            (process.wrapping_add(100_000), secret.clone()),
            (process, vec![0; 257]),
        ];
        for (process, secret) in wrong {
            let mut socket = stand.plain().await;
            socket.write_all(&cancel_request(process, &secret)).await.unwrap();
            read_rest(&mut socket).await;
        }
        assert_eq!(stand.server.locks_waited_for(), 2, "a wrong key cancelled something");
        // As `PQcancelStart` of libpq 18 does with `sslnegotiation=direct`; the end says that the server has dealt with it.
        let mut direct = stand.encrypt(stand.plain().await, &[PROTOCOL]).await.unwrap();
        direct.write_all(&cancel_request(process, &secret)).await.unwrap();
        direct.flush().await.unwrap();
        assert_eq!(direct.read_to_end(&mut Vec::new()).await.unwrap(), 0, "closed cleanly");
        let cancelled = read_until_ready(&mut waiting.first).await;
        assert_eq!(sqlstate(&cancelled).as_deref(), Some("57014"));
        assert_eq!(stand.server.locks_waited_for(), 1, "the other session still waits");
        drop(lock);
        let done = read_until_ready(&mut waiting.second).await;
        assert!(messages(&done).iter().any(|message| message.tag() == b'C'));
        stand.server.execute("TRUNCATE notes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_number_is_the_server_s() {
    let stand = Stand::start().await;
    let mut stream = stand.raw().await;
    let (process, _) = key(&enter(&mut stream, 2, &[]).await);
    let told = talk(&mut stream, &[(b'Q', b"SELECT pg_backend_pid()\0")]).await;
    assert!(told.contains(&process.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_first_packet_of_any_length_opens_a_session_or_stops_the_listener() {
    let stand = Stand::start().await;
    for length in (0..=10_001_u32).chain([1 << 16, i32::MAX.cast_unsigned(), u32::MAX]) {
        // From 0x16 on in the first byte it would be TLS, which is no length that is taken.
        let mut packet = length.to_be_bytes().to_vec();
        packet.resize(usize::try_from(length.clamp(4, 10_001)).unwrap(), 0);
        let mut socket = stand.plain().await;
        // The other side may be gone before all of it is written.
        let _ = socket.write_all(&packet).await;
        let told = read_rest(&mut socket).await;
        let code = sqlstate(&told);
        // Zeros are protocol 0.0; a version is cut short under eight bytes; past the limit nothing is answered.
        let wanted = match length {
            4..=7 => Some("08P01"),
            8..=10_000 => Some("0A000"),
            _ => None,
        };
        assert_eq!(code.as_deref(), wanted, "{length}");
    }
    for length in [4_usize, 7, 8, 9, 10_000] {
        let mut stream = stand.raw().await;
        let mut packet = u32::try_from(length).unwrap().to_be_bytes().to_vec();
        packet.extend([0, 3, 0, 0]);
        packet.resize(length, b'x');
        stream.write_all(&packet).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(
            sqlstate(&read_rest(&mut stream).await).as_deref(),
            Some("08P01"),
            "{length}"
        );
    }
    assert_eq!(stand.memory.sessions().0, 0);
    let mut stream = stand.raw_session().await;
    assert!(talk(&mut stream, &[(b'Q', b"SELECT 1\0")]).await.contains('1'));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_password_is_told_so() {
    let stand = Stand::start().await;
    for message in [
        encode::message(b'Q', b"SELECT 1\0"),
        encode::message(b'p', b"exk_0000000000000001_test"),
    ] {
        let mut stream = stand.raw().await;
        let start = startup(0, &[("user", "ci"), ("database", "postgres")]);
        stream.write_all(&[start, message].concat()).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(sqlstate(&read_rest(&mut stream).await).as_deref(), Some("08P01"));
    }
    assert_eq!(stand.memory.sessions().0, 0);
}

/// The clock moves on by itself while everybody waits.
#[tokio::test(start_paused = true)]
async fn who_does_not_come_in_in_time_is_let_go() {
    let stand = Stand::start().await;
    let mut silent = stand.plain().await;
    assert_eq!(read_rest(&mut silent).await, b"");
    let mut halting = stand.plain().await;
    halting.write_all(&ssl_request()[..7]).await.unwrap();
    assert_eq!(read_rest(&mut halting).await, b"");
    let mut stopping = stand.raw().await;
    stopping.write_all(&startup(0, &[("user", "ci")])).await.unwrap();
    stopping.flush().await.unwrap();
    // It is asked for the key, and then the connection ends.
    let told = read_rest(&mut stopping).await;
    assert_eq!(messages(&told).iter().map(Raw::tag).collect::<Vec<_>>(), b"R");
    assert_eq!(stand.memory.sessions().0, 0);
}

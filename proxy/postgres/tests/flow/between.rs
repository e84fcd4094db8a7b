//! Somebody between the proxy and the server, with a certificate that the proxy takes: what that is worth.

use std::sync::Arc;

use exhibit_postgres::config::ChannelBinding::{self, Disable, Prefer, Require};
use exhibit_postgres::message::{encode, startup};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::server::Server;
use crate::stand::{POLICY, Stand, enter, read_rest, sqlstate, talk};

/// What somebody in between changes.
#[derive(Clone)]
enum Tampering {
    Nothing,
    /// Hides that the server offers SCRAM-SHA-256-PLUS.
    HidePlus,
    /// Answers as a server that cannot negotiate a version.
    Ancient,
    /// Answers the start-up message with these bytes.
    Answer(Vec<u8>),
    /// Puts bytes between the answer to the `SSLRequest` and TLS.
    Inject(Vec<u8>),
    /// Has no TLS.
    NoTls,
}

/// Starts it; gives the port.
async fn between(server: &Server, tampering: Tampering) -> u16 {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let trusted = server.directory().join("server.pem");
    let both = std::fs::read_to_string(&trusted).unwrap() + &certificate.pem();
    std::fs::write(server.directory().join("both.pem"), both).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let acceptor = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
        )
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(rustls_pki_types::CertificateDer::from_pem_file(&trusted).unwrap())
        .unwrap();
    let connector = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(acceptor));
    let connector = tokio_rustls::TlsConnector::from(Arc::new(connector));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = server.port();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            // Either side may hang up at any point; that is what the tests are about.
            tokio::spawn(relay(
                socket,
                acceptor.clone(),
                connector.clone(),
                server,
                tampering.clone(),
            ));
        }
    });
    port
}

async fn relay(
    mut socket: TcpStream,
    acceptor: tokio_rustls::TlsAcceptor,
    connector: tokio_rustls::TlsConnector,
    server: u16,
    tampering: Tampering,
) -> std::io::Result<()> {
    socket.read_exact(&mut [0; 8]).await?;
    match &tampering {
        Tampering::NoTls => return socket.write_all(b"N").await,
        Tampering::Inject(bytes) => socket.write_all(&[b"S", bytes.as_slice()].concat()).await?,
        _ => socket.write_all(b"S").await?,
    }
    let mut proxy = acceptor.accept(socket).await?;
    let length = proxy.read_u32().await?;
    let mut start = vec![0; usize::try_from(length).unwrap() - 4];
    proxy.read_exact(&mut start).await?;
    let ancient = encode::Report::fatal("0A000", "unsupported frontend protocol 3.2: server supports 2.0 to 3.0");
    match &tampering {
        Tampering::Ancient if start[3] != 0 => {
            proxy.write_all(&ancient.response()).await?;
            return proxy.shutdown().await;
        }
        Tampering::Answer(bytes) => {
            proxy.write_all(bytes).await?;
            return proxy.flush().await.map(|()| drop(proxy));
        }
        _ => {}
    }
    let mut socket = TcpStream::connect(("127.0.0.1", server)).await?;
    socket.write_all(&startup::ssl_request()).await?;
    socket.read_exact(&mut [0]).await?;
    let mut server = connector.connect("localhost".try_into().unwrap(), socket).await?;
    server.write_all(&encode::untagged(&start)).await?;
    server.flush().await?;
    if matches!(tampering, Tampering::HidePlus) {
        loop {
            let tag = server.read_u8().await?;
            let length = server.read_u32().await?;
            let mut body = vec![0; usize::try_from(length).unwrap() - 4];
            server.read_exact(&mut body).await?;
            if tag == b'R' {
                assert!(String::from_utf8_lossy(&body).contains("SCRAM-SHA-256-PLUS"));
                proxy
                    .write_all(&encode::message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"))
                    .await?;
                break;
            }
            proxy.write_all(&encode::message(tag, &body)).await?;
        }
        proxy.flush().await?;
    }
    tokio::io::copy_bidirectional(&mut proxy, &mut server).await.map(drop)
}

/// The SQLSTATE that an agent's session ends with before it begins, or `None` when it begins.
async fn entered(server: &Arc<Server>, tampering: Tampering, binding: ChannelBinding) -> Option<String> {
    let port = between(server, tampering).await;
    let both = server.directory().join("both.pem");
    let stand = Stand::start_with(Arc::clone(server), POLICY, |config| {
        config.server.port = port;
        config.server.ca = Some(both);
        config.server.channel_binding = binding;
    })
    .await;
    let mut stream = stand.raw().await;
    crate::stand::ask(&mut stream, 2, &[]).await;
    // A query that ends what began well.
    let _ = stream.write_all(&encode::message(b'X', b"")).await;
    let _ = stream.flush().await;
    let code = sqlstate(&read_rest(&mut stream).await);
    let ended = if code.is_some() { "target" } else { "agent" };
    assert_eq!(stand.memory.sessions(), (1, vec![ended.to_owned()]));
    code
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_proof_cannot_be_relayed_and_binding_cannot_be_hidden() {
    let server = Arc::new(Server::start());
    let refused = Some("08006".to_owned());
    // The relay itself works: without binding nobody sees it.
    assert_eq!(entered(&server, Tampering::Nothing, Disable).await, None);
    assert_eq!(entered(&server, Tampering::Nothing, Prefer).await, refused);
    assert_eq!(entered(&server, Tampering::HidePlus, Prefer).await, refused);
    assert_eq!(entered(&server, Tampering::HidePlus, Require).await, refused);
    assert_eq!(entered(&server, Tampering::HidePlus, Disable).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_negotiate_is_asked_again() {
    let server = Arc::new(Server::start());
    assert_eq!(entered(&server, Tampering::Ancient, Disable).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_target_that_make_no_sense_are_refused() {
    let server = Arc::new(Server::start());
    let negotiate = |body: &[u8]| encode::message(b'v', body);
    let sasl = encode::message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0");
    let earlier = negotiate(b"\0\x03\0\0\0\0\0\0");
    let answers = [
        // The version that was asked for, later ones, another protocol, and options that nobody asked for.
        negotiate(b"\0\x03\0\x02\0\0\0\0"),
        negotiate(b"\0\x03\0\x03\0\0\0\0"),
        negotiate(b"\0\x02\0\0\0\0\0\0"),
        negotiate(b"\0\x03\0\0\0\0\0\x01_pq_.x\0"),
        negotiate(b"\0\x03\0\0\xff\xff\xff\xff"),
        [earlier.clone(), earlier.clone(), sasl].concat(),
        // In without any proof, with the password in clear, or with its MD5.
        encode::message(b'R', b"\0\0\0\0"),
        encode::message(b'R', b"\0\0\0\x03"),
        encode::message(b'R', b"\0\0\0\x05salt"),
        encode::message(b'R', b"\0\0\0\x0a\0"),
        encode::message(b'Z', b"I"),
        Vec::new(),
    ];
    for answer in answers {
        let code = entered(&server, Tampering::Answer(answer.clone()), Disable).await;
        assert_eq!(code.as_deref(), Some("08006"), "{}", answer.escape_ascii());
    }
    let login = encode::message(b'R', b"\0\0\0\0");
    for tampering in [Tampering::Inject(login), Tampering::NoTls] {
        let code = entered(&server, tampering, Disable).await;
        assert_eq!(code.as_deref(), Some("08006"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_every_signature_are_bound_or_refused() {
    let begin = async |algorithm, binding| {
        let stand = Stand::start_with(Arc::new(Server::start_signed(algorithm)), POLICY, |config| {
            config.server.channel_binding = binding;
        })
        .await;
        let mut stream = stand.raw().await;
        crate::stand::ask(&mut stream, 2, &[]).await;
        let _ = stream.write_all(&encode::message(b'X', b"")).await;
        let _ = stream.flush().await;
        let told = read_rest(&mut stream).await;
        sqlstate(&told).map(|_| String::from_utf8_lossy(&told).into_owned())
    };
    assert_eq!(begin(&rcgen::PKCS_ECDSA_P384_SHA384, Require).await, None);
    for binding in [Prefer, Require] {
        let told = begin(&rcgen::PKCS_ED25519, binding).await.unwrap();
        assert!(told.contains("no channel binding is defined"), "{told}");
    }
    assert_eq!(begin(&rcgen::PKCS_ED25519, Disable).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_session_works() {
    let stand = Stand::start().await;
    let mut stream = stand.raw().await;
    enter(&mut stream, 2, &[]).await;
    assert!(talk(&mut stream, &[(b'Q', b"SELECT 1\0")]).await.contains('1'));
}

//! The append stream: to whom the ledger publishes what people decided.

use std::sync::Arc;

use exhibit_ledger::readings::Readings;
use exhibit_ledger::{api, serve};
use exhibit_schemas::event::trust::{KeyEnrolled, KeyRevoked, Role};
use exhibit_schemas::key::{KeyId, SecretKey, Signer as _};
use exhibit_schemas::seal::Sealed;
use exhibit_schemas::wire::{Hello, Message, RefusalCode};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_util::sync::CancellationToken;

use crate::fixture::{administrator, append, begin, beginning, event, key, open, proxy, secret};

type Socket = WebSocketStream<DuplexStream>;

async fn next(socket: &mut Socket) -> Message {
    let frame = socket.next().await.unwrap().unwrap();
    Message::decode(&frame.into_data()).unwrap()
}

async fn refused(socket: &mut Socket, code: RefusalCode) {
    let Message::Refusal(refusal) = next(socket).await else {
        panic!("nothing else goes to one who is no proxy in force");
    };
    assert_eq!(refusal.code, code, "{}", refusal.text);
    assert!(matches!(socket.next().await, Some(Ok(Frame::Close(_))) | None));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_proxies_in_force_follow_what_people_decided() {
    let directory = tempfile::tempdir().unwrap();
    let config = begin(directory.path());
    secret(directory.path(), "ledger.key", 4);
    let ledger = open(&config);
    let enrolled = KeyEnrolled {
        key: key(5).public_key().to_bytes(),
        role: Role::Person,
        name: "carol".into(),
        groups: Vec::new(),
        application: None,
    };
    let enrolled = vec![event(&administrator(), 1, None, enrolled)];
    let enrolled = Sealed::seal(enrolled, beginning()[0].next(), &administrator()).unwrap();
    ledger.submit(append(&enrolled)).await.await.unwrap().unwrap();
    let readings = Readings::new(ledger.clone(), &config).unwrap();
    let router = api::router(ledger.clone(), None, Arc::clone(&readings));
    let hello = async |signer: &SecretKey, named: KeyId| {
        let (near, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(serve::serve_stream(router.clone(), far, CancellationToken::default()));
        let opened = tokio_tungstenite::client_async("ws://ledger/v1/append/stream", near).await;
        let (mut socket, _) = opened.unwrap();
        let Message::Challenge(challenge) = next(&mut socket).await else {
            panic!("a stream begins with a challenge");
        };
        let hello = Hello {
            emitter: named,
            ..Hello::sign(&config.origin, &challenge, 0, signer).unwrap()
        };
        let hello = Message::Hello(hello).encode();
        socket.send(Frame::Binary(hello.into())).await.unwrap();
        socket
    };
    let proxied = proxy().public_key().id();
    // A key that nobody enrolled, a person and an administrator.
    for stranger in [key(9), key(5), administrator()] {
        refused(
            &mut hello(&stranger, stranger.public_key().id()).await,
            RefusalCode::Key,
        )
        .await;
        // And who names a proxy's key without having it.
        refused(&mut hello(&stranger, proxied).await, RefusalCode::Forbidden).await;
    }
    let mut socket = hello(&proxy(), proxied).await;
    assert!(matches!(next(&mut socket).await, Message::Welcome(_)));
    for _ in 0..2 {
        assert!(matches!(next(&mut socket).await, Message::Published(_)));
    }
    let revoked = KeyRevoked {
        key: proxy().public_key().id(),
        reason: "left".into(),
    };
    let revoked = vec![event(&administrator(), 1, None, revoked)];
    let revoked = Sealed::seal(revoked, enrolled.next(), &administrator()).unwrap();
    ledger.submit(append(&revoked)).await.await.unwrap().unwrap();
    refused(&mut socket, RefusalCode::Key).await;
    refused(&mut hello(&proxy(), proxied).await, RefusalCode::Key).await;
}

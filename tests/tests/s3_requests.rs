//! Every operation of S3 as AWS's SDK for Python sends it: the signature is good, and method, place and parameters name that operation.
//! And how the SDK comes by what it signs with: the token of a pipeline, and `AssumeRoleWithWebIdentity`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "files of tests need not be durable")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use exhibit_s3::address::{Address, Bucket, Key, Source};
use exhibit_s3::credentials::{Holder, Nonce, Sealer};
use exhibit_s3::headers::actions;
use exhibit_s3::operation::{Body, Operation};
use exhibit_s3::signature::credential::{AccessKeyId, Region, SessionToken};
use exhibit_s3::signature::head::Head;
use exhibit_s3::signature::key::SecretKey;
use exhibit_s3::signature::time::UnixSeconds;
use exhibit_s3::signature::{NoKey, Signed, verify};
use exhibit_s3::sts::{StsError, WebIdentity, answer};
use exhibit_schemas::digest::Digest;
use exhibit_schemas::event::access::{Action, Principal};
use serde::Deserialize;

const HOST: &str = "s3.gateway.example";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Other names of the same requests, and what is not told apart from another operation: a list of directory buckets goes to another
/// host of AWS, and has one parameter more.
const TWINS: [(&str, &str); 4] = [
    ("GetBucketLifecycle", "GetBucketLifecycleConfiguration"),
    ("PutBucketLifecycle", "PutBucketLifecycleConfiguration"),
    ("GetBucketNotification", "GetBucketNotificationConfiguration"),
    ("PutBucketNotification", "PutBucketNotificationConfiguration"),
];

/// What AWS serves at other hosts alone, and is no operation here.
const ELSEWHERE: [&str; 2] = ["ListDirectoryBuckets", "WriteGetObjectResponse"];

/// What browsers send, and no SDK.
const BROWSERS: [Operation; 1] = [Operation::PostObject];

#[derive(Deserialize)]
struct Sent {
    style: String,
    operation: String,
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
}

#[test]
fn each_operation_of_an_sdk_is_the_one_that_it_meant() {
    let drivers = exhibit_tests::drivers().unwrap();
    let mut command = Command::new(drivers.join("venv/bin/python"));
    let said = exhibit_tests::run(command.arg(exhibit_tests::driver("s3_requests.py")).arg(HOST)).unwrap();
    let mut seen = BTreeSet::new();
    for line in said.lines() {
        let sent: Sent = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if ELSEWHERE.contains(&sent.operation.as_str()) {
            assert!(read(&sent).is_err(), "{line}");
            continue;
        }
        let twin = TWINS.iter().find(|(name, _)| *name == sent.operation);
        let wanted = twin.map_or(sent.operation.as_str(), |(_, name)| name);
        let (operation, address) = read(&sent).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(operation.as_str(), wanted, "{line}");
        let bucket = Bucket::parse(b"reports").unwrap();
        match &address {
            Address::Service => assert_eq!(operation, Operation::ListBuckets),
            Address::Bucket(named) => assert_eq!(named, &bucket),
            Address::Object(named, key) => assert_eq!((named, key), (&bucket, &Key::parse(b"2026/a b.csv").unwrap())),
        }
        seen.insert((sent.style, operation));
    }
    let sdk = Operation::ALL.iter().filter(|operation| !BROWSERS.contains(operation));
    for operation in sdk {
        for style in ["path", "virtual"] {
            assert!(
                seen.contains(&(style.to_owned(), *operation)),
                "{}, {style}",
                operation.as_str()
            );
        }
    }
}

fn read(sent: &Sent) -> Result<(Operation, Address), String> {
    let secret = SecretKey::new(SECRET.to_owned().into());
    let signed = checked(sent, |_, _| Ok(secret))?;
    let host = signed.header("host").unwrap();
    let address = Address::parse(host, &[HOST.to_owned()], signed.target()).map_err(|error| error.to_string())?;
    let source = signed
        .header("x-amz-copy-source")
        .map(|source| Source::parse(source).unwrap());
    if let Some(source) = &source {
        assert_eq!((source.bucket.as_str(), source.version.as_deref()), ("raw", Some("v1")));
    }
    let body = source.as_ref().map_or(Body::Own, Body::Copied);
    let operation = Operation::parse(signed.method(), address.level(), signed.target(), body);
    let operation = operation.map_err(|error| error.to_string())?;
    // What is never passed on has no headers either.
    if operation.refused().is_some() {
        return Ok((operation, address));
    }
    let headers: Vec<_> = sent
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let actions = actions(operation, &headers).map_err(|error| error.to_string())?;
    assert!(actions.contains(&operation.action()));
    // Every request names its ACL, its grants and its locks.
    let grants = [
        Operation::PutObject,
        Operation::CopyObject,
        Operation::CreateMultipartUpload,
        Operation::CreateBucket,
    ];
    assert_eq!(
        actions.contains(&Action::Grant),
        grants.contains(&operation) || operation.action() == Action::Grant || operation.also() == Some(Action::Grant)
    );
    Ok((operation, address))
}

fn time(sent: &Sent) -> UnixSeconds {
    let time = sent
        .headers
        .get("x-amz-date")
        .and_then(|time| UnixSeconds::parse_basic(time));
    time.unwrap()
}

fn checked(
    sent: &Sent,
    keys: impl FnOnce(&AccessKeyId, Option<&SessionToken>) -> Result<SecretKey, NoKey>,
) -> Result<Signed, String> {
    let rest = sent.url.strip_prefix("http://").unwrap();
    let (host, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    let mut headers: Vec<(&str, &[u8])> = vec![("host", host.as_bytes())];
    headers.extend(
        sent.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes())),
    );
    let head = Head {
        method: &sent.method,
        target: &path,
        headers: &headers,
    };
    verify(&head, &Region::new("us-east-1").unwrap(), time(sent), keys).map_err(|error| error.to_string())
}

const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjaSJ9.c2lnbmF0dXJl";

fn sealer() -> Sealer {
    Sealer::new(&[5; 32], &[]).unwrap()
}

/// Answers as the gateway does, with a token that it would have checked.
async fn sts(State(sealer): State<Arc<Sealer>>, form: Bytes) -> Response {
    let xml = [(header::CONTENT_TYPE, "text/xml")];
    let asked = match WebIdentity::parse(&form) {
        Ok(asked) if asked.token.as_str() == TOKEN => asked,
        Ok(_) => return refused(StsError::Token),
        Err(error) => return refused(error),
    };
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let holder = Holder {
        principal: Principal {
            method: "oidc".into(),
            issuer: "https://issuer.example".into(),
            subject: "repo:octo/app & <more>".into(),
            client_id: None,
            groups: Vec::new(),
            evidence: Digest::of(TOKEN.as_bytes()),
            run: None,
        },
        expires_s: asked.expires_s(UnixSeconds::new(now.cast_signed()).unwrap(), now + 600),
        session_name: asked.session_name,
    };
    let temporary = sealer.seal(&holder, Nonce::random().unwrap()).unwrap();
    (
        xml,
        answer(&holder, &temporary, &asked.role_arn, "https://exhibit.example", "r-1"),
    )
        .into_response()
}

fn refused(error: StsError) -> Response {
    let (_, status) = error.code();
    (StatusCode::from_u16(status).unwrap(), error.xml("r-1")).into_response()
}

/// What a pipeline sets up is three variables; the SDK does the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_pipeline_becomes_credentials_that_sign() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(sts)).with_state(Arc::new(sealer()));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("token");
    let ask = |token: &str| {
        std::fs::write(&file, token).unwrap();
        let drivers = exhibit_tests::drivers().unwrap();
        let mut command = Command::new(drivers.join("venv/bin/python"));
        command.arg(exhibit_tests::driver("s3_web_identity.py")).arg(HOST);
        command
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", &file)
            .env("AWS_ENDPOINT_URL_STS", &endpoint);
        command
            .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ci")
            .env("AWS_REGION", "us-east-1");
        tokio::task::block_in_place(|| exhibit_tests::run(&mut command))
    };
    let sent: Sent = serde_json::from_str(ask(TOKEN).unwrap().trim()).unwrap();
    let mut holder = None;
    let open = |id: &AccessKeyId, token: Option<&SessionToken>| {
        let (secret, who) = sealer().open(id, token.ok_or(NoKey::Unknown)?, time(&sent))?;
        holder = Some(who);
        Ok(secret)
    };
    let signed = checked(&sent, open).unwrap();
    assert_eq!(
        (signed.method(), signed.target().path()),
        ("GET", &b"/reports/a.csv"[..])
    );
    let holder = holder.unwrap();
    assert_eq!(holder.principal.subject, "repo:octo/app & <more>");
    // It ends with the token, though the SDK asked for an hour.
    assert!(holder.expires_s < u64::try_from(time(&sent).seconds()).unwrap() + 700);

    let error = ask("eyJhbGciOiJSUzI1NiJ9.another.c2lnbmF0dXJl")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("InvalidIdentityToken") && error.contains("not one that this gateway takes"),
        "{error}"
    );
}

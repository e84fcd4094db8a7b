//! Signed requests that a proxy sends to an STS of a test: what is sent, who is let in, and what is refused before anything is
//! sent. The STS here checks no signature; `tests/tests/aws.rs` has one that does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, in its helpers too")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use exhibit_identity::aws::{self, AnswerError, AwsError, Config, Credentials, Endpoints, FormError};
use exhibit_identity::oidc::Issuers;
use exhibit_identity::{ApiKeys, Callers, Certificates, FetchError, Refusal};
use exhibit_schemas::event::Timestamp;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
const AUDIENCE: &str = "https://exhibit.clinic.example";
const ROLE: &str = "arn:aws:iam::123456789012:role/nightly";

/// What the STS answers.
#[derive(Clone, Copy)]
enum Answer {
    Session,
    OtherAccount,
    Redirect,
    Long,
    Html,
    Never,
    Status(StatusCode),
}

struct Asked {
    answer: Mutex<Answer>,
    times: AtomicUsize,
    /// The last question: its query and the audience.
    last: Mutex<(String, String)>,
}

struct Sts {
    url: String,
    asked: Arc<Asked>,
}

impl Sts {
    async fn start() -> Self {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let asked = Arc::new(Asked {
            answer: Mutex::new(Answer::Session),
            times: AtomicUsize::new(0),
            last: Mutex::default(),
        });
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&asked));
        tokio::spawn(async move { axum::serve(socket, router).await });
        Self { url, asked }
    }

    fn answer(&self, answer: Answer) {
        *self.asked.answer.lock().unwrap() = answer;
    }

    fn times(&self) -> usize {
        self.asked.times.load(Ordering::SeqCst)
    }

    fn config(&self, more: &str) -> Config {
        let text = format!(
            "region = \"eu-central-1\"\nsts = \"{}\"\naudience = \"{AUDIENCE}\"\naccounts = [\"123456789012\"]\n{more}",
            self.url
        );
        let config: Config = toml::from_str(&text).unwrap();
        config.resolved(std::path::Path::new("/")).unwrap()
    }

    fn endpoints(&self, more: &str) -> Endpoints {
        let mut endpoints = Endpoints::default();
        assert!(endpoints.add(self.config(more), tls(), Timestamp(NOW.0 - 10_000_000)));
        endpoints
    }

    fn token_at(&self, region: &str, now: Timestamp) -> String {
        let credentials = Credentials {
            key_id: "ASIAEXAMPLEEXAMPLE12".to_owned(),
            secret: "secret".to_owned().into(),
            session_token: Some("IQoJ/b3JpZ2lu+X2VjE==".to_owned().into()),
        };
        let token = aws::token(&credentials, region, Some(&self.url), AUDIENCE, now).unwrap();
        token.to_string()
    }

    fn token(&self) -> String {
        self.token_at("eu-central-1", NOW)
    }
}

fn tls() -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

async fn answer(State(asked): State<Arc<Asked>>, OriginalUri(uri): OriginalUri, headers: HeaderMap) -> Response {
    asked.times.fetch_add(1, Ordering::SeqCst);
    let audience = headers.get("x-exhibit-audience").unwrap().to_str().unwrap();
    assert_eq!(uri.path(), "/");
    *asked.last.lock().unwrap() = (uri.query().unwrap().to_owned(), audience.to_owned());
    let chosen = *asked.answer.lock().unwrap();
    let account = match chosen {
        Answer::OtherAccount => "210987654321",
        _ => "123456789012",
    };
    let answer = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:sts::{account}:assumed-role/nightly/run-7</Arn><UserId>AROAEXAMPLEROLEIDENT1:run-7</UserId>\
         <Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    match chosen {
        Answer::Session | Answer::OtherAccount => answer.into_response(),
        // Where it leads to would let in.
        Answer::Redirect => (StatusCode::FOUND, [(header::LOCATION, "/")], answer).into_response(),
        Answer::Long => format!("{answer}{}", " ".repeat(300 << 10)).into_response(),
        Answer::Never => std::future::pending().await,
        Answer::Html => "<html><body>sign in</body></html>".into_response(),
        Answer::Status(status) => (status, answer).into_response(),
    }
}

#[tokio::test]
async fn a_session_of_a_role_is_told_by_its_role_and_unique_id() {
    let sts = Sts::start().await;
    let token = sts.token();
    let identity = sts.endpoints("").identify(&token, NOW).await.unwrap();
    let principal = identity.principal;
    assert_eq!(
        (principal.method.as_str(), principal.subject.as_str()),
        ("aws-iam", ROLE)
    );
    assert_eq!(principal.issuer, "arn:aws:iam::123456789012:root");
    assert_eq!(principal.client_id.as_deref(), Some("AROAEXAMPLEROLEIDENT1:run-7"));
    assert_eq!(identity.expires, Some(Timestamp(NOW.0 + 900_000_000)));
    let (query, audience) = sts.asked.last.lock().unwrap().clone();
    assert_eq!(audience, AUDIENCE);
    assert!(
        query.starts_with("Action=GetCallerIdentity&Version=2011-06-15&X-Amz-"),
        "{query}"
    );
    assert!(
        query.contains("X-Amz-SignedHeaders=host%3Bx-exhibit-audience"),
        "{query}"
    );
    // Nothing is kept of the answer, and evidence of a credential has no secret part.
    let again = sts.endpoints("").identify(&token, NOW).await.unwrap();
    assert_eq!((sts.times(), again.principal.evidence), (2, principal.evidence));
}

#[tokio::test]
async fn nothing_is_sent_of_what_could_not_be_good() {
    let sts = Sts::start().await;
    let endpoints = sts.endpoints("");
    let token = sts.token();
    let check = async |token: &str, now: Timestamp, wanted: AwsError| {
        assert_eq!(endpoints.identify(token, now).await.unwrap_err(), wanted);
    };
    check(&token, Timestamp(NOW.0 + 900_000_000), AwsError::Expired).await;
    check(&token, Timestamp(NOW.0 - 31_000_000), AwsError::Early).await;
    check(&sts.token_at("eu-west-1", NOW), NOW, AwsError::Endpoint).await;
    let elsewhere = Sts::start().await;
    check(&elsewhere.token(), NOW, AwsError::Endpoint).await;
    check(&token[..token.len() - 90], NOW, AwsError::Form(FormError::Parameters)).await;
    check(
        &format!("{token}{}", "A".repeat(16 << 10)),
        NOW,
        AwsError::Form(FormError::TooLong),
    )
    .await;
    assert_eq!((sts.times(), elsewhere.times()), (0, 0));
    assert!(endpoints.identify(&token, Timestamp(NOW.0 + 899_999_999)).await.is_ok());
}

#[tokio::test]
async fn what_is_answered_otherwise_lets_nobody_in() {
    let sts = Sts::start().await;
    let endpoints = sts.endpoints("");
    let token = sts.token();
    let check = async |answer: Answer| {
        sts.answer(answer);
        endpoints.identify(&token, NOW).await.unwrap_err()
    };
    assert_eq!(check(Answer::OtherAccount).await, AwsError::Caller);
    assert_eq!(check(Answer::Html).await, AwsError::Answer(AnswerError::Form));
    assert_eq!(
        check(Answer::Status(StatusCode::FORBIDDEN)).await,
        AwsError::Refused(403)
    );
    assert_eq!(
        check(Answer::Status(StatusCode::BAD_REQUEST)).await,
        AwsError::Refused(400)
    );
    for answer in [Answer::Redirect, Answer::Long, Answer::Status(StatusCode::CREATED)] {
        let error = check(answer).await;
        assert!(matches!(error, AwsError::Fetch(_)), "{error}");
        // The request is as good as a password.
        assert!(!format!("{error} {error:?}").contains("X-Amz"), "{error:?}");
    }
    let status = check(Answer::Status(StatusCode::SERVICE_UNAVAILABLE)).await;
    let wanted = FetchError::Status {
        url: format!("{}/", sts.url),
        status: 503,
    };
    assert_eq!(status, AwsError::Fetch(wanted));
    assert_eq!(sts.times(), 8, "no redirection is followed");
}

/// The clock moves on by itself while everybody waits; whenever it does, the wait is over.
#[tokio::test(start_paused = true)]
async fn who_does_not_answer_in_time_lets_nobody_in() {
    let sts = Sts::start().await;
    sts.answer(Answer::Never);
    let error = sts.endpoints("").identify(&sts.token(), NOW).await.unwrap_err();
    let wanted = FetchError::Time {
        url: format!("{}/", sts.url),
    };
    assert_eq!(error, AwsError::Fetch(wanted));
}

/// An STS with a certificate for a name, and what it was asked.
async fn encrypted(name: &str) -> (u16, rcgen::Certificate, Arc<AtomicUsize>) {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, asked) = (socket.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut first = [0; 1];
            if tokio::io::AsyncReadExt::read(&mut stream, &mut first)
                .await
                .is_ok_and(|read| read > 0)
            {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (port, certified.cert, asked)
}

#[tokio::test]
async fn nothing_is_said_to_whose_certificate_does_not_hold() {
    // By nobody known, and for another name: neither is told anything. The third is, so it would be.
    for (name, known, told) in [
        ("localhost", false, 0),
        ("sts.example", true, 0),
        ("localhost", true, 1),
    ] {
        let (port, certificate, asked) = encrypted(name).await;
        let mut roots = rustls::RootCertStore::empty();
        if known {
            roots.add(certificate.der().clone()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let sts = Sts {
            url: format!("https://localhost:{port}"),
            asked: Sts::start().await.asked,
        };
        let mut endpoints = Endpoints::default();
        assert!(endpoints.add(sts.config(""), tls, Timestamp(NOW.0 - 10_000_000)));
        let error = endpoints.identify(&sts.token(), NOW).await.unwrap_err();
        assert!(
            matches!(error, AwsError::Fetch(FetchError::Connection { .. })),
            "{error}"
        );
        assert_eq!(asked.load(Ordering::SeqCst), told, "{name} {known}: {error}");
    }
}

#[tokio::test]
async fn only_the_roles_that_are_listed_are_taken_where_some_are() {
    let sts = Sts::start().await;
    let token = sts.token();
    let listed = sts.endpoints(&format!("arns = [\"{ROLE}\"]\n"));
    assert!(listed.identify(&token, NOW).await.is_ok());
    for other in ["role/nightl", "role/nightly2", "user/nightly"] {
        let other = sts.endpoints(&format!("arns = [\"arn:aws:iam::123456789012:{other}\"]\n"));
        assert_eq!(other.identify(&token, NOW).await.unwrap_err(), AwsError::Caller);
    }
}

#[tokio::test]
async fn a_token_is_good_once_where_that_is_asked_for() {
    let sts = Sts::start().await;
    let endpoints = sts.endpoints("once = true\n");
    let token = sts.token();
    sts.answer(Answer::Status(StatusCode::FORBIDDEN));
    assert_eq!(
        endpoints.identify(&token, NOW).await.unwrap_err(),
        AwsError::Refused(403)
    );
    sts.answer(Answer::Session);
    assert!(endpoints.identify(&token, NOW).await.is_ok());
    assert_eq!(endpoints.identify(&token, NOW).await.unwrap_err(), AwsError::Again);
    // The same request in another order is the same.
    assert_eq!(
        endpoints.identify(&turned(&token), NOW).await.unwrap_err(),
        AwsError::Again
    );
    let before = sts.token_at("eu-central-1", Timestamp(NOW.0 - 11_000_000));
    let error = endpoints.identify(&before, NOW).await.unwrap_err();
    assert!(matches!(error, AwsError::Unsure(_)), "{error}");
}

/// The same request with its parameters in the other order.
fn turned(token: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (prefix, encoded) = token.split_once('.').unwrap();
    let url = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap();
    let (place, query) = url.split_once('?').unwrap();
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.reverse();
    format!(
        "{prefix}.{}",
        URL_SAFE_NO_PAD.encode(format!("{place}?{}", pairs.join("&")))
    )
}

#[tokio::test]
async fn a_user_name_is_that_of_all_or_the_role() {
    let sts = Sts::start().await;
    let token = sts.token();
    let endpoints = sts.endpoints("");
    let callers = Callers::new(
        ApiKeys::default(),
        Issuers::default(),
        endpoints,
        Certificates::default(),
    );
    let callers = Arc::new(callers);
    assert!(callers.knows("aws") && !callers.knows(ROLE));
    for user in ["aws", ROLE] {
        assert!(callers.identify(user, &token, "clinic", NOW).await.is_ok(), "{user}");
    }
    for user in ["oidc", "nightly", ""] {
        let refusal = callers.identify(user, &token, "clinic", NOW).await.unwrap_err();
        assert!(matches!(refusal, Refusal::AwsUser), "{refusal}");
        assert_eq!(refusal.words(), ("aws-iam", "user"));
    }
    sts.answer(Answer::Html);
    let refusal = callers.identify("aws", &token, "clinic", NOW).await.unwrap_err();
    assert_eq!(refusal.words(), ("aws-iam", "token"));
}

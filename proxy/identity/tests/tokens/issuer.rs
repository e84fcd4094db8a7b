//! An issuer for tests: it signs, and publishes its keys over HTTP on this machine.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// What is wrong with what it publishes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    OtherIssuer,
    KeysElsewhere,
    Redirect,
    Long,
    NoKeys,
}

/// A key of P-256.
pub(crate) struct Key {
    name: String,
    encoding: EncodingKey,
}

impl Key {
    pub(crate) fn new(name: &str) -> Self {
        let pair = rcgen::KeyPair::generate().unwrap();
        Self {
            name: name.to_owned(),
            encoding: EncodingKey::from_ec_der(&pair.serialize_der()),
        }
    }

    pub(crate) fn sign(&self, header: &Header, claims: &str) -> String {
        let signed = format!("{}.{}", base64(&serde_json::to_string(header).unwrap()), base64(claims));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.encoding, Algorithm::ES256).unwrap();
        format!("{signed}.{signature}")
    }

    pub(crate) fn public(&self) -> Jwk {
        let mut key = Jwk::from_encoding_key(&self.encoding, Algorithm::ES256).unwrap();
        key.common.key_id = Some(self.name.clone());
        key
    }
}

struct Published {
    url: String,
    keys: Mutex<Vec<Key>>,
    fetches: AtomicUsize,
    failing: Mutex<bool>,
    change: Mutex<Option<Change>>,
}

pub(crate) struct Issuer(Arc<Published>);

impl Issuer {
    pub(crate) async fn start() -> Self {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let published = Arc::new(Published {
            url: format!("http://{}", socket.local_addr().unwrap()),
            keys: Mutex::new(vec![Key::new("first")]),
            fetches: AtomicUsize::new(0),
            failing: Mutex::new(false),
            change: Mutex::new(None),
        });
        let router = axum::Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .with_state(Arc::clone(&published));
        tokio::spawn(async move { axum::serve(socket, router).await });
        Self(published)
    }

    pub(crate) fn url(&self) -> &str {
        &self.0.url
    }

    /// How often its keys were asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.0.fetches.load(Ordering::SeqCst)
    }

    pub(crate) fn fail(&self, failing: bool) {
        *self.0.failing.lock().unwrap() = failing;
    }

    pub(crate) fn change(&self, change: Change) {
        *self.0.change.lock().unwrap() = Some(change);
    }

    pub(crate) fn rotate(&self, names: &[&str]) {
        *self.0.keys.lock().unwrap() = names.iter().map(|name| Key::new(name)).collect();
    }

    pub(crate) fn key_name(&self) -> String {
        self.0.keys.lock().unwrap()[0].name.clone()
    }

    pub(crate) fn documents(&self) -> Value {
        let public: Vec<Jwk> = self.0.keys.lock().unwrap().iter().map(Key::public).collect();
        json!({ "keys": public })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_text(&claims.to_string())
    }

    pub(crate) fn sign_text(&self, claims: &str) -> String {
        let keys = self.0.keys.lock().unwrap();
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(keys[0].name.clone());
        keys[0].sign(&header, claims)
    }

    /// The old attack: a verifier that lets the token choose takes the published key for a shared secret.
    pub(crate) fn sign_with_public_key_as_secret(&self, claims: &Value) -> String {
        let public = self.documents()["keys"][0].to_string();
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.key_name());
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(public.as_bytes())).unwrap()
    }
}

pub(crate) fn base64(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

async fn discovery(State(published): State<Arc<Published>>) -> Response {
    published.fetches.fetch_add(1, Ordering::SeqCst);
    if *published.failing.lock().unwrap() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let url = &published.url;
    let mut document = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
    match *published.change.lock().unwrap() {
        Some(Change::OtherIssuer) => document["issuer"] = json!("https://issuer.example"),
        Some(Change::KeysElsewhere) => document["jwks_uri"] = json!("http://192.0.2.1/keys"),
        Some(Change::Redirect) => {
            return (StatusCode::FOUND, [(header::LOCATION, "https://issuer.example/")]).into_response();
        }
        Some(Change::Long) => document["padding"] = json!("x".repeat(300 << 10)),
        Some(Change::NoKeys) | None => {}
    }
    document.to_string().into_response()
}

async fn keys(State(published): State<Arc<Published>>) -> Response {
    let mut keys: Vec<Value> = Vec::new();
    // Keys that are not for signatures, and of kinds that nobody knows, are among those of real issuers.
    keys.push(json!({ "kty": "oct", "kid": "first", "k": "c2VjcmV0" }));
    keys.push(json!({ "kty": "new", "kid": "first" }));
    let without = matches!(*published.change.lock().unwrap(), Some(Change::NoKeys));
    let purpose = if without { "enc" } else { "sig" };
    for key in published.keys.lock().unwrap().iter() {
        let mut public = serde_json::to_value(key.public()).unwrap();
        public["use"] = json!(purpose);
        keys.push(public);
    }
    json!({ "keys": keys }).to_string().into_response()
}

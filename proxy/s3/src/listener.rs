//! The listener of one target: agents come in here, each connection in a task of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use exhibit_gate::Gate;
use exhibit_gate::gate::RefusedLogin;
use exhibit_identity::Callers;
use exhibit_identity::caller::TOKEN_USER;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::agent::{self, Sent};
use crate::callers::Signers;
use crate::config::{Config, ConfigError};
use crate::credentials::{Holder, Nonce, Sealer};
use crate::reply::Rooms;
use crate::session::{PROTOCOL, SessionError, State, Watch};
use crate::signature::credential::Region;
use crate::signature::head::HEADERS_MAX;
use crate::signature::key::SecretKey;
use crate::signature::sign::Credentials;
use crate::signature::time::UnixSeconds;
use crate::sts::{self, REQUEST_BYTES_MAX, StsError, WebIdentity};
use crate::target::Target;

/// Connections at a time at the most.
const CONNECTIONS_MAX: usize = 2_048;

/// How long an agent may take for the handshake, and then be silent until somebody who is known has asked for something.
const ARRIVE: Duration = Duration::from_secs(30);

/// How long a store may take to take a connection.
const CONNECTS: Duration = Duration::from_secs(10);

/// How long the listener waits after it could not take a connection, as when the machine has no file handles left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How often is looked whether a session is over.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long what is under way may go on when the proxy stops.
const STOPS: Duration = Duration::from_secs(10);

/// The transport of a connection without TLS, in its opening event.
const PLAIN: &str = "plain";

/// Why a session ended that the proxy's stop ended, in its closing event.
const SHUTDOWN: &str = "shutdown";

/// Bytes of a request's head that are kept at the most.
const HEAD_BYTES_MAX: usize = 128 << 10;

const US_PER_S: u64 = 1_000_000;

/// Requests of nobody who is known that a connection has at the most.
const UNKNOWN_MAX: u64 = 32;

/// A bound listener with everything that its connections share.
pub struct Listener {
    socket: TcpListener,
    shared: Arc<Shared>,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) gate: Gate,
    pub(crate) target: Arc<str>,
    pub(crate) hosts: Vec<String>,
    pub(crate) region: Region,
    pub(crate) signers: Signers,
    pub(crate) store: Target,
    /// Answers whose bodies are under way.
    pub(crate) streams: TaskTracker,
    /// Room for objects that are kept until all of them is masked.
    pub(crate) rooms: Rooms,
    acceptor: Option<tokio_rustls::TlsAcceptor>,
    places: Semaphore,
}

/// One connection.
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    pub(crate) transport: String,
    pub(crate) state: Arc<Mutex<State>>,
    name: String,
    requests: AtomicU64,
    /// When something was last asked.
    asked: std::sync::Mutex<Instant>,
    /// What ends its session whatever it is at.
    watch: std::sync::Mutex<Option<Arc<Watch>>>,
}

impl Connection {
    /// An id for the next request, for people.
    pub(crate) fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        format!("{}-{number}", self.name)
    }

    /// Whether nobody who is known has a session here, and nothing was asked for a while.
    fn is_nobodys(&self) -> bool {
        let is_known = self.watch.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        !is_known && (asked.elapsed() > ARRIVE || self.requests.load(Ordering::Relaxed) > UNKNOWN_MAX)
    }

    /// Has another session watched.
    pub(crate) fn watches(&self, watch: Arc<Watch>) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch);
    }
}

impl Listener {
    /// Reads the files that the configuration names, and binds. `sealer` makes temporary credentials.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub async fn bind(
        gate: Gate,
        config: &Config,
        callers: Arc<Callers>,
        sealer: Arc<Sealer>,
    ) -> Result<Self, ConfigError> {
        let checked = config.checked()?;
        let path = &config.store.secret_file;
        let secret = std::fs::read_to_string(path).map_err(|error| ConfigError::File {
            target: config.target.clone(),
            path: path.clone(),
            error,
        })?;
        let secret = Zeroizing::new(Zeroizing::new(secret).trim_end_matches(['\r', '\n']).to_owned());
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECTS));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(crate::tls::connector(config)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        let credentials = Credentials {
            access_key_id: checked.access_key_id,
            secret: SecretKey::new(secret),
            token: None,
        };
        let target: Arc<str> = config.target.as_str().into();
        let shared = Shared {
            gate,
            hosts: config.hosts.clone(),
            region: checked.region,
            signers: Signers {
                sealer,
                callers,
                target: Arc::clone(&target),
            },
            store: Target::new(client, checked.base, checked.store_region, credentials),
            streams: TaskTracker::new(),
            rooms: Rooms::default(),
            acceptor: crate::tls::acceptor(config)?,
            places: Semaphore::new(CONNECTIONS_MAX),
            target,
        };
        let socket = TcpListener::bind(config.listen).await;
        let socket = socket.map_err(|error| ConfigError::Listen {
            target: config.target.clone(),
            address: config.listen,
            error,
        })?;
        Ok(Self {
            socket,
            shared: Arc::new(shared),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Lets agents in until `shutdown`; returns when every session has closed.
    pub async fn run(self, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.socket.accept() => accepted,
            };
            let Ok((socket, peer)) = accepted else {
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            };
            let (shared, shutdown) = (Arc::clone(&self.shared), shutdown.clone());
            tasks.spawn(async move { shared.connection(socket, peer, shutdown).await });
        }
        tasks.close();
        tasks.wait().await;
        self.shared.streams.close();
        self.shared.streams.wait().await;
        self.shared.gate.settle_logins().await;
    }
}

impl Shared {
    async fn connection(self: Arc<Self>, socket: TcpStream, peer: SocketAddr, shutdown: CancellationToken) {
        // Who finds no place is not kept waiting with a socket of ours.
        let Ok(_place) = self.places.try_acquire() else { return };
        if socket.set_nodelay(true).is_err() {
            return;
        }
        let Some(acceptor) = &self.acceptor else {
            return self.session(socket, peer, PLAIN.to_owned(), shutdown).await;
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = timeout(ARRIVE, acceptor.accept(socket)) => accepted,
        };
        let Ok(Ok(stream)) = accepted else {
            return tracing::info!(target_name = %self.target, %peer, "a connection was not let in");
        };
        let transport = transport(stream.get_ref().1);
        self.session(stream, peer, transport, shutdown).await;
    }

    /// Serves a connection to its end.
    async fn session(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        peer: SocketAddr,
        transport: String,
        shutdown: CancellationToken,
    ) {
        let mut name = [0; 8];
        if getrandom::fill(&mut name).is_err() {
            return;
        }
        let connection = Arc::new(Connection {
            peer,
            transport,
            state: Arc::new(Mutex::new(State::default())),
            name: hex::encode(name),
            requests: AtomicU64::new(1),
            asked: std::sync::Mutex::new(Instant::now()),
            watch: std::sync::Mutex::default(),
        });
        let ended = self.serve(stream, &connection, shutdown).await;
        // Whoever streams an answer has the state until then.
        let mut state = connection.state.lock().await;
        // What was cut off because of that is no reason of its own.
        let reason = match state.ended {
            Some(reason) if ended == "agent" => reason,
            _ => ended,
        };
        state.ended = Some(reason);
        if let Some(open) = state.open.take() {
            let id = open.session.id();
            if let Err(error) = open.session.close(reason).await {
                tracing::warn!(session = %id, %error, "the end of a session was not recorded");
            }
        }
    }

    /// Serves requests until the connection ends; gives why.
    async fn serve(
        self: &Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        connection: &Arc<Connection>,
        shutdown: CancellationToken,
    ) -> &'static str {
        let shared = Arc::clone(self);
        let own = Arc::clone(connection);
        let service = service_fn(move |request: Request<Incoming>| {
            let (shared, own) = (Arc::clone(&shared), Arc::clone(&own));
            async move { shared.answer(own, request).await }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            // Between requests the time of the head runs, too: how long that may be says the policy.
            .header_read_timeout(Duration::from_secs(self.gate.policy().limits().idle_s))
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .half_close(false);
        let serving = http.serve_connection(TokioIo::new(stream), service);
        let mut serving = std::pin::pin!(serving);
        let mut look = tokio::time::interval(LOOK_AGAIN);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping: Option<Instant> = None;
        loop {
            tokio::select! {
                ended = &mut serving => {
                    if let Err(error) = ended {
                        tracing::debug!(target_name = %self.target, %error, "a connection broke");
                    }
                    return if stopping.is_some() { SHUTDOWN } else { "agent" };
                }
                () = shutdown.cancelled(), if stopping.is_none() => {
                    stopping = Some(Instant::now());
                    serving.as_mut().graceful_shutdown();
                }
                _ = look.tick() => {
                    // Whoever waits for people does not keep the proxy from ending.
                    if let Some(reason) = self.over(connection) {
                        return reason;
                    }
                    if connection.is_nobodys() {
                        return "agent";
                    }
                    if stopping.is_some_and(|since| since.elapsed() > STOPS) {
                        return SHUTDOWN;
                    }
                }
            }
        }
    }

    /// Why a connection has to end, whatever is under way on it.
    fn over(&self, connection: &Connection) -> Option<&'static str> {
        let watch = connection.watch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(error) = watch.and_then(|watch| watch.over(&self.gate)) {
            return Some(error.reason());
        }
        // Where something is under way, it is not idle.
        let state = connection.state.try_lock().ok()?;
        let idle = Duration::from_secs(self.gate.policy().limits().idle_s);
        let idles = state.active.elapsed() >= idle;
        state.ended.or_else(|| idles.then(|| SessionError::Idle.reason()))
    }

    /// Answers a request to STS.
    pub(crate) async fn credentials(
        &self,
        body: Incoming,
        id: &str,
        now: UnixSeconds,
        connection: &Connection,
    ) -> Response<Sent> {
        let answered = self.credentials_for(body, id, now, connection).await;
        let (status, text) = match answered {
            Ok(text) => (200, text),
            Err(error) => (error.code().1, error.xml(id)),
        };
        agent::own(status, "text/xml", agent::text(text), false)
    }

    async fn credentials_for(
        &self,
        body: Incoming,
        id: &str,
        now: UnixSeconds,
        connection: &Connection,
    ) -> Result<String, StsError> {
        let form = timeout(ARRIVE, Limited::new(body, REQUEST_BYTES_MAX).collect()).await;
        let form = form.map_err(|_| StsError::Form)?.map_err(|_| StsError::Form)?;
        let asked = WebIdentity::parse(&form.to_bytes())?;
        let admitted = if asked.is_token() {
            let token = asked.token.as_str();
            let callers = &self.signers.callers;
            callers.identify(TOKEN_USER, token, &self.target, self.gate.now()).await
        } else {
            return Err(StsError::Token);
        };
        let admitted = admitted.map_err(|refusal| {
            let (method, reason) = refusal.words();
            tracing::info!(target_name = %self.target, peer = %connection.peer, %refusal, "no credentials were given");
            self.gate.login_refused(RefusedLogin {
                target: self.target.to_string(),
                protocol: PROTOCOL,
                peer: connection.peer.ip(),
                method,
                reason,
                user: TOKEN_USER.to_owned(),
                known: true,
            });
            StsError::Token
        })?;
        let token_expires_s = admitted.identity.expires.map_or(0, |expires| expires.0 / US_PER_S);
        let holder = Holder {
            expires_s: asked.expires_s(now, token_expires_s),
            session_name: asked.session_name.clone(),
            principal: admitted.identity.principal,
        };
        let nonce = Nonce::random().map_err(|_| StsError::Issuer)?;
        let temporary = self.signers.sealer.seal(&holder, nonce).map_err(|_| StsError::Token)?;
        Ok(sts::answer(&holder, &temporary, &asked.role_arn, &self.target, id))
    }
}

fn transport(tls: &rustls::ServerConnection) -> String {
    let version = tls.protocol_version().and_then(|version| version.as_str());
    let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let parts: Vec<&str> = [version, suite].into_iter().flatten().collect();
    parts.join(" ")
}

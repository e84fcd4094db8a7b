//! The listener of one target: agents come in here, each in a task of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use exhibit_gate::GateError;
use exhibit_gate::gate::RefusedLogin;
use exhibit_gate::session::{Gate, Opening, Session};
use exhibit_identity::{Admitted, Callers, certificate};
use exhibit_policy::snapshot::Snapshot;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::agent::{Agent, LastWords, UNREAD};
use crate::arriving::Arriving;
use crate::cancel::{Cancels, Key, Registered};
use crate::catalog::{Catalog, SharedDefinitions};
use crate::choices::Choices;
use crate::config::{Config, ConfigError, Masking};
use crate::enforce::Wanted;
use crate::last::{Last, follow, over};
use crate::link::{Connection, Incoming, Room};
use crate::netted;
use crate::session::{Driver, MASKED_OTHERWISE, SessionError, State};
use crate::settled::Settled;
use crate::startup::{Arrival, Arrived, Door, StartupError, welcome};
use crate::upstream::{Place, Route, Upstream};

/// Sessions at a time at the most; each holds one of the server's, which has its own limit.
const SESSIONS_MAX: usize = 2_048;

/// How long an agent may take to come in.
const ARRIVE: Duration = Duration::from_secs(30);

/// How long the listener waits after it could not take a connection, as when the machine has no file handles left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A bound listener with everything that its sessions share.
pub struct Listener {
    socket: TcpListener,
    shared: Arc<Shared>,
}

struct Shared {
    gate: Gate,
    target: Arc<str>,
    database: Option<String>,
    masking: Masking,
    acceptor: tokio_rustls::TlsAcceptor,
    route: Route,
    cancels: Cancels,
    /// Room for long messages of agents.
    room: Room,
    definitions: Arc<SharedDefinitions>,
    places: Semaphore,
    callers: Arc<Callers>,
}

impl Listener {
    /// Reads the files that the configuration names, and binds.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub async fn bind(gate: Gate, config: &Config, callers: Arc<Callers>) -> Result<Self, ConfigError> {
        config.check()?;
        let target = config.target.clone();
        let path = &config.server.password_file;
        let password = std::fs::read_to_string(path).map_err(|error| ConfigError::File {
            target: target.clone(),
            path: path.clone(),
            error,
        })?;
        let password = Zeroizing::new(password);
        let shared = Shared {
            gate,
            target: target.as_str().into(),
            database: config.server.database.clone(),
            masking: config.masking,
            acceptor: crate::tls::acceptor(config, callers.client_verifier())?,
            route: Route {
                server: config.server.clone(),
                password: Zeroizing::new(password.trim_end_matches(['\r', '\n']).to_owned()),
                connector: crate::tls::connector(config)?,
                room: Room::default(),
            },
            room: Room::default(),
            cancels: Cancels::default(),
            definitions: Arc::default(),
            places: Semaphore::new(SESSIONS_MAX),
            callers,
        };
        let socket = TcpListener::bind(config.listen).await;
        let socket = socket.map_err(|error| ConfigError::Listen {
            target,
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
        let arriving = Arriving::default();
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
            let place = arriving.enter();
            tasks.spawn(async move {
                let arrival = tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = place.given_up() => return tracing::info!(%peer, "a connection gave its place to a newer one"),
                    arrival = shared.arrival(socket) => arrival,
                };
                drop(place);
                shared.arrived(arrival, peer, shutdown).await;
            });
        }
        tasks.close();
        tasks.wait().await;
        self.shared.gate.settle_logins().await;
    }
}

/// Binds and runs.
///
/// # Errors
/// [`ConfigError`].
pub async fn serve(
    gate: Gate,
    config: &Config,
    callers: Arc<Callers>,
    shutdown: CancellationToken,
) -> Result<(), ConfigError> {
    Listener::bind(gate, config, callers).await?.run(shutdown).await;
    Ok(())
}

impl Shared {
    async fn arrival(&self, socket: TcpStream) -> Result<Arrival, StartupError> {
        // What an agent does not acknowledge for as long as it may leave it unread, it will never read.
        crate::link::tune(&socket, UNREAD)?;
        let door = Door {
            acceptor: &self.acceptor,
            callers: &self.callers,
            target: &self.target,
            database: self.database.as_deref(),
            masked: self.gate.policy().masks_target(&self.target),
            clock: &|| self.gate.now(),
        };
        timeout(ARRIVE, door.arrive(socket))
            .await
            .map_err(|_| StartupError::Time)?
    }

    async fn arrived(&self, arrival: Result<Arrival, StartupError>, peer: SocketAddr, shutdown: CancellationToken) {
        match arrival {
            Ok(Arrival::Cancel {
                process,
                secret,
                mut connection,
            }) => {
                if let Some(key) = self.cancels.cancel(process, &secret) {
                    self.cancel(&key).await;
                }
                // Nothing is answered, whether the key was right or wrong; the end says that the request was dealt with.
                let _ = timeout(ARRIVE, connection.shutdown()).await;
            }
            Ok(Arrival::Agent(arrived)) => self.session(*arrived, peer, shutdown).await,
            Err(error) => {
                tracing::info!(target_name = %self.target, %peer, %error, "a connection was not let in");
                self.refused(&error, peer);
            }
        }
    }

    /// Records it where somebody was refused for who it is.
    fn refused(&self, error: &StartupError, peer: SocketAddr) {
        let (user, (method, reason)) = match error {
            StartupError::NotKnown { refusal, user } => (user.as_str(), refusal.words()),
            // A handshake ends before there is a name.
            StartupError::Io(error) if of_certificate(error) => ("", (certificate::METHOD, "certificate")),
            _ => return,
        };
        self.gate.login_refused(RefusedLogin {
            target: self.target.to_string(),
            protocol: "postgres",
            peer: peer.ip(),
            method,
            reason,
            user: user.to_owned(),
            known: self.callers.knows(user),
        });
    }

    async fn cancel(&self, key: &Key) {
        if let Err(error) = self.route.cancel(key).await {
            tracing::warn!(target_name = %self.target, %error, "a query was not cancelled");
        }
    }

    async fn session(&self, arrived: Arrived, peer: SocketAddr, shutdown: CancellationToken) {
        let Admitted { identity, mut standing } = arrived.admitted;
        let client = arrived.choices.named("application_name");
        let opening = Opening {
            target: self.target.to_string(),
            protocol: "postgres".to_owned(),
            principal: identity.principal,
            expires: identity.expires,
            peer: peer.to_string(),
            transport: arrived.transport.clone(),
            client: client.map(str::to_owned),
            settings: whence(&arrived.database, &arrived.choices),
            stateless: false,
        };
        let (reader, mut writer) = tokio::io::split(arrived.connection);
        let Ok(_place) = self.places.try_acquire() else {
            let words = LastWords {
                code: "53300",
                text: "sorry, too many clients already".to_owned(),
            };
            let _ = Agent::new(writer).last(&words).await;
            return;
        };
        let mut session = match self.gate.open(opening).await {
            Ok(session) => session,
            Err(error) => return farewell(Agent::new(writer), &error.into()).await,
        };
        let limits = session.policy().limits();
        let (ends, last) = watch::channel(Last::of(&limits, identity.expires, self.gate.now()));
        let limited = follow(&self.gate, self.gate.policy_changes(), &ends);
        let mut limited = std::pin::pin!(limited);
        let begun = self.begin(
            &mut session,
            &mut writer,
            arrived.minor,
            &arrived.database,
            arrived.choices,
        );
        let begun = tokio::select! {
            biased;
            never = &mut limited => match never {},
            error = over(last.clone()) => Err(error),
            begun = begun => begun,
        };
        let agent = Agent::new(writer);
        let (upstream, catalog, registered, policy) = match begun {
            Ok(begun) => begun,
            Err(error) => return close(session, agent, Err(error)).await,
        };
        let mut driver = Driver {
            changes: self.gate.policy_changes(),
            policy,
            last: last.clone(),
            session,
            agent,
            incoming: Incoming::new(reader, self.room.clone()),
            upstream,
            catalog,
            definitions: Arc::clone(&self.definitions),
            registered,
            target: Arc::clone(&self.target),
            masking: self.masking,
            shutdown,
            state: State::default(),
        };
        let ended = tokio::select! {
            // A session whose time is over does nothing more, whatever is there to be done.
            biased;
            never = &mut limited => match never {},
            error = over(last) => Err(error),
            () = standing.revoked() => Err(SessionError::Revoked),
            ended = driver.run() => ended,
        };
        let Driver {
            session,
            agent,
            upstream,
            state,
            ..
        } = driver;
        let there = !matches!(ended, Err(SessionError::Target(_) | SessionError::Ended));
        let stop = async move {
            // The server does not notice that nobody waits for what it does.
            if state.under_way && there {
                self.cancel(&upstream.key).await;
            }
            // Closed before the ledger has said anything: the server takes back at once what is open there.
            drop(upstream);
        };
        tokio::join!(stop, close(session, agent, ended));
    }

    /// Proves that the database masks as the policy says, where it is to do that.
    async fn enforced(&self, upstream: &mut Upstream, policy: &Snapshot) -> Result<(), SessionError> {
        if self.masking == Masking::Database && policy.masks_target(&self.target) {
            let wanted = Wanted {
                policy,
                target: &self.target,
                role: &self.route.server.user,
                key: self.gate.mask_key(),
            };
            upstream.enforced(&wanted).await??;
        }
        Ok(())
    }

    /// Connects to the server, loads and records the catalog, and lets the agent go on.
    async fn begin(
        &self,
        session: &mut Session,
        writer: &mut tokio::io::WriteHalf<Connection>,
        minor: u16,
        database: &str,
        choices: Choices,
    ) -> Result<(Upstream, Catalog, Registered, Arc<Snapshot>), SessionError> {
        let settled = Settled::of(choices, session).await?;
        let policy = Arc::clone(session.policy());
        // What the agent chose was taken by the policy that was in force when it came.
        if settled.choices().masked() != policy.masks_target(&self.target) {
            return Err(SessionError::PolicyChanged(MASKED_OTHERWISE));
        }
        let upstream = self.route.connect(database, &settled).await;
        settled.answered(session, upstream.as_ref().map(drop)).await?;
        let mut upstream = upstream?;
        self.enforced(&mut upstream, &policy).await?;
        let catalog = upstream.catalog(Place::Idle, &self.definitions).await?;
        self.gate.record_catalog(&self.target, &catalog.snapshot()).await?;
        let registered = self.cancels.register(upstream.key.clone(), minor);
        let registered = registered.ok_or(SessionError::Gate(GateError::Random))?;
        // What is caught there is recorded with the first reply.
        let told = netted::settings(session.net(), &upstream.settings);
        writer.write_all(&welcome(&told, &registered.key)).await?;
        writer.flush().await?;
        Ok((upstream, catalog, registered, policy))
    }
}

/// What a session begins with: its database, by a name that no setting has, and its settings.
fn whence(database: &str, choices: &Choices) -> Vec<(String, String)> {
    let database = ("/database".to_owned(), database.to_owned());
    std::iter::once(database).chain(choices.all().to_vec()).collect()
}

/// Whether a handshake ended because of the certificate that the agent showed.
fn of_certificate(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

async fn close(session: Session, agent: Agent, ended: Result<(), SessionError>) {
    let id = session.id();
    let reason = match &ended {
        Ok(()) => "agent",
        Err(error) => error.reason(),
    };
    if let Err(error) = &ended {
        tracing::info!(session = %id, %error, "a session ended");
    }
    if let Err(error) = session.close(reason).await {
        tracing::warn!(session = %id, %error, "the end of a session was not recorded");
    }
    if let Err(error) = ended {
        farewell(agent, &error).await;
    }
}

async fn farewell(agent: Agent, error: &SessionError) {
    let Some(words) = error.last_words() else {
        // What the server said last was passed on; the agent hears that nothing follows.
        let _ = agent.end().await;
        return;
    };
    let LastWords { code, .. } = &words;
    tracing::debug!(code, "an agent is told why its session ends");
    // An agent that is gone cannot be told.
    let _ = agent.last(&words).await;
}

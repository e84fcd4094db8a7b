//! A private object store: Ceph's RADOS gateway, real, on free ports of 127.0.0.1, with and without TLS, gone when the value is dropped.
//!
//! It is what Debian has (`radosgw`, `ceph-mon`, `ceph-osd`), as a cluster of one monitor and one OSD that keeps its objects in memory:
//! ready in 2 to 3 s, with 120 MB of memory beside the objects. Nothing of it outlives it.
//!
//! Not here: a manager, metadata servers and a second gateway, which S3 needs none of; STS and notifications, which the store has and
//! nobody asks for.

mod configuration;
mod processes;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use exhibit_gate::clock::{Clock as _, SystemClock};
use exhibit_s3::signature::credential::{AccessKeyId, Region};
use exhibit_s3::signature::key::SecretKey;
use exhibit_s3::signature::sign::{Credentials, SignedBody, sign};
use exhibit_s3::signature::target::Target;
use exhibit_s3::signature::time::UnixSeconds;
use serde_json::json;
use zeroize::Zeroizing;

use crate::HarnessError;
use configuration::Ports;
use processes::{Keeper, Processes, tool};

/// The region of its scope; Ceph takes any.
pub const REGION: &str = "us-east-1";

/// The name below which hosts name buckets, as in `reports.s3.store.test`. No resolver knows it: clients are told where it is.
pub const DOMAIN: &str = "s3.store.test";

/// The program of the gateway.
const GATEWAY: &str = "radosgw";

/// How long the gateway may take to answer its first request.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// How often it is asked until then.
const READY_INTERVAL: Duration = Duration::from_millis(20);

/// How long one such request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A running store.
pub struct Ceph {
    // The processes end before their directory goes.
    keeper: Keeper,
    ports: Ports,
    owner: User,
    directory: tempfile::TempDir,
}

impl std::fmt::Debug for Ceph {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Ceph({})", self.endpoint())
    }
}

/// A user of the store.
#[derive(Clone)]
pub struct User {
    /// Its name, which is its canonical id, too.
    pub name: String,
    /// Its access key id.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
}

impl Ceph {
    /// Makes a cluster and starts it; returns when it has answered a signed request.
    ///
    /// # Errors
    /// [`HarnessError`] when a program is missing or fails; its text holds what the program said.
    pub fn start() -> Result<Self, HarnessError> {
        installed()?;
        let directory = tempfile::Builder::new().prefix("exhibit-ceph-").tempdir()?;
        let ports = Ports {
            monitor: crate::free_port()?,
            plain: crate::free_port()?,
            tls: crate::free_port()?,
        };
        let owner = User::new("exhibit")?;
        let (place, user) = (directory.path().to_owned(), owner.clone());
        let keeper = Keeper::start(directory.path(), move |processes| {
            start(processes, &place, ports, &user)
        })?;
        Ok(Self {
            keeper,
            ports,
            owner,
            directory,
        })
    }

    /// The store that the tests of this process share: started by the first that asks, ended when the last lets go of it.
    ///
    /// # Errors
    /// [`HarnessError`], as of [`Ceph::start`].
    pub fn shared() -> Result<Arc<Self>, HarnessError> {
        static SHARED: Mutex<Weak<Ceph>> = Mutex::new(Weak::new());
        // What a test that failed here left is either a store or none.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&started);
        Ok(started)
    }

    /// Kills the gateway where it stands, and starts it again; the objects stay. Returns when it has answered a signed request.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn crash(&self) -> Result<(), HarnessError> {
        let (ports, owner) = (self.ports, self.owner.clone());
        self.keeper.order(move |processes| {
            processes.kill(GATEWAY)?;
            serve(processes, ports, &owner)
        })
    }

    /// Makes another user, with keys of its own.
    ///
    /// # Errors
    /// [`HarnessError::Failed`], also when there is one of this name.
    pub fn create_user(&self, name: &str) -> Result<User, HarnessError> {
        let user = User::new(name)?;
        tool(self.directory.path(), "radosgw-admin", &user.creation())?;
        Ok(user)
    }

    /// The user that it was started with.
    pub fn owner(&self) -> &User {
        &self.owner
    }

    /// Its URL without TLS.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.plain)
    }

    /// Its URL with TLS; the certificate is for 127.0.0.1, `localhost`, [`DOMAIN`] and the names right below that.
    pub fn tls_endpoint(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.tls)
    }

    /// The certificate of the authority that signed the gateway's certificate.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// What a client needs to know, in the words of `make stack`.
    pub fn describe(&self) -> serde_json::Value {
        json!({
            "endpoint": self.endpoint(),
            "tls_endpoint": self.tls_endpoint(),
            "authority": self.authority(),
            "user": self.owner.name,
            "access_key": self.owner.access_key,
            "secret_key": self.owner.secret_key,
            "region": REGION,
        })
    }
}

impl User {
    fn new(name: &str) -> Result<Self, HarnessError> {
        Ok(Self {
            name: name.to_owned(),
            access_key: hex::encode_upper(crate::random::<10>()?),
            secret_key: hex::encode(crate::random::<20>()?),
        })
    }

    /// What makes it, for `radosgw-admin`.
    fn creation(&self) -> [&str; 10] {
        let (name, access, secret) = (&self.name, &self.access_key, &self.secret_key);
        [
            "user",
            "create",
            "--uid",
            name,
            "--display-name",
            name,
            "--access-key",
            access,
            "--secret-key",
            secret,
        ]
    }

    fn credentials(&self) -> Option<Credentials> {
        Some(Credentials {
            access_key_id: AccessKeyId::new(&self.access_key)?,
            secret: SecretKey::new(Zeroizing::new(self.secret_key.clone())),
            token: None,
        })
    }
}

/// Makes the cluster in its directory, and starts one part of it after the other.
fn start(processes: &mut Processes, directory: &Path, ports: Ports, owner: &User) -> Result<(), HarnessError> {
    let (cluster, osd) = (identifier()?, identifier()?);
    let text = configuration::text(directory, &cluster, ports, DOMAIN);
    crate::write(&directory.join("ceph.conf"), text.as_bytes())?;
    // Programs look for one, though no key is asked for.
    crate::write(&directory.join("keyring"), b"")?;
    certify(directory)?;
    for name in ["mon", "osd"] {
        std::fs::create_dir(directory.join(name))?;
    }
    let map = directory.join("monmap").display().to_string();
    let monitor = format!("[v2:127.0.0.1:{}]", ports.monitor);
    let made = ["--create", "--fsid", &cluster, "--addv", "a", &monitor, &map];
    processes.tool("monmaptool", &made)?;
    processes.tool("ceph-mon", &["--mkfs", "-i", "a", "--monmap", &map])?;
    processes.spawn("ceph-mon", &["-i", "a"])?;
    // The tools wait for the monitor themselves.
    processes.tool("ceph", &["osd", "new", &osd])?;
    let place = ["osd", "crush", "add", "osd.0", "1.0", "host=here", "root=default"];
    processes.tool("ceph", &place)?;
    processes.tool("ceph-osd", &["--mkfs", "-i", "0", "--osd-uuid", &osd])?;
    processes.spawn("ceph-osd", &["-i", "0"])?;
    // It makes the gateway's first pools, and so ends when the OSD serves them.
    processes.tool("radosgw-admin", &owner.creation())?;
    serve(processes, ports, owner)
}

/// Starts the gateway; returns when it has answered.
fn serve(processes: &mut Processes, ports: Ports, owner: &User) -> Result<(), HarnessError> {
    processes.spawn(GATEWAY, &["-n", "client.gateway"])?;
    wait_until_ready(processes, ports.plain, owner)
}

/// A random UUID, of the kernel.
fn identifier() -> Result<String, HarnessError> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/uuid")?
        .trim()
        .to_owned())
}

fn certify(directory: &Path) -> Result<(), HarnessError> {
    let below = format!("*.{DOMAIN}");
    let certified = crate::authority::certify(&["localhost", "127.0.0.1", DOMAIN, &below])?;
    crate::write(&directory.join("ca.crt"), certified.authority.as_bytes())?;
    crate::write(&directory.join("server.crt"), certified.certificate.as_bytes())?;
    crate::write(&directory.join("server.key"), certified.key.as_bytes())
}

fn installed() -> Result<(), HarnessError> {
    for program in ["ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool"] {
        let found = ["/usr/bin", "/usr/local/bin"].map(|place| Path::new(place).join(program).exists());
        if !found.contains(&true) {
            return Err(HarnessError::Missing {
                what: "Ceph's RADOS gateway, or a part of its cluster",
                hint: "run scripts/tools.sh test, or apt-get install --no-install-recommends radosgw ceph-mon ceph-osd",
            });
        }
    }
    Ok(())
}

/// Asks the gateway for the user's buckets until it answers with the list of none.
fn wait_until_ready(processes: &mut Processes, port: u16, owner: &User) -> Result<(), HarnessError> {
    let start = Instant::now();
    loop {
        let said = match ask(port, owner) {
            Ok(answer) if answer.starts_with("HTTP/1.1 200 ") && answer.contains(&owner.name) => return Ok(()),
            Ok(answer) => answer,
            Err(error) => error.to_string(),
        };
        processes.check()?;
        if start.elapsed() > READY_TIMEOUT {
            return Err(processes.failed(GATEWAY, &said));
        }
        std::thread::sleep(READY_INTERVAL);
    }
}

/// One request, signed as the proxy signs for a store; gives the whole answer.
fn ask(port: u16, user: &User) -> Result<String, HarnessError> {
    let unsigned = |what: &str| HarnessError::Failed {
        program: "the harness".to_owned(),
        said: format!("no request to the store can be signed: {what}"),
    };
    let host = format!("127.0.0.1:{port}");
    let now = i64::try_from(SystemClock.now().0 / 1_000_000).ok();
    let now = now.and_then(UnixSeconds::new).ok_or_else(|| unsigned("the time"))?;
    let credentials = user.credentials().ok_or_else(|| unsigned("the key's id"))?;
    let region = Region::new(REGION).ok_or_else(|| unsigned("the region"))?;
    let target = Target::parse("/").map_err(|error| unsigned(&error.to_string()))?;
    let headers = [("host", host.as_bytes())];
    let added = sign(
        "GET",
        &target,
        &headers,
        SignedBody::Unsigned,
        &credentials,
        &region,
        now,
    )
    .map_err(|error| unsigned(&error.to_string()))?;
    let mut request = Vec::new();
    write!(request, "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n")?;
    for header in &added {
        write!(request, "{}: {}\r\n", header.name, *header.value)?;
    }
    request.extend_from_slice(b"\r\n");
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), REQUEST_TIMEOUT)?;
    stream.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    stream.write_all(&request)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

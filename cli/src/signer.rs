//! A person's key: an OpenSSH `ssh-ed25519` private key in a file, or one that stays in ssh-agent, there also that of a security
//! key (`sk-ssh-ed25519@openssh.com`).
//!
//! The agent signs the bytes as they are (draft-miller-ssh-agent, section 3.6: for `ssh-ed25519` the signature is that of
//! RFC 8032 over the data), so a seal made through it is the same seal. A security key signs as PROTOCOL.u2f says.
//!
//! A file with `PRIVATE KEY` in it is a private key; that of a security key holds only what its authenticator is told, so it
//! names the key of the agent. A public key (`ssh-ed25519 AAAA…`), as a file or as the argument itself, names a key of the
//! agent, too. Without an argument the agent's only Ed25519 key is taken.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use exhibit_schemas::key::security::{Application, ApplicationError};
use exhibit_schemas::key::{KeyBytes, KeyError, KeyId, PublicKey, SecretKey, Signature, Signer};
use ssh_agent_client_rs::{Client as Agent, Identity};
use ssh_key::public::KeyData;
use zeroize::Zeroizing;

use crate::files::{self, FileError};

/// The variable that names a file with a passphrase, for machines.
pub(crate) const PASSPHRASE_FILE: &str = "EXHIBIT_PASSPHRASE_FILE";

/// Keys of an agent that are looked at; agents hold a handful.
const AGENT_KEYS_MAX: usize = 256;

/// Why a person's key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignerError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not a key file.
    #[error("{path} is not an OpenSSH key: {error}")]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ssh_key::Error,
    },
    /// A key of another algorithm.
    #[error("{0} is not an ssh-ed25519 key, nor an sk-ssh-ed25519@openssh.com one; other algorithms are not taken")]
    Algorithm(String),
    /// The key of a security key is bound to something else than SSH.
    #[error("{path} is refused: {error}")]
    Application {
        /// The file.
        path: String,
        /// What is wrong.
        error: ApplicationError,
    },
    /// No passphrase, or a wrong one.
    #[error("the passphrase of {0} is wrong or was not given")]
    Passphrase(PathBuf),
    /// There is no agent.
    #[error("there is no key: no file was named and SSH_AUTH_SOCK names no ssh-agent")]
    NoAgent,
    /// The agent failed.
    #[error("ssh-agent failed: {0}")]
    Agent(ssh_agent_client_rs::Error),
    /// The agent has not that key.
    #[error("ssh-agent does not hold the key {0}")]
    NotInAgent(String),
    /// The agent has several keys, or none.
    #[error("ssh-agent holds {0} Ed25519 keys; name the public key of one with `--key`")]
    Which(usize),
    /// The key is refused.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Where keys and passphrases are, besides the file that a person names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// The socket of ssh-agent.
    pub(crate) agent: Option<PathBuf>,
    /// A file with the passphrase, for machines.
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process: `SSH_AUTH_SOCK` and [`PASSPHRASE_FILE`].
    pub(crate) fn of_process() -> Self {
        let path = |name| {
            std::env::var_os(name)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        Self {
            agent: path("SSH_AUTH_SOCK"),
            passphrase_file: path(PASSPHRASE_FILE),
        }
    }
}

/// A key of a person that signs.
pub(crate) enum PersonKey {
    /// In memory, from a file.
    File(SecretKey),
    /// In ssh-agent.
    Agent {
        /// The connection; the agent answers one question at a time.
        agent: Mutex<Agent>,
        /// The key as the agent knows it.
        identity: Box<ssh_key::PublicKey>,
        /// The key.
        key: PublicKey,
    },
}

impl PersonKey {
    /// Opens the key that `name` names: a private key file, a public key file, or a public key; or the agent's only key.
    ///
    /// # Errors
    /// [`SignerError`].
    pub(crate) fn open(name: Option<&str>, surroundings: &Surroundings) -> Result<Self, SignerError> {
        let agent = surroundings.agent.as_deref();
        let Some(name) = name else {
            return Self::of_agent(None, agent);
        };
        if is_public(name) {
            return Self::of_agent(Some(&public(Path::new("the key"), name)?), agent);
        }
        let path = Path::new(name);
        let text = Zeroizing::new(files::read_text(path)?);
        if text.contains("PRIVATE KEY") {
            let key = ssh_key::PrivateKey::from_openssh(text.as_bytes()).map_err(not_a_key(path))?;
            if key.public_key().key_data().is_sk_ed25519() {
                return Self::of_agent(Some(key.public_key()), agent);
            }
            return private(path, key, surroundings).map(Self::File);
        }
        Self::of_agent(Some(&public(path, &text)?), agent)
    }

    fn of_agent(wanted: Option<&ssh_key::PublicKey>, socket: Option<&Path>) -> Result<Self, SignerError> {
        let socket = socket.ok_or(SignerError::NoAgent)?;
        let mut agent = Agent::connect(socket).map_err(SignerError::Agent)?;
        let identities = agent.list_all_identities().map_err(SignerError::Agent)?;
        let mut keys: Vec<_> = identities
            .into_iter()
            .take(AGENT_KEYS_MAX)
            .filter_map(|identity| match identity {
                Identity::PublicKey(key) => Some(key.into_owned()),
                Identity::Certificate(_) => None,
            })
            .filter(|key| key.key_data().is_ed25519() || key.key_data().is_sk_ed25519())
            .collect();
        if let Some(wanted) = wanted {
            keys.retain(|key| key.key_data() == wanted.key_data());
            if keys.is_empty() {
                let name = wanted.fingerprint(ssh_key::HashAlg::Sha256).to_string();
                return Err(SignerError::NotInAgent(name));
            }
        }
        let count = keys.len();
        match keys.pop() {
            Some(identity) if count == 1 || wanted.is_some() => Ok(Self::Agent {
                agent: Mutex::new(agent),
                key: public_half(Path::new("the key"), &identity)?.key,
                identity: Box::new(identity),
            }),
            _ => Err(SignerError::Which(count)),
        }
    }
}

impl Signer for PersonKey {
    fn public_key(&self) -> PublicKey {
        match self {
            Self::File(key) => key.public_key(),
            Self::Agent { key, .. } => *key,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        match self {
            Self::File(key) => key.sign(message),
            Self::Agent { agent, identity, key } => {
                let mut agent = agent.lock().map_err(|_| did_not_sign(key.id(), "it failed before"))?;
                let identity: Identity<'_> = identity.as_ref().into();
                let signature = agent
                    .sign_with_ref(&identity, message)
                    .map_err(|error| did_not_sign(key.id(), &error.to_string()))?;
                // Whether it is of the kind that the key makes is held when the seal is made.
                Signature::try_from(signature.as_bytes()).map_err(|_| {
                    did_not_sign(
                        key.id(),
                        "its signature is not of 64 bytes, nor of 69 as a security key's",
                    )
                })
            }
        }
    }
}

/// The public half of a person's key.
#[derive(Debug)]
pub(crate) struct PublicHalf {
    /// The key.
    pub(crate) key: PublicKey,
    /// Of a security key, what it is bound to.
    pub(crate) application: Option<Application>,
}

/// Reads the public half that `name` names: a public or private key file, or a public key itself.
///
/// # Errors
/// [`SignerError`].
pub(crate) fn read_public(name: &str) -> Result<PublicHalf, SignerError> {
    if is_public(name) {
        let path = Path::new("the key");
        return public_half(path, &public(path, name)?);
    }
    let path = Path::new(name);
    let text = Zeroizing::new(files::read_text(path)?);
    if text.contains("PRIVATE KEY") {
        // The public half stands in the clear in an OpenSSH file, also where the private half is encrypted.
        let key = ssh_key::PrivateKey::from_openssh(text.as_bytes()).map_err(not_a_key(path))?;
        return public_half(path, key.public_key());
    }
    public_half(path, &public(path, &text)?)
}

/// Whether it is a public key and not the name of a file.
fn is_public(name: &str) -> bool {
    name.starts_with("ssh-") || name.starts_with("sk-ssh-")
}

fn public(path: &Path, text: &str) -> Result<ssh_key::PublicKey, SignerError> {
    ssh_key::PublicKey::from_openssh(text.trim()).map_err(not_a_key(path))
}

/// Reads a private key file, asking for its passphrase where it has one.
fn private(path: &Path, mut key: ssh_key::PrivateKey, surroundings: &Surroundings) -> Result<SecretKey, SignerError> {
    if key.is_encrypted() {
        let passphrase = passphrase(path, surroundings.passphrase_file.as_deref())?;
        key = key
            .decrypt(passphrase.as_bytes())
            .map_err(|_| SignerError::Passphrase(path.to_owned()))?;
    }
    let pair = key
        .key_data()
        .ed25519()
        .ok_or_else(|| SignerError::Algorithm(path.display().to_string()))?;
    Ok(SecretKey::from_seed(&pair.private.to_bytes()))
}

/// The passphrase from the file that [`PASSPHRASE_FILE`] names, or from the terminal without echo.
fn passphrase(path: &Path, file: Option<&Path>) -> Result<Zeroizing<String>, SignerError> {
    if let Some(file) = file {
        let text = Zeroizing::new(files::read_text(file)?);
        return Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    let question = format!("Passphrase of {}: ", path.display());
    rpassword::prompt_password(question)
        .map(Zeroizing::new)
        .map_err(|_| SignerError::Passphrase(path.to_owned()))
}

fn public_half(path: &Path, key: &ssh_key::PublicKey) -> Result<PublicHalf, SignerError> {
    let (point, application) = match key.key_data() {
        KeyData::Ed25519(point) => (point, None),
        KeyData::SkEd25519(security) => {
            let application = Application::new(security.application());
            let application = application.map_err(|error| SignerError::Application {
                path: path.display().to_string(),
                error,
            })?;
            (security.public_key(), Some(application))
        }
        _ => return Err(SignerError::Algorithm(path.display().to_string())),
    };
    let key = PublicKey::of(KeyBytes(point.0), application.as_ref())?;
    Ok(PublicHalf { key, application })
}

fn not_a_key(path: &Path) -> impl FnOnce(ssh_key::Error) -> SignerError {
    let path = path.to_owned();
    move |error| SignerError::NotAKey { path, error }
}

fn did_not_sign(key: KeyId, reason: &str) -> KeyError {
    KeyError::DidNotSign {
        key,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};

    use exhibit_schemas::cbor::Bytes;
    use exhibit_schemas::key::Signer as _;
    use exhibit_schemas::seal::{Chain, Sealed};

    use super::{PersonKey, SignerError, Surroundings, read_public};

    const CHAIN: Chain = Chain {
        boot: 1,
        sequence: 0,
        previous: None,
    };

    fn run(program: &str, arguments: &[&str], socket: Option<&Path>) {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        if let Some(socket) = socket {
            command.env("SSH_AUTH_SOCK", socket);
        }
        let status = command.status().expect("OpenSSH's client programs are installed");
        assert!(status.success(), "{program} {arguments:?}");
    }

    /// A key file of OpenSSH's own making.
    fn keygen(directory: &Path, kind: &str, passphrase: &str) -> String {
        let path = directory.join(format!("id_{kind}"));
        let path = path.to_str().unwrap().to_owned();
        run(
            "ssh-keygen",
            &["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", &path],
            None,
        );
        path
    }

    struct RealAgent {
        child: Child,
        socket: PathBuf,
    }

    impl RealAgent {
        fn start(directory: &Path) -> Self {
            use std::io::BufRead as _;
            let socket = directory.join("agent");
            let mut child = Command::new("ssh-agent")
                .args(["-D", "-a", socket.to_str().unwrap()])
                .stdout(Stdio::piped())
                .spawn()
                .expect("OpenSSH's client programs are installed");
            // It says where its socket is once it listens there.
            let mut line = String::new();
            let stdout = child.stdout.take().unwrap();
            std::io::BufReader::new(stdout).read_line(&mut line).unwrap();
            assert!(line.contains("SSH_AUTH_SOCK"), "{line}");
            Self { child, socket }
        }
    }

    impl Drop for RealAgent {
        fn drop(&mut self) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }

    fn check_signs(key: &PersonKey, name: &str) {
        let public = read_public(name).unwrap().key;
        assert_eq!(key.public_key(), public);
        let events = vec![Bytes(vec![0xa0])];
        let sealed = Sealed::seal(events.clone(), CHAIN, key).unwrap();
        Sealed::verify(events, sealed.seal_bytes().clone(), &public).unwrap();
    }

    #[test]
    fn a_key_file_signs_with_and_without_a_passphrase() {
        let directory = tempfile::tempdir().unwrap();
        let plain = keygen(directory.path(), "ed25519", "");
        let key = PersonKey::open(Some(&plain), &Surroundings::default()).unwrap();
        check_signs(&key, &plain);
        check_signs(&key, &format!("{plain}.pub"));

        let locked = tempfile::tempdir().unwrap();
        let path = keygen(locked.path(), "ed25519", "a phrase");
        let words = |text: &str| {
            let file = locked.path().join(text.replace(' ', "-"));
            crate::files::replace(&file, format!("{text}\n").as_bytes(), 0o600).unwrap();
            Surroundings {
                agent: None,
                passphrase_file: Some(file),
            }
        };
        check_signs(&PersonKey::open(Some(&path), &words("a phrase")).unwrap(), &path);
        let refused = PersonKey::open(Some(&path), &words("another")).err();
        assert!(matches!(refused, Some(SignerError::Passphrase(_))));
    }

    #[test]
    fn a_key_in_ssh_agent_signs() {
        let directory = tempfile::tempdir().unwrap();
        let agent = RealAgent::start(directory.path());
        let surroundings = Surroundings {
            agent: Some(agent.socket.clone()),
            passphrase_file: None,
        };
        let path = keygen(directory.path(), "ed25519", "");
        let public = format!("{path}.pub");
        let open = |name: Option<&str>| PersonKey::open(name, &surroundings);
        assert!(matches!(open(None).err(), Some(SignerError::Which(0))));
        assert!(matches!(open(Some(&public)).err(), Some(SignerError::NotInAgent(_))));
        run("ssh-add", &["-q", &path], Some(&agent.socket));
        std::fs::remove_file(&path).unwrap();
        let text = std::fs::read_to_string(&public).unwrap();
        for name in [None, Some(public.as_str()), Some(text.as_str())] {
            check_signs(&open(name).unwrap(), &public);
        }
    }

    #[test]
    fn other_algorithms_and_other_files_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = keygen(directory.path(), "ecdsa", "");
        let surroundings = Surroundings::default();
        let refused = PersonKey::open(Some(&path), &surroundings).err();
        assert!(matches!(refused, Some(SignerError::Algorithm(_))));
        assert!(matches!(
            read_public(&format!("{path}.pub")),
            Err(SignerError::Algorithm(_))
        ));
        let other = directory.path().join("other");
        crate::files::create(&other, b"nothing", 0o600).unwrap();
        let refused = PersonKey::open(other.to_str(), &surroundings).err();
        assert!(matches!(refused, Some(SignerError::NotAKey { .. })));
        assert!(matches!(
            PersonKey::open(None, &surroundings).err(),
            Some(SignerError::NoAgent)
        ));
    }
}

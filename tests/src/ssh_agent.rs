//! A real ssh-agent of OpenSSH with keys that stand nowhere else, and an agent of our own with a security key in software, which
//! OpenSSH's has only with a device. What the software signs, OpenSSH's own programs take.

#[path = "../../schemas/tests/samples/security_key.rs"]
pub mod security_key;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use exhibit_schemas::key::Signer as _;
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};

use crate::{HarnessError, run};
use security_key::{SoftwareKey, TOUCHED};

/// An agent with a key of each person; their files are gone, but for the public halves.
pub struct SshAgent {
    child: Child,
    directory: PathBuf,
}

impl SshAgent {
    /// Starts one whose socket and public keys (`PERSON.pub`) stand in this directory.
    ///
    /// # Errors
    /// [`HarnessError`] where OpenSSH does not what it should.
    pub fn start(directory: &Path, people: &[&str]) -> Result<Self, HarnessError> {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig=TERM", "--", "ssh-agent", "-D", "-a"])
            .arg(directory.join("agent"))
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or(HarnessError::Pipe)?;
        let agent = Self {
            child,
            directory: directory.to_owned(),
        };
        // It says where it listens once it does.
        let mut said = String::new();
        BufReader::new(output).read_line(&mut said)?;
        if !said.contains("SSH_AUTH_SOCK") {
            let program = "ssh-agent".to_owned();
            return Err(HarnessError::Failed { program, said });
        }
        for person in people {
            let key = directory.join(person);
            let mut make = Command::new("ssh-keygen");
            run(make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key))?;
            run(Command::new("ssh-add")
                .arg("-q")
                .arg(&key)
                .env("SSH_AUTH_SOCK", agent.socket()))?;
            std::fs::remove_file(&key)?;
        }
        Ok(agent)
    }

    /// Where it listens, for `SSH_AUTH_SOCK`.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("agent")
    }

    /// The public key of a person.
    pub fn public(&self, person: &str) -> PathBuf {
        self.directory.join(person).with_extension("pub")
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Messages of the agent's protocol (draft-miller-ssh-agent, section 5.1).
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const FAILURE: u8 = 5;

/// Bytes of a message at the most, as OpenSSH's agent has it.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// An agent with the security key of one person, which is touched whenever it signs, or not.
pub struct SecurityKeyAgent {
    directory: PathBuf,
    public: PathBuf,
    held: Arc<Held>,
    thread: Option<JoinHandle<()>>,
}

struct Held {
    key: SoftwareKey,
    public: Vec<u8>,
    touched: AtomicBool,
    ended: AtomicBool,
}

impl SecurityKeyAgent {
    /// Starts one whose socket and public key (`PERSON.pub`) stand in this directory.
    ///
    /// # Errors
    /// [`HarnessError`].
    pub fn start(directory: &Path, person: &str) -> Result<Self, HarnessError> {
        let key = SoftwareKey::new(21, "ssh:");
        let point = Ed25519PublicKey(key.public_key().to_bytes().0);
        let data = KeyData::SkEd25519(SkEd25519::new(point, key.application().as_str()));
        let public = ssh_key::PublicKey::new(data, person);
        let failed = |error: ssh_key::Error| HarnessError::Failed {
            program: "ssh-key".to_owned(),
            said: error.to_string(),
        };
        let text = public.to_openssh().map_err(failed)?;
        let file = directory.join(person).with_extension("pub");
        crate::write(&file, text.as_bytes())?;
        let held = Arc::new(Held {
            key,
            public: public.to_bytes().map_err(failed)?,
            touched: AtomicBool::new(true),
            ended: AtomicBool::new(false),
        });
        let listener = UnixListener::bind(directory.join("security-key"))?;
        let thread = std::thread::spawn({
            let held = Arc::clone(&held);
            move || {
                for stream in listener.incoming().flatten() {
                    if held.ended.load(Ordering::Relaxed) {
                        return;
                    }
                    // A client that goes away, also within a message, is done.
                    let _ = held.serve(stream);
                }
            }
        });
        Ok(Self {
            directory: directory.to_owned(),
            public: file,
            held,
            thread: Some(thread),
        })
    }

    /// Where it listens, for `SSH_AUTH_SOCK`.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("security-key")
    }

    /// The public key.
    pub fn public(&self) -> &Path {
        &self.public
    }

    /// Whether somebody touches it from now on when it is to sign.
    pub fn touch(&self, touched: bool) {
        self.held.touched.store(touched, Ordering::Relaxed);
    }
}

impl Drop for SecurityKeyAgent {
    fn drop(&mut self) {
        self.held.ended.store(true, Ordering::Relaxed);
        let _ = UnixStream::connect(self.socket());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Held {
    /// Answers one client until it goes.
    fn serve(&self, mut stream: UnixStream) -> std::io::Result<()> {
        loop {
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            let mut message = vec![0; length.min(MESSAGE_BYTES_MAX)];
            stream.read_exact(&mut message)?;
            let answer = self.answer(&message).unwrap_or_else(|| vec![FAILURE]);
            stream.write_all(&string(&answer))?;
        }
    }

    /// The answer to a message; `None` for what is none of ours.
    fn answer(&self, message: &[u8]) -> Option<Vec<u8>> {
        match message.split_first()? {
            (&REQUEST_IDENTITIES, []) => {
                let one = [&1u32.to_be_bytes()[..], &string(&self.public), &string(b"security key")].concat();
                Some([&[IDENTITIES_ANSWER], one.as_slice()].concat())
            }
            (&SIGN_REQUEST, rest) => {
                let (key, rest) = taken(rest)?;
                let (data, _flags) = taken(rest)?;
                let flags = if self.touched.load(Ordering::Relaxed) {
                    TOUCHED
                } else {
                    0
                };
                let signed = self.key.answer(data, flags);
                let (signature, trailer) = signed.0.split_at(64);
                let blob = [&string(b"sk-ssh-ed25519@openssh.com"), &string(signature), trailer].concat();
                (key == self.public).then(|| [&[SIGN_RESPONSE], string(&blob).as_slice()].concat())
            }
            _ => None,
        }
    }
}

/// Bytes behind their length, as SSH has them (RFC 4251 section 5).
fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a message of the agent is short");
    [&length.to_be_bytes()[..], bytes].concat()
}

/// The string that bytes begin with, and the rest.
fn taken(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::Command;

    use super::SecurityKeyAgent;

    /// OpenSSH's own client signs through the agent, and OpenSSH's own verifier takes that for what was signed alone. Whether somebody
    /// touched the key is not the verifier's question.
    #[test]
    fn openssh_takes_what_the_software_key_signs() {
        let place = tempfile::tempdir().unwrap();
        let agent = SecurityKeyAgent::start(place.path(), "ben").unwrap();
        let file = |name: &str| place.path().join(name);
        crate::write(&file("data"), b"what is signed").unwrap();
        crate::write(&file("other"), b"what is not").unwrap();
        let public = std::fs::read_to_string(agent.public()).unwrap();
        crate::write(&file("signers"), format!("ben {public}\n").as_bytes()).unwrap();
        for touched in [true, false] {
            agent.touch(touched);
            let mut sign = Command::new("ssh-keygen");
            sign.args(["-Y", "sign", "-n", "file", "-f"])
                .args([agent.public(), &file("data")]);
            crate::run(sign.env("SSH_AUTH_SOCK", agent.socket())).unwrap();
            for (data, taken) in [("data", true), ("other", false)] {
                let mut verify = Command::new("ssh-keygen");
                verify.args(["-Y", "verify", "-n", "file", "-I", "ben", "-f"]);
                verify.arg(file("signers")).arg("-s").arg(file("data.sig"));
                let output = verify.stdin(File::open(file(data)).unwrap()).output().unwrap();
                assert_eq!(output.status.success(), taken, "{data}, touched: {touched}, {output:?}");
            }
            std::fs::remove_file(file("data.sig")).unwrap();
        }
    }
}

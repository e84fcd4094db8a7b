//! The processes of a private store: made in order, each ready before the next, all ended together.
//!
//! A process dies with the thread that started it (`setpriv --pdeathsig`), so a killed test leaves none behind. A store that tests share
//! outlives the test that came first, and so a thread of its own starts its processes and holds them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use crate::HarnessError;

/// How long one of Ceph's tools may take, in seconds; they wait for what does not come until they are ended. It takes less than one here.
const TOOL_TIMEOUT_S: &str = "60";

/// The last bytes of a log that an error shows.
const LOG_SHOWN_BYTES: usize = 4096;

/// Processes in their order; dropping them ends them, the last first.
pub(super) struct Processes {
    directory: PathBuf,
    running: Vec<(&'static str, Child)>,
}

/// What is done with the processes of a store that run.
type Order = Box<dyn FnOnce(&mut Processes) + Send>;

/// Holds the processes of a store until it is dropped.
pub(super) struct Keeper {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Has `start` run by a thread that lives as long as this value, and gives what it said.
    pub(super) fn start<F>(directory: &Path, start: F) -> Result<Self, HarnessError>
    where
        F: FnOnce(&mut Processes) -> Result<(), HarnessError> + Send + 'static,
    {
        let (orders, ordered) = channel::<Order>();
        let (tell, told) = channel();
        let mut processes = Processes {
            directory: directory.to_owned(),
            running: Vec::new(),
        };
        let thread = std::thread::spawn(move || {
            let said = start(&mut processes);
            let started = said.is_ok();
            // Whoever asked waits for this word, and then holds the other end until the store may go.
            if tell.send(said).is_ok() && started {
                for order in ordered {
                    order(&mut processes);
                }
            }
        });
        let keeper = Self {
            orders: Some(orders),
            thread: Some(thread),
        };
        told.recv().map_err(|_| HarnessError::Pipe)??;
        Ok(keeper)
    }

    /// Has something done with the processes by the thread that holds them, and gives what it said.
    pub(super) fn order<F>(&self, order: F) -> Result<(), HarnessError>
    where
        F: FnOnce(&mut Processes) -> Result<(), HarnessError> + Send + 'static,
    {
        let (tell, told) = channel();
        let orders = self.orders.as_ref().ok_or(HarnessError::Pipe)?;
        let order: Order = Box::new(move |processes| drop(tell.send(order(processes))));
        orders.send(order).map_err(|_| HarnessError::Pipe)?;
        told.recv().map_err(|_| HarnessError::Pipe)?
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.orders.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Processes {
    /// Starts a daemon in the foreground; what it says goes to a log in the directory.
    pub(super) fn spawn(&mut self, program: &'static str, arguments: &[&str]) -> Result<(), HarnessError> {
        let log = std::fs::File::create(self.log(program))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig=KILL", "--", program, "-f"]);
        command.arg("-c").arg(configuration(&self.directory)).args(arguments);
        command.env_remove("CEPH_ARGS").stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log);
        self.running.push((program, command.spawn()?));
        Ok(())
    }

    /// Kills a daemon where it stands.
    pub(super) fn kill(&mut self, program: &'static str) -> Result<(), HarnessError> {
        let place = self.running.iter().position(|(name, _)| *name == program);
        let (_, mut child) = place
            .map(|place| self.running.remove(place))
            .ok_or(HarnessError::Pipe)?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Runs a tool; where a daemon has ended that it waited for, the error is that daemon's.
    pub(super) fn tool(&mut self, program: &str, arguments: &[&str]) -> Result<(), HarnessError> {
        match tool(&self.directory, program, arguments) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.check().err().unwrap_or(error)),
        }
    }

    /// That all are still running.
    ///
    /// # Errors
    /// [`HarnessError::Failed`] with the end of the log of the first that is not.
    pub(super) fn check(&mut self) -> Result<(), HarnessError> {
        let mut ended = None;
        for (program, child) in &mut self.running {
            if let Some(status) = child.try_wait()? {
                ended = Some((*program, status));
                break;
            }
        }
        let Some((program, status)) = ended else { return Ok(()) };
        Err(self.failed(program, &status.to_string()))
    }

    /// That a program failed, with the end of its log.
    pub(super) fn failed(&self, program: &'static str, what: &str) -> HarnessError {
        let log = std::fs::read(self.log(program)).unwrap_or_default();
        let shown = log.get(log.len().saturating_sub(LOG_SHOWN_BYTES)..).unwrap_or_default();
        HarnessError::Failed {
            program: program.to_owned(),
            said: format!("{what}\n{}", String::from_utf8_lossy(shown)),
        }
    }

    fn log(&self, program: &str) -> PathBuf {
        self.directory.join(format!("{program}.log"))
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // Nothing of it is kept, so nothing has to be told to end cleanly.
        while let Some((_, mut child)) = self.running.pop() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs one of Ceph's tools to its end and gives its standard output.
///
/// # Errors
/// [`HarnessError::Failed`] when it does not exit with 0 in time.
pub(super) fn tool(directory: &Path, program: &str, arguments: &[&str]) -> Result<String, HarnessError> {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", TOOL_TIMEOUT_S, program]);
    command.arg("-c").arg(configuration(directory)).args(arguments);
    crate::run(command.env_remove("CEPH_ARGS").stdin(Stdio::null()))
}

fn configuration(directory: &Path) -> PathBuf {
    directory.join("ceph.conf")
}

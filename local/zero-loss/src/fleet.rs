//! The servers: a process for each instance, which can be killed as a crash does, and comes back as a service manager lets it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use local::trouble::While;
use local::{Result, Stack, Trouble};
use machines::{Instance, Killed};

use crate::server::Identity;

/// How long a server may take until it listens, beside its boot.
const LISTENS_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often, and how far apart, the simulator is asked again: its threads fall over one another once in many thousand answers.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// Asks for something that may be asked for twice, again where it fails.
///
/// # Errors
///
/// Where it fails each time.
pub async fn insist<T, E, F>(ask: impl Fn() -> F) -> std::result::Result<T, E>
where
    F: Future<Output = std::result::Result<T, E>>,
{
    for _ in 1..TRIES {
        if let Ok(answer) = ask().await {
            return Ok(answer);
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    ask().await
}

/// A server that was dead for a while.
#[derive(Clone, Debug)]
pub struct Death {
    pub instance: String,
    pub address: SocketAddr,
    pub from: Instant,
    /// The clients' connections that had a request there at that moment, as the load balancer knows them.
    pub clients: BTreeSet<SocketAddr>,
    /// When it listened again; none while it does not.
    pub until: Option<Instant>,
}

/// All servers of a run.
pub struct Fleet<'a> {
    stack: &'a Stack,
    program: PathBuf,
    boot: Duration,
    /// None where the server was stopped and is to come back.
    servers: Mutex<BTreeMap<String, (Identity, Option<Child>)>>,
    deaths: Mutex<Vec<Death>>,
}

impl<'a> Fleet<'a> {
    /// No servers yet; each will run this program, and take so long to listen.
    #[must_use]
    pub fn new(stack: &'a Stack, program: PathBuf, boot: Duration) -> Self {
        Self { stack, program, boot, servers: Mutex::default(), deaths: Mutex::default() }
    }

    /// The instances that carry this tag and run.
    ///
    /// # Errors
    ///
    /// Where EC2 does not answer.
    pub async fn instances(&self, tag: &str, value: &str) -> Result<Vec<Instance>> {
        let machines = self.stack.machines().ok_or_else(|| Trouble::new("there are no machines"))?;
        let mut all = insist(|| machines.instances().list()).await?;
        all.retain(|instance| instance.running() && instance.tags.get(tag).map(String::as_str) == Some(value));
        Ok(all)
    }

    /// Starts a server on an instance; it listens after its boot.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    pub fn start(&self, instance: &Instance, release: &str, port: u16) -> Result<()> {
        let ip = instance.private_ip.ok_or_else(|| Trouble::new(format!("{} has no address", instance.id)))?;
        let address = SocketAddr::from((ip, port));
        let identity =
            Identity { release: release.to_owned(), instance: instance.id.clone(), address, boot: self.boot };
        self.run(identity)
    }

    /// Kills the server of an instance, as a crash does: what fails with it is told apart.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub async fn kill(&self, instance: &str) -> Result<()> {
        let machines = self.stack.machines().ok_or_else(|| Trouble::new("there are no machines"))?;
        let (address, child) = self.take(instance)?;
        let Killed { at, clients } = machines.load_balancer().kill_at(address, Box::new(move || end(child))).await?;
        lock(&self.deaths).push(Death { instance: instance.to_owned(), address, from: at, clients, until: None });
        Ok(())
    }

    /// Stops the server of an instance at once, as a deployment does that is in a hurry.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn stop(&self, instance: &str) -> Result<()> {
        Ok(end(self.take(instance)?.1)?)
    }

    /// The address and the process of an instance's server, which is no longer ours then.
    fn take(&self, instance: &str) -> Result<(SocketAddr, Option<Child>)> {
        let mut servers = lock(&self.servers);
        let (identity, child) =
            servers.get_mut(instance).ok_or_else(|| Trouble::new(format!("{instance} has no server")))?;
        Ok((identity.address, child.take()))
    }

    /// Starts the server of an instance again, of another release if one is given, and waits until it listens.
    ///
    /// # Errors
    ///
    /// Where there was none, or it does not listen in time.
    pub async fn restart(&self, instance: &str, release: Option<&str>) -> Result<()> {
        let known = lock(&self.servers).get(instance).map(|(identity, _)| identity.clone());
        let mut identity = known.ok_or_else(|| Trouble::new(format!("{instance} had no server")))?;
        identity.release = release.map_or(identity.release, str::to_owned);
        let address = identity.address;
        self.run(identity)?;
        let end = Instant::now() + self.boot + LISTENS_WITHIN;
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if Instant::now() > end {
                return Err(Trouble::new(format!("the server of {instance} does not listen at {address}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let now = Instant::now();
        for death in lock(&self.deaths).iter_mut().filter(|death| death.instance == instance) {
            death.until.get_or_insert(now);
        }
        Ok(())
    }

    /// The servers that died by our hand.
    #[must_use]
    pub fn deaths(&self) -> Vec<Death> {
        lock(&self.deaths).clone()
    }

    fn run(&self, identity: Identity) -> Result<()> {
        let machines = self.stack.machines().ok_or_else(|| Trouble::new("there are no machines"))?;
        let mut command = machines.command_on(&identity.instance, &self.program)?;
        let child = command.arg("server").envs(identity.variables()).spawn().when(self.program.display())?;
        let mut servers = lock(&self.servers);
        // What ended with its instance is waited for here: nobody else does.
        servers.retain(|_, (_, child)| child.as_mut().is_none_or(|child| matches!(child.try_wait(), Ok(None))));
        servers.insert(identity.instance.clone(), (identity, Some(child)));
        Ok(())
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        for child in lock(&self.servers).values_mut().filter_map(|(_, child)| child.as_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Kills a process, and waits for its end.
fn end(child: Option<Child>) -> std::io::Result<()> {
    let Some(mut child) = child else { return Ok(()) };
    child.kill()?;
    child.wait().map(drop)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

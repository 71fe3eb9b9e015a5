//! A run: rounds of releases under load, each on an account of its own, judged together.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use local::terminal::{Style, Terminal};
use local::web::Web;
use local::{Options, Result, Stack, Trouble, service};
use machines::FailedRequest;
use tokio::sync::watch;

use crate::baselines::{Baseline, Way};
use crate::book::Book;
use crate::drive::{self, Driver, Pace};
use crate::fleet::{Death, Fleet};
use crate::follow::Follower;
use crate::journal::{Journal, What};
use crate::load::{self, Load};

/// A rule change arrives at the second node so much later than at the first.
pub const NODE_LAG: Duration = Duration::from_millis(1500);

/// No wait takes longer on a machine that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the progress is told.
const TELL_EVERY: Duration = Duration::from_secs(20);

/// How often the progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a run is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// So many promotes, and as many rollbacks.
    pub pairs: usize,
    /// After so long no other promotion is begun: as many as fit are what there is.
    pub within: Duration,
    /// So many of them on one account, then comes the next: the simulator never forgets what was terminated.
    pub pairs_in_round: usize,
    /// Services that are released side by side.
    pub services: u32,
    /// Requests a second, in all.
    pub rate: f64,
    pub pace: Pace,
    /// So often each baseline releases, in the first round.
    pub baseline_releases: usize,
    /// How long a server takes until it listens.
    pub boot: Duration,
    /// What serves: this very program.
    pub program: PathBuf,
    pub options: fn() -> Options,
}

impl Settings {
    /// What `make zero-loss` runs, with servers of this program.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self {
            pairs: 500,
            within: Duration::from_secs(110 * 60),
            pairs_in_round: 100,
            services: 10,
            rate: 2400.0,
            pace: Pace { settle_seconds: 8, drain_seconds: 4 },
            baseline_releases: 10,
            boot: Duration::from_secs(8),
            program,
            options: Options::new,
        }
    }
}

/// A round that is over. The book has the services first, then the baselines.
#[derive(Debug)]
pub struct Round {
    pub services: usize,
    pub began: Instant,
    pub book: Book,
    pub journal: Journal,
    pub deaths: Vec<Death>,
    /// What the load balancer's log says of requests that failed.
    pub log: Vec<FailedRequest>,
    /// How many requests the load balancer itself counted meanwhile.
    pub counted: u64,
    /// How long a rule change took to reach a node, at most.
    pub slowest_change: Duration,
    pub took: Duration,
}

/// All rounds, one after the other; what happens is told on a terminal.
///
/// # Errors
///
/// As for a round.
pub async fn rounds(settings: &Settings, terminal: &Terminal) -> Result<Vec<Round>> {
    let mut rounds = Vec::new();
    let mut left = settings.pairs;
    let end = Instant::now() + settings.within;
    while left > 0 && Instant::now() < end {
        let pairs = left.min(settings.pairs_in_round);
        let baseline_releases = if rounds.is_empty() { settings.baseline_releases } else { 0 };
        let round = round(settings, pairs, baseline_releases, end, terminal).await?;
        left = left.saturating_sub(round.journal.count_of(What::RolledBack, round.services));
        let text = format!(
            "{} promotes, {} rollbacks, {} requests; {left} of each are left",
            round.journal.count_of(What::Promoted, round.services),
            round.journal.count_of(What::RolledBack, round.services),
            round.book.begun
        );
        terminal.event(Style::Plain, "•", "round", Some(round.took), &text);
        rounds.push(round);
    }
    Ok(rounds)
}

/// Releases so often in a new account, under load; until this moment, if it comes before.
///
/// # Errors
///
/// Where something cannot be started, or a call does not get where it has to.
pub async fn round(
    settings: &Settings,
    pairs: usize,
    baseline_releases: usize,
    end: Instant,
    terminal: &Terminal,
) -> Result<Round> {
    let began = Instant::now();
    let options = Options { lagging_nodes: vec![NODE_LAG], ..(settings.options)() };
    let stack = Stack::start(options).await?;
    let machines = stack.machines().ok_or_else(|| Trouble::new("a run needs real servers"))?;
    let names: Vec<String> = (1..=settings.services).map(|number| format!("s{number}")).collect();
    for (number, name) in (1..).zip(&names) {
        stack.put_service(name, &drive::config(&stack, name, number, &settings.pace)?).await?;
    }
    let journal = Journal::default();
    let mut hosts: Vec<String> = names.iter().map(|name| service::host(&stack.config_of(name), "product")).collect();
    let following = Follower::new(&journal, stack.moto(), hosts.clone()).follow(stack.gateway().subscribe());
    let fleet = Fleet::new(&stack, settings.program.clone(), settings.boot);
    let mut drivers: Vec<Driver<'_>> =
        (0..).zip(&names).map(|(site, name)| Driver::new(&stack, &fleet, &journal, site, name)).collect();
    let ways = if baseline_releases == 0 { [].as_slice() } else { &Way::ALL };
    let mut baselines = Vec::new();
    for (site, way) in (names.len()..).zip(ways) {
        baselines.push(Baseline::new(&stack, &fleet, &journal, *way, site, &settings.pace)?);
    }
    let (products, _) =
        tokio::try_join!(all(drivers.iter_mut().map(Driver::first)), all(baselines.iter_mut().map(Baseline::first)))?;
    hosts.extend(baselines.iter().map(Baseline::host));
    let nodes = machines.load_balancer().addresses().to_vec();
    answered(&nodes, &hosts).await?;

    let counted_before = machines.load_balancer().requests().await?;
    let long = Duration::from_secs((settings.pace.settle_seconds + settings.pace.drain_seconds) * 2);
    let load = Load::start(load::Settings { nodes, hosts, rate: settings.rate, long, seed: 1 })?;
    let (wanted, more) = watch::channel(true);
    let enough = async {
        // Baselines promote too, and never roll back.
        let sites = names.len();
        let mut told = Instant::now();
        // The first of each site was promoted before the load.
        let missing = || {
            journal.count_of(What::RolledBack, sites) < pairs || journal.count_of(What::Promoted, sites) < pairs + sites
        };
        while missing() && Instant::now() < end {
            tokio::time::sleep(LOOK_EVERY).await;
            stack.gateway().record().clear();
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                let (begun, failed) = load.look(|book| (book.begun, book.failures.len()));
                let text = format!(
                    "{} promotes, {} rollbacks, {begun} requests, {failed} not as they should be",
                    journal.count_of(What::Promoted, sites),
                    journal.count_of(What::RolledBack, sites),
                );
                terminal.event(Style::Dim, "…", "so far", None, &text);
            }
        }
        let _ = wanted.send(false);
        Ok(())
    };
    let working = all(drivers.iter_mut().zip(products).map(|(driver, product)| driver.run(product, more.clone())));
    let by_hand = all(baselines.iter_mut().map(|baseline| baseline.run(baseline_releases)));
    tokio::try_join!(working, by_hand, enough)?;
    let book = load.stop().await?;
    let counted = machines.load_balancer().requests().await?.saturating_sub(counted_before);
    let slowest_change = machines.load_balancer().passes().borrow().slowest_change;
    let log = machines.load_balancer().failed_requests()?;
    drop(following);
    Ok(Round {
        services: names.len(),
        began,
        book,
        journal,
        deaths: fleet.deaths(),
        log,
        counted,
        slowest_change,
        took: began.elapsed(),
    })
}

/// Waits until each node answers for each host.
async fn answered(nodes: &[SocketAddr], hosts: &[String]) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    for node in nodes {
        let web = Web::new(&format!("http://{node}"));
        for host in hosts {
            while web.get(host, "/health").await?.status != 200 {
                if Instant::now() > end {
                    return Err(Trouble::new(format!("{host} is not answered at {node}")));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }
    Ok(())
}

/// Waits for all of them side by side, or for the first that fails.
async fn all<T>(work: impl Iterator<Item = impl Future<Output = Result<T>>>) -> Result<Vec<T>> {
    futures_util::future::try_join_all(work).await
}

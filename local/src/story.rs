//! The story of five releases, each step checked: what `make demo` tells and the end-to-end tests ask for.

use std::time::{Duration, Instant, SystemTime};

use pipeline::ExecutionStatus;
use serde_json::json;

use crate::alarms;
use crate::notices::Notice;
use crate::revision::Changes;
use crate::service;
use crate::stack::{Approval, PATIENCE, Stack};
use crate::standing::Standing;
use crate::terminal::{Style, Terminal};
use crate::trouble::{Result, Trouble};
use crate::web::Web;

/// So many requests in a row have to be answered by the right version: one could be luck.
const REQUESTS: usize = 20;
/// How long a rule change may take to be seen at the load balancer.
const TRIES: usize = 200;
/// What a canary gets of the customers, in percent, and the alarm that watches it.
const CANARY: u32 = 10;
const ALARM: &str = "mobile-5xx";
/// So often a canary has to answer before its alarm goes off, among so many requests at most: a tenth of them would do.
const CANARY_ANSWERS: usize = 10;
const CANARY_TRIES: usize = 1000;

/// Tells and checks the story of one service.
pub struct Story<'a> {
    stack: &'a Stack,
    terminal: Option<Terminal>,
    web: Web,
    service: String,
    product_host: String,
    pre_product_host: String,
    servers: usize,
}

/// A release of the story: its version and its execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub version: String,
    pub id: String,
}

/// Fails with this sentence unless something is so.
fn check(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if is_so { Ok(()) } else { Err(Trouble::new(otherwise())) }
}

impl<'a> Story<'a> {
    /// The story of the stack's first service; told on a terminal, if there is one.
    #[must_use]
    pub fn new(stack: &'a Stack, terminal: Option<&Terminal>) -> Self {
        let service = stack.options().service.clone();
        let config = stack.config_of(&service);
        let servers = config.get("instance_count").and_then(serde_json::Value::as_u64).unwrap_or(1);
        Self {
            stack,
            terminal: terminal.cloned(),
            web: Web::new(&stack.load_balancer_url()),
            product_host: service::host(&config, "product"),
            pre_product_host: service::host(&config, "pre_product"),
            servers: usize::try_from(servers).unwrap_or(1),
            service,
        }
    }

    /// The first release: shipped, tried, promoted, kept. Before it nothing is product.
    ///
    /// # Errors
    ///
    /// Where anything is not as it should be.
    pub async fn first(&self, version: &str) -> Result<Release> {
        self.nothing_at(&self.product_host, "before the first release").await?;
        let release = self.ship(version).await?;
        self.nothing_at(&self.product_host, "before the first promotion").await?;
        self.promote(&release).await?;
        let standing = self.look().await?;
        check(standing.weights(&self.service, "product") == [(release.id.clone(), 100)], || {
            format!(
                "the product rule forwards to {:?}, not to {} alone",
                standing.weights(&self.service, "product"),
                release.id
            )
        })?;
        self.keep(&release).await?;
        Ok(release)
    }

    /// A release beside product: tried next to it, promoted, kept. The one before it goes.
    ///
    /// # Errors
    ///
    /// Where anything is not as it should be.
    pub async fn next(&self, version: &str, before: &Release) -> Result<Release> {
        let release = self.ship(version).await?;
        self.serves(&self.product_host, &before.version).await?;
        self.tell(&format!("pre-product answers {version}, product still {}", before.version));
        self.promote(&release).await?;
        self.is_way_back(&release, before).await?;
        self.keep(&release).await?;
        let standing = self.look().await?;
        check(standing.is_gone(&before.id), || {
            format!("after finish something of release {} is left: {}", before.version, standing.left_of(&before.id))
        })?;
        let weights = standing.weights(&self.service, "product");
        check(weights.iter().all(|(id, _)| *id == release.id), || format!("the product rule still names {weights:?}"))?;
        self.tell(&format!("release {} is gone: servers, target group, addresses", before.version));
        Ok(release)
    }

    /// A release that is promoted and then rejected: product is what it was.
    ///
    /// # Errors
    ///
    /// Where anything is not as it should be.
    pub async fn rejected(&self, version: &str, before: &Release, why: &str) -> Result<Release> {
        let release = self.ship(version).await?;
        self.promote(&release).await?;
        self.is_way_back(&release, before).await?;
        self.say(Style::Red, "you", &format!("reject KeepIt: {why}"));
        let rejected = Instant::now();
        self.stack.answer(&self.service, &release.id, "KeepIt", Approval::Rejected, why).await?;
        self.serves(&self.product_host, &before.version).await?;
        let took = rejected.elapsed();
        self.tell(&format!(
            "product answers {} again, {:.1} s after the rejection",
            before.version,
            took.as_secs_f64()
        ));
        self.ends(&release, ExecutionStatus::Failed).await?;
        self.told(|notice| notice.release() == release.id && notice.attribute("status") == "attention").await?;
        self.gone(&release).await?;
        self.stands_alone(before).await?;
        Ok(release)
    }

    /// A release whose deploy fails: nothing of it is left, and customers notice nothing.
    ///
    /// # Errors
    ///
    /// Where anything is not as it should be.
    pub async fn not_deployed(&self, version: &str, before: &Release, words: &str) -> Result<Release> {
        let changes = Changes::server_does_not_start(words);
        let id = self.upload(version, &changes).await?;
        let release = Release { version: version.to_owned(), id };
        self.ends(&release, ExecutionStatus::Failed).await?;
        let failures = self.stack.failures(&self.service, &release.id)?;
        check(failures.iter().any(|failure| failure.contains(words)), || {
            format!("the failed deployment does not say what the server's log says ({words}): {failures:?}")
        })?;
        self.told(|notice| notice.release() == release.id && notice.attribute("status") == "attention").await?;
        self.gone(&release).await?;
        self.stands_alone(before).await?;
        Ok(release)
    }

    /// A release that rises in steps, from now on as every release of the service, and that an alarm stops at the first of them;
    /// with the moment at which the alarm went off. Product is what it was.
    ///
    /// # Errors
    ///
    /// Where anything is not as it should be.
    pub async fn canary(&self, version: &str, before: &Release) -> Result<(Release, SystemTime)> {
        self.rises_in_steps().await?;
        let release = self.ship(version).await?;
        self.say(Style::Green, "you", "approve ShipIt");
        self.stack.answer(&self.service, &release.id, "ShipIt", Approval::Approved, "looks good").await?;
        let shared = [(release.id.clone(), CANARY), (before.id.clone(), 100 - CANARY)];
        self.weighs(&shared).await?;
        self.shared(version, &before.version).await?;
        self.tell(&format!("{CANARY} % of the customers get {version}, the others still {}", before.version));

        self.say(Style::Red, "CloudWatch", &format!("the alarm {ALARM} goes off"));
        let (alarmed, began) = (SystemTime::now(), Instant::now());
        alarms::turn(self.stack, ALARM, "ALARM").await?;
        self.stack.bus().put(&alarms::event(ALARM, "ALARM"))?;
        self.weighs(&[(before.id.clone(), 100)]).await?;
        self.serves(&self.product_host, &before.version).await?;
        let took = began.elapsed().as_secs_f64();
        self.tell(&format!("everybody gets {} again, {took:.1} s after the alarm", before.version));
        self.ends(&release, ExecutionStatus::Failed).await?;
        self.told(|notice| notice.release() == release.id && notice.attribute("status") == "attention").await?;
        self.gone(&release).await?;
        self.stands_alone(before).await?;
        alarms::turn(self.stack, ALARM, "OK").await?;
        Ok((release, alarmed))
    }

    /// Configures steps and an alarm. A warm process believes what it has read for a minute, so they start anew.
    async fn rises_in_steps(&self) -> Result<()> {
        let mut config = self.stack.config_of(&self.service);
        if let Some(config) = config.as_object_mut() {
            config.insert("traffic".to_owned(), json!({"steps": [CANARY]}));
            config.insert("alarms".to_owned(), json!([ALARM]));
        }
        self.say(Style::Cyan, "you", &format!("configure traffic.steps [{CANARY}] and the alarm {ALARM}"));
        alarms::make(self.stack, ALARM).await?;
        alarms::turn(self.stack, ALARM, "OK").await?;
        self.stack.put_service(&self.service, &config).await?;
        self.stack.idle().await?;
        self.stack.functions().cool_down();
        Ok(())
    }

    /// Uploads a build and waits until QA can try it.
    async fn ship(&self, version: &str) -> Result<Release> {
        let id = self.upload(version, &Changes::default()).await?;
        self.stack.approval(&self.service, &id, "ShipIt").await?;
        self.serves(&self.pre_product_host, version).await?;
        let standing = self.look().await?;
        let running = standing.instances_of(&id).iter().filter(|instance| instance.state == "running").count();
        check(running == self.servers, || {
            format!("release {version} has {running} servers, {} were asked for", self.servers)
        })?;
        self.told(|notice| notice.release() == id && notice.attribute("event") == "register").await?;
        Ok(Release { version: version.to_owned(), id })
    }

    async fn upload(&self, version: &str, changes: &Changes) -> Result<String> {
        self.say(Style::Cyan, "you", &format!("upload build.zip, version {version}"));
        self.stack.ship(&self.service, version, changes).await
    }

    async fn promote(&self, release: &Release) -> Result<()> {
        self.say(Style::Green, "you", "approve ShipIt");
        self.stack.answer(&self.service, &release.id, "ShipIt", Approval::Approved, "looks good").await?;
        self.stack.approval(&self.service, &release.id, "KeepIt").await?;
        self.serves(&self.product_host, &release.version).await?;
        self.nothing_at(&self.pre_product_host, "after the promotion").await?;
        self.tell(&format!("product answers {}", release.version));
        self.named(release).await
    }

    async fn keep(&self, release: &Release) -> Result<()> {
        self.say(Style::Green, "you", "approve KeepIt");
        self.stack.answer(&self.service, &release.id, "KeepIt", Approval::Approved, "we keep it").await?;
        self.ends(release, ExecutionStatus::Succeeded).await
    }

    /// The release before stays behind the rule with weight 0, its servers healthy.
    async fn is_way_back(&self, release: &Release, before: &Release) -> Result<()> {
        let standing = self.look().await?;
        let mut weights = standing.weights(&self.service, "product");
        weights.sort_by_key(|(_, weight)| *weight);
        let wanted = [(before.id.clone(), 0), (release.id.clone(), 100)];
        check(weights == wanted, || format!("the product rule has the weights {weights:?}, not {wanted:?}"))?;
        let group = standing.group_of(&before.id);
        let healthy = group.map_or(0, |group| group.targets.iter().filter(|(_, state)| state == "healthy").count());
        check(healthy == self.servers, || format!("the way back has {healthy} healthy servers of {}", self.servers))?;
        self.tell(&format!("release {} stays behind the rule with weight 0, healthy: the way back", before.version));
        Ok(())
    }

    /// Waits until the product rule has these weights, in any order.
    async fn weighs(&self, wanted: &[(String, u32)]) -> Result<()> {
        let mut weights = Vec::new();
        for _ in 0..TRIES {
            weights = self.look().await?.weights(&self.service, "product");
            if weights.len() == wanted.len() && weights.iter().all(|weight| wanted.contains(weight)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Err(Trouble::new(format!("the product rule has the weights {weights:?}, not {wanted:?}")))
    }

    /// Runs the sweep until nothing of a release is left.
    async fn gone(&self, release: &Release) -> Result<()> {
        self.say(Style::Plain, "sweep", "runs now; by itself it comes every 10 minutes");
        let what = format!("nothing of release {} is left", release.version);
        self.stack.sweep_until(&what, || async { Ok(self.look().await?.is_gone(&release.id)) }).await?;
        let standing = self.look().await?;
        let pre_product = standing.rule(&self.service, "pre-product");
        check(pre_product.is_none(), || format!("the pre-product rule is still there: {pre_product:?}"))?;
        self.tell(&what);
        Ok(())
    }

    /// This release is product, and nothing else of the service stands.
    async fn stands_alone(&self, release: &Release) -> Result<()> {
        self.serves(&self.product_host, &release.version).await?;
        let standing = self.look().await?;
        let strangers: Vec<_> = standing
            .instances
            .iter()
            .filter(|instance| crate::standing::Tagged::tag(*instance, "release") != release.id)
            .map(|instance| instance.id.clone())
            .collect();
        check(strangers.is_empty(), || format!("instances of no release that is product are left: {strangers:?}"))?;
        self.named(release).await
    }

    /// The private names of product are this release's servers, and none is pre-product's.
    async fn named(&self, release: &Release) -> Result<()> {
        let standing = self.look().await?;
        let config = self.stack.config_of(&self.service);
        let name = |which: &str| {
            config.get("dns").and_then(|dns| dns.get(which)).and_then(serde_json::Value::as_str).unwrap_or_default()
        };
        let ips = standing.instances_of(&release.id).into_iter().map(|instance| instance.ip.clone()).collect();
        let product = standing.names.get(name("product"));
        check(product == Some(&ips), || {
            format!("{} is {product:?}, and release {} has {ips:?}", name("product"), release.version)
        })?;
        let pre_product = standing.names.get(name("pre_product"));
        check(pre_product.is_none(), || format!("{} still names {pre_product:?}", name("pre_product")))
    }

    async fn ends(&self, release: &Release, wanted: ExecutionStatus) -> Result<()> {
        let status = self.stack.over(&self.service, &release.id).await?;
        let failures = self.stack.failures(&self.service, &release.id)?;
        check(status == wanted, || {
            format!(
                "the execution of release {} is {}, not {}: {}",
                release.version,
                status.name(),
                wanted.name(),
                failures.join("; ")
            )
        })
    }

    async fn told(&self, wanted: impl Fn(&Notice) -> bool) -> Result<()> {
        self.stack.notices().wait(PATIENCE, wanted).await.map(drop)
    }

    /// Waits until a site answers this version many times in a row.
    async fn serves(&self, host: &str, version: &str) -> Result<()> {
        let mut right = 0;
        let mut last = String::new();
        for _ in 0..TRIES {
            let page = self.web.get(host, "/version").await?;
            if page.status == 200 && page.body == version {
                right += 1;
                if right == REQUESTS {
                    return Ok(());
                }
                continue;
            }
            right = 0;
            last = format!("{} {}", page.status, page.body);
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Err(Trouble::new(format!("{host} was to answer version {version}, and answers {last}")))
    }

    /// Waits until product was answered so often by a canary, and by nothing but it and the release before.
    async fn shared(&self, canary: &str, before: &str) -> Result<()> {
        let mut answers = 0;
        for _ in 0..CANARY_TRIES {
            let page = self.web.get(&self.product_host, "/version").await?;
            check(page.status == 200 && (page.body == canary || page.body == before), || {
                format!("product was to answer {before} or {canary}, and answers {} {}", page.status, page.body)
            })?;
            answers += usize::from(page.body == canary);
            if answers == CANARY_ANSWERS {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Err(Trouble::new(format!("of {CANARY_TRIES} answers of product {answers} were {canary}'s")))
    }

    async fn nothing_at(&self, host: &str, when: &str) -> Result<()> {
        let mut page = self.web.get(host, "/version").await?;
        for _ in 0..TRIES {
            if page.status == 404 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
            page = self.web.get(host, "/version").await?;
        }
        Err(Trouble::new(format!("{when} nothing is to be at {host}, and it answers {} {}", page.status, page.body)))
    }

    async fn look(&self) -> Result<Standing> {
        let account = self.stack.account();
        Standing::look(&self.stack.aws("LOOK"), &account.listener_arn, &account.zone_id).await
    }

    fn say(&self, style: Style, who: &str, what: &str) {
        if let Some(terminal) = &self.terminal {
            terminal.event(style, "•", who, None, what);
        }
    }

    fn tell(&self, seen: &str) {
        self.say(Style::Green, "seen", seen);
    }
}

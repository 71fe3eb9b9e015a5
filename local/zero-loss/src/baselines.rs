//! What people do without Pointsman, step for step, on sites of their own under the same load.
//!
//! They lose requests, each in its way; that a load sees it is half of what the run shows.

use std::time::{Duration, Instant};

use local::{Result, Stack, Trouble, service, xml};
use machines::Instance;
use serde_json::Value;

use crate::drive::Pace;
use crate::fleet::{Fleet, insist};
use crate::journal::{Journal, What};

const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// How long a release serves before the next.
const STANDS: Duration = Duration::from_millis(1500);

/// The tag by which a baseline's servers are found.
const TAG: &str = "baseline";

const ELB: &str = "elasticloadbalancing";

/// A way to release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One target group: the new servers are registered and the old ones deregistered at once.
    AtOnce,
    /// Two groups: the rule is switched as soon as the new servers are registered.
    BeforeHealth,
    /// Two groups, switched when healthy: the old servers are terminated right after.
    NoDraining,
    /// CodeDeploy's blue/green order, one group: green registered, healthy, then blue deregistered, drained, terminated.
    BlueGreen,
    /// CodeDeploy in place where its deployment group names no load balancer: on one server after the other, stop, install, start.
    InPlace,
}

impl Way {
    pub const ALL: [Self; 5] = [Self::AtOnce, Self::BeforeHealth, Self::NoDraining, Self::BlueGreen, Self::InPlace];

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AtOnce => "register new, deregister old at once",
            Self::BeforeHealth => "switch before health",
            Self::NoDraining => "terminate without draining",
            Self::BlueGreen => "CodeDeploy blue/green order",
            Self::InPlace => "CodeDeploy in place, no balancer named",
        }
    }

    /// The site's name.
    #[must_use]
    pub fn site(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// A site that is released in one of these ways.
pub struct Baseline<'a> {
    stack: &'a Stack,
    fleet: &'a Fleet<'a>,
    journal: Journal,
    way: Way,
    /// The site's number in the load's book.
    site: usize,
    config: Value,
    drain_seconds: u64,
    settle: Duration,
    /// The product rule and the group that it forwards to.
    rule: String,
    group: String,
    last: u32,
    servers: Vec<Instance>,
}

impl<'a> Baseline<'a> {
    /// A site of this number, whose rule has a priority apart from all others'.
    ///
    /// # Errors
    ///
    /// Where the example cannot be read.
    pub fn new(
        stack: &'a Stack,
        fleet: &'a Fleet<'a>,
        journal: &Journal,
        way: Way,
        site: usize,
        pace: &Pace,
    ) -> Result<Self> {
        let number = u32::try_from(site)? + 1;
        Ok(Self {
            stack,
            fleet,
            journal: journal.clone(),
            way,
            site,
            config: stack.config(&way.site(), number)?,
            drain_seconds: pace.drain_seconds,
            settle: Duration::from_secs(pace.settle_seconds),
            rule: String::new(),
            group: String::new(),
            last: 0,
            servers: Vec::new(),
        })
    }

    /// The host that customers ask for.
    #[must_use]
    pub fn host(&self) -> String {
        service::host(&self.config, "product")
    }

    /// Brings the first release to product, with care.
    ///
    /// # Errors
    ///
    /// Where AWS refuses something.
    pub async fn first(&mut self) -> Result<()> {
        let servers = self.launch().await?;
        self.group = self.make_group().await?;
        let priority = self.config.pointer("/product/priority").and_then(Value::as_u64).unwrap_or(1).to_string();
        let parameters = [
            ("ListenerArn", self.stack.account().listener_arn.as_str()),
            ("Priority", &priority),
            ("Conditions.member.1.Field", "host-header"),
            ("Conditions.member.1.HostHeaderConfig.Values.member.1", &self.host()),
            ("Actions.member.1.Type", "forward"),
            ("Actions.member.1.TargetGroupArn", &self.group),
        ];
        self.rule = xml::first(&self.call(ELB, "CreateRule", &parameters).await?, "RuleArn")?;
        self.targets("RegisterTargets", &self.group, &servers).await?;
        self.healthy(&self.group, &servers).await?;
        self.servers = servers;
        Ok(())
    }

    /// Releases so often.
    ///
    /// # Errors
    ///
    /// Where AWS refuses something.
    pub async fn run(&mut self, releases: usize) -> Result<()> {
        for _ in 0..releases {
            tokio::time::sleep(STANDS).await;
            match self.way {
                Way::AtOnce => self.at_once().await?,
                Way::BeforeHealth | Way::NoDraining => self.two_groups().await?,
                Way::BlueGreen => self.blue_green().await?,
                Way::InPlace => self.in_place().await?,
            }
        }
        Ok(())
    }

    async fn at_once(&mut self) -> Result<()> {
        let new = self.launch().await?;
        self.targets("RegisterTargets", &self.group, &new).await?;
        let old = std::mem::replace(&mut self.servers, new);
        self.promoted();
        self.targets("DeregisterTargets", &self.group, &old).await?;
        tokio::time::sleep(Duration::from_secs(self.drain_seconds)).await;
        self.terminate(&old).await
    }

    async fn two_groups(&mut self) -> Result<()> {
        let new = self.launch().await?;
        let group = self.make_group().await?;
        self.targets("RegisterTargets", &group, &new).await?;
        if self.way == Way::NoDraining {
            // Both are in the rule, so that the new one is checked.
            self.forward(&[(&self.group, 100), (&group, 0)]).await?;
            self.healthy(&group, &new).await?;
        }
        self.forward(&[(&group, 100)]).await?;
        self.promoted();
        let old = std::mem::replace(&mut self.servers, new);
        let old_group = std::mem::replace(&mut self.group, group);
        if self.way == Way::BeforeHealth {
            tokio::time::sleep(self.settle).await;
            self.targets("DeregisterTargets", &old_group, &old).await?;
            tokio::time::sleep(Duration::from_secs(self.drain_seconds)).await;
        }
        self.terminate(&old).await?;
        self.call(ELB, "DeleteTargetGroup", &[("TargetGroupArn", &old_group)]).await?;
        Ok(())
    }

    async fn blue_green(&mut self) -> Result<()> {
        let green = self.launch().await?;
        self.targets("RegisterTargets", &self.group, &green).await?;
        self.healthy(&self.group, &green).await?;
        self.promoted();
        let blue = std::mem::replace(&mut self.servers, green);
        self.targets("DeregisterTargets", &self.group, &blue).await?;
        tokio::time::sleep(Duration::from_secs(self.drain_seconds)).await;
        self.terminate(&blue).await
    }

    async fn in_place(&mut self) -> Result<()> {
        self.last += 1;
        let release = self.release();
        for instance in &self.servers {
            self.fleet.stop(&instance.id)?;
            self.fleet.restart(&instance.id, Some(&release)).await?;
        }
        self.promoted();
        Ok(())
    }

    fn release(&self) -> String {
        format!("{}-{}", self.way.site(), self.last)
    }

    fn promoted(&self) {
        self.journal.note(self.site, What::Promoted, &self.release());
    }

    /// Launches the servers of the next release; they listen after their boot, which EC2 knows nothing of.
    async fn launch(&mut self) -> Result<Vec<Instance>> {
        self.last += 1;
        let release = self.release();
        let account = self.stack.account();
        for subnet in &account.subnets {
            let parameters = [
                ("ImageId", account.ami.as_str()),
                ("InstanceType", "t3.small"),
                ("MinCount", "1"),
                ("MaxCount", "1"),
                ("SubnetId", &subnet.id),
                ("TagSpecification.1.ResourceType", "instance"),
                ("TagSpecification.1.Tag.1.Key", TAG),
                ("TagSpecification.1.Tag.1.Value", &release),
            ];
            self.call("ec2", "RunInstances", &parameters).await?;
        }
        let began = Instant::now();
        loop {
            let servers = self.fleet.instances(TAG, &release).await?;
            if servers.len() == account.subnets.len() {
                for server in &servers {
                    self.fleet.start(server, &release, self.port())?;
                }
                return Ok(servers);
            }
            self.patience(began, "its servers do not run")?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn port(&self) -> u16 {
        self.config.get("port").and_then(Value::as_u64).and_then(|port| port.try_into().ok()).unwrap_or(8080)
    }

    async fn make_group(&self) -> Result<String> {
        let (name, port) = (self.release(), self.port().to_string());
        let parameters = [
            ("Name", name.as_str()),
            ("Protocol", "HTTP"),
            ("Port", &port),
            ("VpcId", &self.stack.account().vpc),
            ("HealthCheckPath", "/health"),
            ("HealthCheckIntervalSeconds", "5"),
            ("HealthCheckTimeoutSeconds", "4"),
            ("HealthyThresholdCount", "2"),
            ("UnhealthyThresholdCount", "2"),
        ];
        let group = xml::first(&self.call(ELB, "CreateTargetGroup", &parameters).await?, "TargetGroupArn")?;
        let drain = self.drain_seconds.to_string();
        let parameters = [
            ("TargetGroupArn", group.as_str()),
            ("Attributes.member.1.Key", "deregistration_delay.timeout_seconds"),
            ("Attributes.member.1.Value", &drain),
        ];
        self.call(ELB, "ModifyTargetGroupAttributes", &parameters).await?;
        Ok(group)
    }

    async fn forward(&self, groups: &[(&str, u32)]) -> Result<()> {
        let mut parameters =
            vec![("RuleArn".to_owned(), self.rule.clone()), ("Actions.member.1.Type".to_owned(), "forward".to_owned())];
        for (number, (arn, weight)) in (1..).zip(groups) {
            let prefix = format!("Actions.member.1.ForwardConfig.TargetGroups.member.{number}");
            parameters.push((format!("{prefix}.TargetGroupArn"), (*arn).to_owned()));
            parameters.push((format!("{prefix}.Weight"), weight.to_string()));
        }
        let parameters: Vec<(&str, &str)> =
            parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        self.call(ELB, "ModifyRule", &parameters).await?;
        Ok(())
    }

    async fn targets(&self, action: &str, group: &str, servers: &[Instance]) -> Result<()> {
        let keys: Vec<String> = (1..=servers.len()).map(|number| format!("Targets.member.{number}.Id")).collect();
        let mut parameters = vec![("TargetGroupArn", group)];
        parameters.extend(keys.iter().map(String::as_str).zip(servers.iter().map(|server| server.id.as_str())));
        self.call(ELB, action, &parameters).await?;
        Ok(())
    }

    async fn healthy(&self, group: &str, servers: &[Instance]) -> Result<()> {
        let began = Instant::now();
        loop {
            let answer = self.call(ELB, "DescribeTargetHealth", &[("TargetGroupArn", group)]).await?;
            let healthy = xml::members(&answer, "TargetHealthDescriptions", |node| {
                (xml::text(node, &["Target", "Id"]), xml::text(node, &["TargetHealth", "State"]) == "healthy")
            })?;
            if servers.iter().all(|server| healthy.contains(&(server.id.clone(), true))) {
                return Ok(());
            }
            self.patience(began, "its servers are not healthy")?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn terminate(&self, servers: &[Instance]) -> Result<()> {
        let keys: Vec<String> = (1..=servers.len()).map(|number| format!("InstanceId.{number}")).collect();
        let parameters: Vec<(&str, &str)> =
            keys.iter().map(String::as_str).zip(servers.iter().map(|server| server.id.as_str())).collect();
        self.call("ec2", "TerminateInstances", &parameters).await?;
        Ok(())
    }

    fn patience(&self, began: Instant, what: &str) -> Result<()> {
        if began.elapsed() < PATIENCE {
            return Ok(());
        }
        Err(Trouble::new(format!("{}: {what} within {} seconds", self.way.name(), PATIENCE.as_secs())))
    }

    async fn call(&self, service: &str, action: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let aws = self.stack.aws("BASELINE");
        if action.starts_with("Describe") {
            return Ok(insist(|| aws.query(service, action, parameters)).await?);
        }
        Ok(aws.query(service, action, parameters).await?)
    }
}

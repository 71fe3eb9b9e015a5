//! An account in moto with a VPC, a load balancer and a listener, and machines that follow it.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod client;
pub mod server;

use std::path::PathBuf;
use std::time::Duration;

use gateway::{Aws, Gateway, Moto, State, Target, TargetHealth};
use machines::{Config, Machines, Reservation};

/// No wait of a test takes this long on a machine that works.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The port of every server.
pub const PORT: u16 = 8080;

/// Everything of a test. Fields are dropped in order: the machines before what they follow.
pub struct World {
    pub machines: Machines,
    pub aws: Aws,
    pub vpc: String,
    pub subnets: Vec<String>,
    pub listener: String,
    pub folder: tempfile::TempDir,
    pub gateway: Gateway,
    _moto: Moto,
}

/// A listener rule's parameters, as the query protocol has them.
pub fn forward(groups: &[(&str, u32)]) -> Vec<(String, String)> {
    let mut parameters = vec![("Actions.member.1.Type".to_owned(), "forward".to_owned())];
    for (n, (arn, weight)) in groups.iter().enumerate() {
        let prefix = format!("Actions.member.1.ForwardConfig.TargetGroups.member.{}", n + 1);
        parameters.push((format!("{prefix}.TargetGroupArn"), (*arn).to_owned()));
        parameters.push((format!("{prefix}.Weight"), weight.to_string()));
    }
    parameters
}

/// The same, where customers keep the group that served them for a minute.
pub fn sticky(groups: &[(&str, u32)]) -> Vec<(String, String)> {
    let mut parameters = forward(groups);
    for (name, value) in [("Enabled", "true"), ("DurationSeconds", "60")] {
        let prefix = "Actions.member.1.ForwardConfig.TargetGroupStickinessConfig";
        parameters.push((format!("{prefix}.{name}"), value.to_owned()));
    }
    parameters
}

/// One condition of a listener rule.
pub fn condition(n: usize, field: &str, values: &[&str]) -> Vec<(String, String)> {
    let prefix = format!("Conditions.member.{n}");
    let config = match field {
        "host-header" => "HostHeaderConfig",
        "path-pattern" => "PathPatternConfig",
        _ => "SourceIpConfig",
    };
    let mut parameters = vec![(format!("{prefix}.Field"), field.to_owned())];
    for (n, value) in values.iter().enumerate() {
        parameters.push((format!("{prefix}.{config}.Values.member.{}", n + 1), (*value).to_owned()));
    }
    parameters
}

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn venv() -> PathBuf {
    std::env::var_os("POINTSMAN_VENV").map_or_else(|| repository().join(".venv"), PathBuf::from)
}

impl World {
    /// Health checks come every quarter of a second.
    pub async fn new() -> Self {
        Self::with_nodes(&[]).await
    }

    /// The same, with nodes beside the first that hear of rule changes so much later.
    pub async fn with_nodes(lagging_nodes: &[Duration]) -> Self {
        let moto = Moto::start(&venv()).await.unwrap();
        let gateway = Gateway::start(moto.url()).await.unwrap();
        let aws = gateway.aws("TEST");
        let reservation = Reservation::take().unwrap();
        let (network, port) = (&reservation.network, reservation.listener_port.port().to_string());

        let answer = aws.query("ec2", "CreateVpc", &[("CidrBlock", &network.cidr())]).await.unwrap();
        let vpc = text(&answer, "vpcId");
        let mut subnets = Vec::new();
        for (third_byte, zone) in [(1, "us-east-1a"), (2, "us-east-1b")] {
            let cidr = network.subnet_cidr(third_byte);
            let parameters = [("VpcId", vpc.as_str()), ("CidrBlock", &cidr), ("AvailabilityZone", zone)];
            subnets.push(text(&aws.query("ec2", "CreateSubnet", &parameters).await.unwrap(), "subnetId"));
        }
        let parameters = [("Name", "lb"), ("Subnets.member.1", &*subnets[0]), ("Subnets.member.2", &*subnets[1])];
        let answer = aws.query("elasticloadbalancing", "CreateLoadBalancer", &parameters).await.unwrap();
        let balancer = text(&answer, "LoadBalancerArn");
        let parameters = [
            ("LoadBalancerArn", &*balancer),
            ("Protocol", "HTTP"),
            ("Port", &*port),
            ("DefaultActions.member.1.Type", "fixed-response"),
            ("DefaultActions.member.1.FixedResponseConfig.StatusCode", "404"),
            ("DefaultActions.member.1.FixedResponseConfig.ContentType", "text/html"),
            ("DefaultActions.member.1.FixedResponseConfig.MessageBody", "no such site: 100%"),
        ];
        let answer = aws.query("elasticloadbalancing", "CreateListener", &parameters).await.unwrap();
        let listener = text(&answer, "ListenerArn");

        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            // A path with spaces, longer than a socket may have.
            folder: folder.path().join("one run").join("x".repeat(100)),
            reservation,
            moto: Aws::new(moto.url(), "MACHINES"),
            gateway: &gateway,
            check_speed: 20.0,
            lagging_nodes: lagging_nodes.to_owned(),
        };
        let machines = Machines::start(config).await.unwrap();
        machines.follow_listener(&listener).await.unwrap();
        Self { machines, aws, vpc, subnets, listener, folder, gateway, _moto: moto }
    }

    pub async fn elb(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.aws.query("elasticloadbalancing", action, parameters).await.unwrap()
    }

    /// Launches an instance; answers its id and address.
    pub async fn instance(&self, tags: &[(&str, &str)]) -> (String, String) {
        let mut parameters: Vec<(String, String)> = [
            ("ImageId", "ami-12c6146b"),
            ("InstanceType", "t3.small"),
            ("MinCount", "1"),
            ("MaxCount", "1"),
            ("SubnetId", &self.subnets[0]),
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", "Name"),
            ("TagSpecification.1.Tag.1.Value", "test"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        for (n, (key, value)) in tags.iter().enumerate() {
            parameters.push((format!("TagSpecification.1.Tag.{}.Key", n + 2), (*key).to_owned()));
            parameters.push((format!("TagSpecification.1.Tag.{}.Value", n + 2), (*value).to_owned()));
        }
        let answer = self.aws.query("ec2", "RunInstances", &borrowed(&parameters)).await.unwrap();
        (text(&answer, "instanceId"), text(&answer, "privateIpAddress"))
    }

    pub async fn terminate(&self, instance: &str) {
        self.aws.query("ec2", "TerminateInstances", &[("InstanceId.1", instance)]).await.unwrap();
    }

    /// Makes a target group with a drain of one second.
    pub async fn group(&self, name: &str) -> String {
        let port = PORT.to_string();
        let parameters = [
            ("Name", name),
            ("Protocol", "HTTP"),
            ("Port", &port),
            ("VpcId", &self.vpc),
            ("HealthCheckPath", "/health"),
            ("HealthCheckIntervalSeconds", "5"),
            ("HealthCheckTimeoutSeconds", "2"),
            ("HealthyThresholdCount", "2"),
            ("UnhealthyThresholdCount", "2"),
        ];
        let arn = text(&self.elb("CreateTargetGroup", &parameters).await, "TargetGroupArn");
        self.set_drain(&arn, 1).await;
        arn
    }

    pub async fn set_drain(&self, group: &str, seconds: u32) {
        let seconds = seconds.to_string();
        let attribute = "deregistration_delay.timeout_seconds";
        let parameters = [
            ("TargetGroupArn", group),
            ("Attributes.member.1.Key", attribute),
            ("Attributes.member.1.Value", &seconds),
        ];
        self.elb("ModifyTargetGroupAttributes", &parameters).await;
    }

    pub async fn register(&self, group: &str, instance: &str) {
        self.elb("RegisterTargets", &[("TargetGroupArn", group), ("Targets.member.1.Id", instance)]).await;
    }

    pub async fn deregister(&self, group: &str, instance: &str) {
        self.elb("DeregisterTargets", &[("TargetGroupArn", group), ("Targets.member.1.Id", instance)]).await;
    }

    pub async fn rule(
        &self,
        priority: u32,
        conditions: &[Vec<(String, String)>],
        action: Vec<(String, String)>,
    ) -> String {
        let mut parameters =
            vec![("ListenerArn".to_owned(), self.listener.clone()), ("Priority".to_owned(), priority.to_string())];
        parameters.extend(conditions.iter().flatten().cloned());
        parameters.extend(action);
        text(&self.elb("CreateRule", &borrowed(&parameters)).await, "RuleArn")
    }

    pub async fn modify_rule(&self, rule: &str, action: Vec<(String, String)>) {
        let mut parameters = vec![("RuleArn".to_owned(), rule.to_owned())];
        parameters.extend(action);
        self.elb("ModifyRule", &borrowed(&parameters)).await;
    }

    /// A group with one instance and its server, not registered yet.
    pub async fn served_group(&self, name: &str) -> (String, String, server::Server) {
        let (instance, address) = self.instance(&[]).await;
        let server = server::Server::start(name, &address).await;
        (self.group(name).await, instance, server)
    }

    pub async fn settle(&self) {
        self.machines.settle().await.unwrap();
    }

    /// Waits until the load balancer says so of a target.
    pub async fn until(&self, group: &str, instance: &str, state: State) -> TargetHealth {
        let target = Target::new(group, instance, PORT);
        let health = self.gateway.health();
        let mut passes = self.machines.load_balancer().passes();
        let seen = tokio::time::timeout(PATIENCE, async {
            while health.of(&target).state != state {
                passes.changed().await.unwrap();
            }
        });
        assert!(seen.await.is_ok(), "{instance} is not {state}: {:?}", health.of(&target));
        health.of(&target)
    }

    pub async fn client(&self) -> client::Client {
        self.client_of(0).await
    }

    /// A client of one of the load balancer's nodes.
    pub async fn client_of(&self, node: usize) -> client::Client {
        client::Client::connect(self.machines.load_balancer().addresses()[node]).await
    }
}

fn borrowed(parameters: &[(String, String)]) -> Vec<(&str, &str)> {
    parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// The first element of a name.
pub fn text(answer: &str, name: &str) -> String {
    let document = roxmltree::Document::parse(answer).unwrap();
    let found = document.descendants().find(|node| node.tag_name().name() == name);
    found.and_then(|node| node.text()).unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
}

//! The account: what stands in AWS before the first release, made in the simulator itself, so that none of these calls is recorded.

use std::path::Path;

use gateway::{Aws, Method};
use lambda::cloudformation::{Document, Names};
use serde_json::{Value, json};

use crate::trouble::{Result, Trouble, While};
use crate::xml;

/// The simulator's account.
pub const ACCOUNT_ID: &str = "123456789012";
/// The region of everything here.
pub const REGION: &str = "us-east-1";

/// An Amazon Linux that the simulator knows.
const AMI: &str = "ami-04681a1dbd79675a5";
/// The zones that the load balancer serves, one subnet in each.
const ZONES: [&str; 2] = ["us-east-1a", "us-east-1b"];

/// A subnet, and the zone it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    pub id: String,
    pub zone: String,
}

/// What stands in the account, by its ids.
#[derive(Clone, Debug)]
pub struct Account {
    pub vpc: String,
    /// One in each zone that the load balancer serves.
    pub subnets: Vec<Subnet>,
    pub security_group: String,
    pub ami: String,
    pub instance_profile: String,
    pub key_name: String,
    /// The pool: enough for three releases.
    pub elastic_ips: Vec<String>,
    pub load_balancer_arn: String,
    pub listener_arn: String,
    /// The private zone.
    pub zone_id: String,
    /// The functions' notification topic.
    pub topic_arn: String,
    /// The queue that is subscribed to it, and to the approvals' topics.
    pub queue_url: String,
    pub queue_arn: String,
    pub lease_table: String,
    pub dead_letters_url: String,
}

/// Where the servers and the listener are.
#[derive(Clone, Debug)]
pub struct Place {
    /// `127.20.0.0/16`.
    pub vpc_cidr: String,
    /// One for each zone.
    pub subnet_cidrs: Vec<String>,
    pub listener_port: u16,
}

impl Place {
    /// A place that nothing is really at, for runs without servers: on loopback, below the networks of those that have some.
    #[must_use]
    pub fn nowhere() -> Self {
        Self {
            vpc_cidr: "127.10.0.0/16".to_owned(),
            subnet_cidrs: (1..=ZONES.len()).map(|n| format!("127.10.{n}.0/24")).collect(),
            listener_port: 80,
        }
    }

    /// The place of these machines.
    #[must_use]
    pub fn of(reservation: &machines::Reservation) -> Self {
        let network = &reservation.network;
        Self {
            vpc_cidr: network.cidr(),
            subnet_cidrs: (1u8..).take(ZONES.len()).map(|n| network.subnet_cidr(n)).collect(),
            listener_port: reservation.listener_port.port(),
        }
    }
}

/// The names of the region and account that templates are read with.
#[must_use]
pub fn names() -> Names {
    Names::new(REGION, ACCOUNT_ID)
}

impl Account {
    /// Makes the account that a service's config (the example's) speaks of, with the topic, the table and the queue
    /// of the project's template.
    ///
    /// # Errors
    ///
    /// Where the simulator refuses something, or the template lacks something.
    pub async fn make(moto: &Aws, template: &Path, config: &Value, place: &Place) -> Result<Self> {
        let template = Document::read(template, &names())?;
        let (vpc, subnets) = network(moto, place).await.when("the network")?;
        let security_group = security_group(moto, &vpc).await.when("the security group")?;
        let configured = |pointer: &str, otherwise: &str| {
            config.pointer(pointer).and_then(Value::as_str).unwrap_or(otherwise).to_owned()
        };
        let instance_profile = configured("/iam_instance_profile", "server");
        let key_name = configured("/key_name", "ops");
        moto.query("iam", "CreateInstanceProfile", &[("InstanceProfileName", &instance_profile)]).await?;
        // Where the example has it, and where provision may hand roles on from.
        let role = [("RoleName", instance_profile.as_str()), ("Path", "/servers/"), ("AssumeRolePolicyDocument", "{}")];
        moto.query("iam", "CreateRole", &role).await?;
        let role = [("InstanceProfileName", instance_profile.as_str()), ("RoleName", instance_profile.as_str())];
        moto.query("iam", "AddRoleToInstanceProfile", &role).await?;
        moto.query("ec2", "CreateKeyPair", &[("KeyName", &key_name), ("KeyType", "ed25519")]).await?;
        let addresses = config.get("elastic_ips").and_then(Value::as_array).map_or(0, Vec::len);
        let mut elastic_ips = Vec::new();
        for _ in 0..addresses {
            let answer = moto.query("ec2", "AllocateAddress", &[("Domain", "vpc")]).await?;
            elastic_ips.push(xml::first(&answer, "allocationId")?);
        }
        let (load_balancer_arn, listener_arn) =
            load_balancer(moto, &subnets, &security_group, place.listener_port).await.when("the load balancer")?;
        let name = configured("/dns/product", "service.internal");
        let zone = name.split_once('.').map_or(name.as_str(), |(_, zone)| zone);
        let zone_id = private_zone(moto, zone, &vpc).await.when("the private zone")?;
        let topic = named(&template, "NotifyTopic", "TopicName")?;
        let topic_arn = xml::first(&moto.query("sns", "CreateTopic", &[("Name", &topic)]).await?, "TopicArn")?;
        let (queue_url, queue_arn) = queue(moto, "notifications").await?;
        subscribe(moto, &topic_arn, &queue_arn).await?;
        let dead_letters = named(&template, "DeadLetters", "QueueName")?;
        let (dead_letters_url, _) = queue(moto, &dead_letters).await?;
        Ok(Self {
            vpc,
            subnets,
            security_group,
            ami: AMI.to_owned(),
            instance_profile,
            key_name,
            elastic_ips,
            load_balancer_arn,
            listener_arn,
            zone_id,
            topic_arn,
            queue_url,
            queue_arn,
            lease_table: lease_table(moto, &template).await.when("the lease table")?,
            dead_letters_url,
        })
    }
}

/// A property that names a resource of the template.
fn named(template: &Document, resource: &str, property: &str) -> Result<String> {
    let name = template.property(resource, property)?;
    let name = name.as_ref().and_then(Value::as_str).map(str::to_owned);
    name.ok_or_else(|| Trouble::new(format!("template.yaml: {resource} has no {property}")))
}

async fn network(moto: &Aws, place: &Place) -> Result<(String, Vec<Subnet>)> {
    let vpc = xml::first(&moto.query("ec2", "CreateVpc", &[("CidrBlock", &place.vpc_cidr)]).await?, "vpcId")?;
    let mut subnets = Vec::new();
    for (cidr, zone) in place.subnet_cidrs.iter().zip(ZONES) {
        subnets.push(subnet(moto, &vpc, cidr, zone).await?);
    }
    Ok((vpc, subnets))
}

/// Makes a subnet.
///
/// # Errors
///
/// Where the simulator refuses it.
pub async fn subnet(moto: &Aws, vpc: &str, cidr: &str, zone: &str) -> Result<Subnet> {
    let parameters = [("VpcId", vpc), ("CidrBlock", cidr), ("AvailabilityZone", zone)];
    let id = xml::first(&moto.query("ec2", "CreateSubnet", &parameters).await?, "subnetId")?;
    Ok(Subnet { id, zone: zone.to_owned() })
}

async fn security_group(moto: &Aws, vpc: &str) -> Result<String> {
    let parameters = [("GroupName", "servers"), ("GroupDescription", "What the load balancer reaches"), ("VpcId", vpc)];
    xml::first(&moto.query("ec2", "CreateSecurityGroup", &parameters).await?, "groupId")
}

/// An Application Load Balancer with one listener, which answers 404 until a rule says otherwise.
async fn load_balancer(moto: &Aws, subnets: &[Subnet], security_group: &str, port: u16) -> Result<(String, String)> {
    let port = port.to_string();
    let keys: Vec<String> = (1..=subnets.len()).map(|n| format!("Subnets.member.{n}")).collect();
    let mut parameters = vec![("Name", "web"), ("SecurityGroups.member.1", security_group)];
    parameters.extend(keys.iter().map(String::as_str).zip(subnets.iter().map(|subnet| subnet.id.as_str())));
    let answer = moto.query("elasticloadbalancing", "CreateLoadBalancer", &parameters).await?;
    let load_balancer = xml::first(&answer, "LoadBalancerArn")?;
    let parameters = [
        ("LoadBalancerArn", load_balancer.as_str()),
        ("Protocol", "HTTP"),
        ("Port", &port),
        ("DefaultActions.member.1.Type", "fixed-response"),
        ("DefaultActions.member.1.FixedResponseConfig.StatusCode", "404"),
        ("DefaultActions.member.1.FixedResponseConfig.ContentType", "text/plain"),
        ("DefaultActions.member.1.FixedResponseConfig.MessageBody", "nothing is here"),
    ];
    let answer = moto.query("elasticloadbalancing", "CreateListener", &parameters).await?;
    Ok((load_balancer, xml::first(&answer, "ListenerArn")?))
}

async fn private_zone(moto: &Aws, name: &str, vpc: &str) -> Result<String> {
    let body = format!(
        "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Name>{name}</Name>\
         <VPC><VPCRegion>{REGION}</VPCRegion><VPCId>{vpc}</VPCId></VPC><CallerReference>{name}</CallerReference>\
         <HostedZoneConfig><PrivateZone>true</PrivateZone></HostedZoneConfig></CreateHostedZoneRequest>"
    );
    let answer = moto.rest("route53", Method::POST, "/2013-04-01/hostedzone", &[], body).await?;
    let id = xml::first(&String::from_utf8_lossy(&answer.body), "Id")?;
    Ok(id.trim_start_matches("/hostedzone/").to_owned())
}

/// Makes a queue; answers its URL and its ARN.
async fn queue(moto: &Aws, name: &str) -> Result<(String, String)> {
    let answer = moto.json("sqs", "AmazonSQS.CreateQueue", json!({"QueueName": name})).await.when(name)?;
    let url = answer.get("QueueUrl").and_then(Value::as_str);
    let url = url.ok_or_else(|| Trouble::new(format!("the queue {name} has no URL")))?;
    Ok((url.to_owned(), format!("arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{name}")))
}

/// Has a topic deliver to a queue, in SNS's envelope: the subject is in it.
///
/// # Errors
///
/// Where the simulator refuses it.
pub async fn subscribe(moto: &Aws, topic_arn: &str, queue_arn: &str) -> Result<()> {
    let parameters = [("TopicArn", topic_arn), ("Protocol", "sqs"), ("Endpoint", queue_arn)];
    moto.query("sns", "Subscribe", &parameters).await?;
    Ok(())
}

/// The table of the leases as the template has it; answers its name.
async fn lease_table(moto: &Aws, template: &Document) -> Result<String> {
    let property = |name: &str| template.property("LeaseTable", name);
    let input = json!({
        "TableName": property("TableName")?,
        "AttributeDefinitions": property("AttributeDefinitions")?,
        "KeySchema": property("KeySchema")?,
        "BillingMode": property("BillingMode")?,
    });
    moto.json("dynamodb", "DynamoDB_20120810.CreateTable", input).await?;
    named(template, "LeaseTable", "TableName")
}

/// Makes a bucket that keeps versions.
///
/// # Errors
///
/// Where the simulator refuses it.
pub async fn versioned_bucket(moto: &Aws, name: &str) -> Result<()> {
    moto.rest("s3", Method::PUT, &format!("/{name}"), &[], "").await?;
    let body = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                <Status>Enabled</Status></VersioningConfiguration>";
    moto.rest("s3", Method::PUT, &format!("/{name}?versioning"), &[], body).await?;
    Ok(())
}

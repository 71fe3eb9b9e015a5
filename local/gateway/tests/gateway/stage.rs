//! What the tests stand on: a moto, a gateway before it, and a client of that.

use std::path::PathBuf;

use gateway::{Aws, Gateway, Moto};

/// Where the Python virtual environment with moto is.
fn venv() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv");
    std::env::var_os("POINTSMAN_VENV").map_or_else(|| default.into(), PathBuf::from)
}

/// A gateway and a client of it.
pub struct Stage {
    pub gateway: Gateway,
    pub aws: Aws,
    _moto: Moto,
}

/// Starts one.
pub async fn stage() -> Stage {
    let moto = Moto::start(&venv()).await.unwrap();
    let gateway = Gateway::start(moto.url()).await.unwrap();
    let aws = gateway.aws("TESTER");
    Stage { gateway, aws, _moto: moto }
}

impl Stage {
    pub async fn ec2(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.aws.query("ec2", action, parameters).await.unwrap()
    }

    pub async fn elb(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.aws.query("elasticloadbalancing", action, parameters).await.unwrap()
    }

    /// The error code of a call that has to fail.
    pub async fn refused(&self, service: &str, action: &str, parameters: &[(&str, &str)]) -> String {
        match self.aws.query(service, action, parameters).await {
            Ok(answer) => panic!("{action} was not refused: {answer}"),
            Err(problem) => problem.code().unwrap_or_default().to_owned(),
        }
    }

    /// The subnets of the account's default VPC.
    pub async fn subnets(&self) -> Vec<String> {
        texts(&self.ec2("DescribeSubnets", &[]).await, "subnetId")
    }

    pub async fn ami(&self) -> String {
        texts(&self.ec2("DescribeImages", &[("Owner.1", "amazon")]).await, "imageId").remove(0)
    }

    /// Launches one instance.
    pub async fn instance(&self) -> String {
        let (ami, subnets) = (self.ami().await, self.subnets().await);
        let answer = self.ec2("RunInstances", &launch(&ami, &subnets[0])).await;
        texts(&answer, "instanceId").remove(0)
    }
}

/// The parameters of a launch of one instance.
pub fn launch<'a>(ami: &'a str, subnet: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("ImageId", ami), ("InstanceType", "t3.micro"), ("MinCount", "1"), ("MaxCount", "1"), ("SubnetId", subnet)]
}

/// The texts of all elements of a name.
pub fn texts(xml: &str, name: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(xml).unwrap();
    let named = document.descendants().filter(|node| node.tag_name().name() == name);
    named.filter_map(|node| node.text()).map(str::to_owned).collect()
}

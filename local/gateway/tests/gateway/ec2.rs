//! Instances and addresses.

use std::time::Duration;

use crate::stage::{launch, stage, texts};

#[tokio::test]
async fn a_launch_is_idempotent_by_its_token() {
    let stage = stage().await;
    let (ami, subnets) = (stage.ami().await, stage.subnets().await);
    let mut parameters = launch(&ami, &subnets[0]);
    parameters.push(("ClientToken", "once"));
    // Twice at once, and once more.
    let (one, two) = tokio::join!(stage.ec2("RunInstances", &parameters), stage.ec2("RunInstances", &parameters));
    let ids = texts(&one, "instanceId");
    assert_eq!(ids.len(), 1);
    assert_eq!(ids, texts(&two, "instanceId"));

    stage.ec2("TerminateInstances", &[("InstanceId.1", &ids[0])]).await;
    let again = stage.ec2("RunInstances", &parameters).await;
    assert_eq!(ids, texts(&again, "instanceId"), "the token outlives the instance");
    assert!(texts(&again, "name").contains(&"terminated".to_owned()), "{again}");

    parameters[1] = ("InstanceType", "t3.small");
    assert_eq!(stage.refused("ec2", "RunInstances", &parameters).await, "IdempotentParameterMismatch");
    parameters[5] = ("ClientToken", "another");
    let other = stage.ec2("RunInstances", &parameters).await;
    assert_ne!(ids, texts(&other, "instanceId"));
}

#[tokio::test]
async fn what_does_not_exist_is_refused() {
    let stage = stage().await;
    let (ami, subnets) = (stage.ami().await, stage.subnets().await);
    for (place, wrong, code) in [
        (0, ("ImageId", "ami-0dead"), "InvalidAMIID.NotFound"),
        (1, ("InstanceType", "z9.mega"), "InvalidParameterValue"),
        (2, ("MinCount", "2"), "InvalidParameterValue"),
        (4, ("SubnetId", "subnet-0dead"), "InvalidSubnetID.NotFound"),
        (1, ("KeyName", "none"), "InvalidKeyPair.NotFound"),
        (1, ("IamInstanceProfile.Name", "none"), "InvalidParameterValue"),
    ] {
        let mut parameters = launch(&ami, &subnets[0]);
        parameters[place] = wrong;
        assert_eq!(stage.refused("ec2", "RunInstances", &parameters).await, code, "{wrong:?}");
    }
    let unknown = "i-0000000000000dead";
    let tags = [("ResourceId.1", unknown), ("Tag.1.Key", "a"), ("Tag.1.Value", "b")];
    assert_eq!(stage.refused("ec2", "CreateTags", &tags).await, "InvalidInstanceID.NotFound");
    let instance = stage.instance().await;
    let both = [("InstanceId.1", instance.as_str()), ("InstanceId.2", unknown)];
    assert_eq!(stage.refused("ec2", "TerminateInstances", &both).await, "InvalidInstanceID.NotFound");
    let described = stage.ec2("DescribeInstances", &both[..1]).await;
    assert!(texts(&described, "name").contains(&"running".to_owned()), "none is terminated");
}

#[tokio::test]
async fn a_new_instance_is_initializing() {
    let stage = stage().await;
    let settings = stage.gateway.settings();
    let instance = stage.instance().await;
    let named = [("InstanceId.1", instance.as_str())];
    let state = async || texts(&stage.ec2("DescribeInstanceStatus", &named).await, "status");
    assert!(state().await.contains(&"ok".to_owned()));
    settings.set_status_initializing(Duration::from_secs(3600));
    assert!(state().await.iter().all(|status| status == "initializing"));
}

#[tokio::test]
async fn an_address_is_taken_and_given_back() {
    let stage = stage().await;
    let (one, two) = (stage.instance().await, stage.instance().await);
    let allocation = texts(&stage.ec2("AllocateAddress", &[("Domain", "vpc")]).await, "allocationId").remove(0);
    let holder = async || {
        let described = stage.ec2("DescribeAddresses", &[("AllocationId.1", &allocation)]).await;
        texts(&described, "instanceId").pop()
    };
    let to = |instance| vec![("AllocationId", allocation.as_str()), ("InstanceId", instance)];
    stage.ec2("AssociateAddress", &to(&one)).await;
    let mut guarded = to(&two);
    guarded.push(("AllowReassociation", "false"));
    assert_eq!(stage.refused("ec2", "AssociateAddress", &guarded).await, "Resource.AlreadyAssociated");
    let release = [("AllocationId", allocation.as_str())];
    assert_eq!(stage.refused("ec2", "ReleaseAddress", &release).await, "InvalidIPAddress.InUse");
    stage.ec2("AssociateAddress", &to(&two)).await;
    assert_eq!(holder().await.as_ref(), Some(&two), "it is taken unless that is forbidden");

    stage.ec2("TerminateInstances", &[("InstanceId.1", &two)]).await;
    assert_eq!(holder().await, None, "a terminated instance gives it back");
    assert_eq!(stage.refused("ec2", "AssociateAddress", &to(&two)).await, "InvalidInstanceID");
    stage.ec2("ReleaseAddress", &release).await;
}

//! What `DescribeTargetHealth` says from a target's first moment to its last.

use gateway::{Target, TargetHealth};

use crate::elbv2::{balancer, rule, target_group};
use crate::stage::{stage, texts};

#[tokio::test]
async fn a_target_goes_through_its_states() {
    let stage = stage().await;
    let balancer = balancer(&stage).await;
    let group = target_group(&stage, &balancer.vpc, "one").await;
    let (one, two) = (stage.instance().await, stage.instance().await);
    let unknown = [("TargetGroupArn", group.as_str()), ("Targets.member.1.Id", "i-0000000000000dead")];
    assert_eq!(stage.refused("elasticloadbalancing", "RegisterTargets", &unknown).await, "InvalidTarget");
    let states = async || {
        let answer = stage.elb("DescribeTargetHealth", &[("TargetGroupArn", &group)]).await;
        let states: Vec<_> = texts(&answer, "Id").into_iter().zip(texts(&answer, "State")).collect();
        (states, texts(&answer, "Reason"))
    };
    let both = [("TargetGroupArn", group.as_str()), ("Targets.member.1.Id", &one), ("Targets.member.2.Id", &two)];
    stage.elb("RegisterTargets", &both).await;
    let all = |first: &str, second: &str| vec![(one.clone(), first.to_owned()), (two.clone(), second.to_owned())];
    assert_eq!(states().await, (all("unused", "unused"), vec!["Target.NotInUse".to_owned(); 2]));

    let rule = rule(&stage, &balancer.listener, "10", &group).await;
    assert_eq!(states().await, (all("initial", "initial"), vec!["Elb.RegistrationInProgress".to_owned(); 2]));
    let health = stage.gateway.health();
    health.set(Target::new(&group, &one, 8080), TargetHealth::healthy());
    health.set(Target::new(&group, &two, 8080), TargetHealth::wrong_answer(502));
    assert_eq!(states().await, (all("healthy", "unhealthy"), vec!["Target.ResponseCodeMismatch".to_owned()]));
    health.forget(&Target::new(&group, &two, 8080));
    health.set_scripted_healthy(true);
    assert_eq!(states().await.0, all("healthy", "healthy"));

    // In use, they drain; twice is no error, and neither is one that never was a target.
    for _ in 0..2 {
        stage.elb("DeregisterTargets", &both[..2]).await;
    }
    let (left, reasons) = states().await;
    assert_eq!(left, [(two.clone(), "healthy".to_owned()), (one.clone(), "draining".to_owned())]);
    assert_eq!(reasons, ["Target.DeregistrationInProgress"]);
    stage.ec2("TerminateInstances", &[("InstanceId.1", &two)]).await;
    assert_eq!(states().await.0, all("draining", "draining"), "a terminated instance leaves its groups");
    stage.elb("RegisterTargets", &both[..2]).await;
    assert_eq!(states().await.0, all("healthy", "draining"), "registered again, it is back");

    // Out of use, there is nothing to end.
    stage.elb("DeleteRule", &[("RuleArn", &rule)]).await;
    stage.elb("DeregisterTargets", &both[..2]).await;
    assert!(!states().await.0.contains(&(one, "draining".to_owned())));
}

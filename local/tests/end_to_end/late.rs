//! Calls that are late, or about what nobody tried, or of a rule that somebody spoiled: refused, and product serves on.

use local::xml;
use serde_json::json;

use crate::stage::{
    SERVICE, ask, done, pre_product, product, reason, refuses, says, served, stack, teardown, unchanged_since,
};

#[tokio::test(flavor = "multi_thread")]
async fn each_late_call_is_refused_with_its_own_sentence_and_changes_nothing() {
    let stack = stack().await;
    let (r1, r2) = (ask(SERVICE, "r1"), ask(SERVICE, "r2"));
    refuses(&stack, "register", &r1, &["r1 has no running servers", "provision"]).await;
    done(&stack, "provision", &r1).await;
    refuses(&stack, "promote", &r1, &["QA did not see release r1", "nothing"]).await;
    done(&stack, "register", &r1).await;
    refuses(&stack, "teardown", &teardown(SERVICE, "r1", "finish"), &["r1 is not product"]).await;
    done(&stack, "promote", &r1).await;
    let rollback = |release| teardown(SERVICE, release, "rollback");
    refuses(&stack, "teardown", &rollback("r1"), &["r1 cannot be rolled back", "serves on"]).await;

    product(&stack, SERVICE, "r2").await;
    let mark = stack.gateway().record().mark();
    refuses(&stack, "promote", &r1, &["r1 is retired", "r2"]).await;
    refuses(&stack, "register", &r1, &["r1 was product and is retired"]).await;
    let answer = done(&stack, "teardown", &teardown(SERVICE, "r1", "finish")).await;
    says(reason(&answer), &["r1 is the way back of r2"]);
    refuses(&stack, "teardown", &teardown(SERVICE, "r9", "remove"), &["r9 is not product", "r2 is"]).await;
    unchanged_since(&stack, mark);

    done(&stack, "teardown", &teardown(SERVICE, "r2", "finish")).await;
    refuses(&stack, "teardown", &rollback("r2"), &["r2 was kept", "way back is gone"]).await;

    pre_product(&stack, SERVICE, "r3").await;
    done(&stack, "teardown", &rollback("r3")).await;
    for function in ["provision", "register", "promote", "teardown"] {
        refuses(&stack, function, &ask(SERVICE, "r3"), &["r3 was rejected", "new execution"]).await;
    }
    done(&stack, "promote", &r2).await;
    assert_eq!(served(&stack, SERVICE).await, ["r2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_rule_that_somebody_spoiled_stops_every_call_until_it_is_put_right() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let person = stack.aws("PERSON");
    let rules = person
        .query("elasticloadbalancing", "DescribeRules", &[("ListenerArn", &stack.account().listener_arn)])
        .await
        .unwrap();
    let rules = xml::members(&rules, "Rules", |rule| (xml::text(rule, &["Priority"]), xml::text(rule, &["RuleArn"])));
    let rule = rules.unwrap().into_iter().find(|(priority, _)| priority == "20").unwrap().1;
    let answers = [
        ("RuleArn", rule.as_str()),
        ("Actions.member.1.Type", "fixed-response"),
        ("Actions.member.1.FixedResponseConfig.StatusCode", "503"),
    ];
    person.query("elasticloadbalancing", "ModifyRule", &answers).await.unwrap();
    let mark = stack.gateway().record().mark();
    for function in ["provision", "register", "promote", "teardown"] {
        refuses(&stack, function, &ask(SERVICE, "r2"), &[&rule, "fixed-response"]).await;
    }
    refuses(&stack, "teardown", &teardown(SERVICE, "r1", "rollback"), &[&rule]).await;
    unchanged_since(&stack, mark);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_was_launched_for_another_port_is_not_registered() {
    let stack = stack().await;
    let mut config = stack.config("ported", 1).unwrap();
    stack.put_service("ported", &config).await.unwrap();
    done(&stack, "provision", &ask("ported", "r1")).await;
    config["port"] = json!(9090);
    stack.put_service("ported", &config).await.unwrap();
    refuses(&stack, "register", &ask("ported", "r1"), &["9090", "8080", "new release"]).await;
}

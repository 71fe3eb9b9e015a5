//! What a call would do, foreseen to its end.

use domain::check::{Checked, Phase, Verdict};
use domain::refusal::{Hold, Refusal};
use domain::request::{RollbackScope, Verb};
use domain::tags::{self, Mark};
use domain::world::{Action, Alarm, Health, Weighted, World, weights_hash};
use view::course;
use view::foresee::{Ending, foresee};
use view::here::here;
use view::policy::{self, Beside};

use crate::plain;
use crate::world::{arn, found, found_with, now, release, request, sicken, tag, world};

fn rollback() -> Verb {
    Verb::Rollback { reason: "rolled back by a call".to_owned(), scope: RollbackScope::ToTheEnd }
}

fn told(verb: Verb, release: &str) -> String {
    let (_, service) = found();
    let (world, request) = (world(&service), request(verb, release));
    plain(&course::text(&request, &foresee(&request, &service, &world, now()), &world))
}

#[test]
fn a_promote() {
    insta::assert_snapshot!(told(Verb::Promote, "r3"), @"
    promote r3 of mobile-web
       1. switch the product rule: r3 100 %, r2 0 %
       2. read the product rule back
       3. tag the rule: since=2026-11-21T10:00:00Z *
       4. tag i-r3-1, i-r3-2: role=product since=2026-11-21T10:00:00Z *
       5. tag the group of r3: role=product since=2026-11-21T10:00:00Z *
       6. tag i-r2-1, i-r2-2: role=retired since=2026-11-21T10:00:00Z *
       7. tag the group of r2: role=retired since=2026-11-21T10:00:00Z *
       8. delete the pre-product rule *
      * where this fails, the rest goes on
      Then release r3 is product.
    ");
}

#[test]
fn a_rollback_is_told_until_the_bad_release_is_gone() {
    insta::assert_snapshot!(told(rollback(), "r2"), @"
    rollback r2 of mobile-web
       1. tag i-r2-1, i-r2-2: reason=rolled back by a call role=rejected since=2026-11-21T10:00:00Z *
       2. tag the group of r2: reason=rolled back by a call role=rejected since=2026-11-21T10:00:00Z *
       3. switch the product rule: r1 100 %
       4. read the product rule back
       5. tag the rule: since=2026-11-21T10:00:00Z *
       6. tell the service's people: release r2 was rejected: rolled back by a call
       7. tag i-r2-1, i-r2-2: told=2026-11-21T10:00:00Z *
       8. tag the group of r2: told=2026-11-21T10:00:00Z *
       9. tag i-r1-1, i-r1-2: role=product since=2026-11-21T10:00:00Z *
      10. tag the group of r1: role=product since=2026-11-21T10:00:00Z *
      11. tag the group of r2: out=2026-11-21T10:00:00Z
      12. wait for the rule change to reach every load-balancer node, 16 s more
      13. wait for requests under way to end on i-r2-1, i-r2-2 (30 s)
      14. take i-r2-1, i-r2-2 out of the group of r2: what is under way ends first
      15. wait for requests under way to end on i-r2-1, i-r2-2
      16. delete the target group of r2
      17. terminate i-r2-1, i-r2-2
      * where this fails, the rest goes on
      Then release r2 is rejected and gone; product is r1.
    ");
}

#[test]
fn a_finish_is_told_until_what_was_before_is_gone() {
    insta::assert_snapshot!(told(Verb::Finish, "r2"), @"
    finish r2 of mobile-web
       1. tag the group of r2: kept=2026-11-21T10:00:00Z
       2. switch the product rule: r2 100 %
       3. read the product rule back
       4. tag the rule: since=2026-11-21T10:00:00Z *
       5. tag the group of r1: out=2026-11-21T10:00:00Z
       6. wait for the rule change to reach every load-balancer node, 16 s more
       7. wait for requests under way to end on i-r1-1, i-r1-2 (30 s)
       8. take i-r1-1, i-r1-2 out of the group of r1: what is under way ends first
       9. wait for requests under way to end on i-r1-1, i-r1-2
      10. delete the target group of r1
      11. terminate i-r1-1, i-r1-2
      * where this fails, the rest goes on
      Then release r2 is kept: what was before it is gone.
    ");
}

#[test]
fn a_promote_in_steps_waits_between_them() {
    let (_, service) = found_with(|config| {
        config["traffic"] = serde_json::json!({"steps": [10, 50], "step_seconds": 60});
        config["bake_seconds"] = 300.into();
    });
    let (world, request) = (world(&service), request(Verb::Promote, "r3"));
    let course = foresee(&request, &service, &world, now());
    let text = plain(&course::text(&request, &course, &world));
    for words in ["r3 10 %", "r3 50 %", "r3 100 %", "(1 min)", "(5 min)"] {
        assert!(text.contains(words), "{words} is not in:\n{text}");
    }
    assert!(matches!(course.ending, Ending::Done { nothing_to_do: false, .. }), "{text}");
}

#[test]
fn what_is_refused_says_why_and_changes_nothing() {
    let text = told(Verb::Promote, "r1");
    assert!(text.contains("release r1 is retired"), "{text}");
    let (_, service) = found();
    let mut world = world(&service);
    sicken(&mut world, "r1");
    tag(&mut world, "r2", tags::KEPT, "2026-11-21T09:30:00Z");
    let request = request(rollback(), "r2");
    let course = foresee(&request, &service, &world, now());
    assert!(matches!(course.ending, Ending::Refused(_)), "{:?}", course.ending);
    assert!(course.parts.is_empty(), "{:?}", course.parts);
}

#[test]
fn what_the_functions_would_say_to_a_call_is_said_as_this_tools_commands() {
    let (_, service) = found_with(|config| config["alarms"] = serde_json::json!(["mobile-5xx"]));
    let mut world = world(&service);
    let red = Alarm::Red { since: now() + -7200, reason: "Threshold Crossed".to_owned() };
    world.alarms.insert("mobile-5xx".to_owned(), red);
    let request = request(Verb::Promote, "r3");
    let (end, sentence) = course::ending(&foresee(&request, &service, &world, now()), &request);
    assert_eq!(end, "refused", "{sentence}");
    assert!(sentence.contains("promote with --despite-alarms"), "{sentence}");
    let stuck = Refusal::PromotionStuck { promoting: release("r2"), minutes: 75, frozen: false }.to_string();
    assert_eq!(
        here(&stuck, "mobile-web"),
        "release r2 is being promoted and its weights have stood for 75 minutes: end that first, by `pointsman promote \
         mobile-web r2` or `pointsman rollback mobile-web r2`"
    );
}

/// Something that keeps a promotion from going on.
type Happens = fn(&mut World);

#[test]
fn what_leaves_the_weights_to_people_is_said_as_the_two_commands_that_decide() {
    let (_, service) = found_with(|config| {
        config["traffic"] = serde_json::json!({"steps": [10]});
        config["alarms"] = serde_json::json!(["mobile-5xx"]);
        config["checks"] = serde_json::json!(["smoke"]);
        config["on_alarm"] = "freeze".into();
    });
    let request = request(Verb::Promote, "r3");
    let decide = |when: &str| {
        format!(
            "on_alarm is freeze): go on with `pointsman promote mobile-web r3 --despite-alarms`{when}, or go back with \
             `pointsman rollback mobile-web r3`."
        )
    };
    let cases: [(&str, Happens); 4] = [
        ("", |world| {
            let red = Alarm::Red { since: now() + -60, reason: "Threshold Crossed".to_owned() };
            world.alarms.insert("mobile-5xx".to_owned(), red);
        }),
        (" when they are healthy", |world| {
            let groups = world.groups.iter_mut().filter(|group| group.arn == arn("r3"));
            for target in groups.flat_map(|group| group.targets.as_mut().unwrap()) {
                target.health = Health::Not("unhealthy".to_owned());
            }
        }),
        (" when its checks pass", |world| {
            let verdicts = vec![("smoke".to_owned(), Verdict::Bad("checkout answers 500".to_owned()))];
            world.checked = Some(Checked { phase: Phase::Step(10), verdicts });
        }),
        ("", |world| {
            let frozen = tags::alarms(Mark::Frozen, now() + -60, &release("r3"));
            world.rules[0].tags.insert(tags::ALARMS.to_owned(), frozen);
        }),
    ];
    for (when, happens) in cases {
        let mut world = world(&service);
        world.alarms.insert("mobile-5xx".to_owned(), Alarm::Quiet);
        let forward = vec![Weighted { group: arn("r2"), weight: 90 }, Weighted { group: arn("r3"), weight: 10 }];
        let since = tags::weights_since(now() + -3600, &weights_hash(&forward));
        world.rules[0].tags.insert(tags::SINCE.to_owned(), since);
        world.rules[0].action = Action::Forward(forward);
        happens(&mut world);
        let (end, sentence) = course::ending(&foresee(&request, &service, &world, now()), &request);
        assert!(end == "failed" && sentence.ends_with(&decide(when)), "{when}: {end}: {sentence}");
    }
}

#[test]
fn scripts_get_each_step_with_what_it_is_about_who_holds_the_service_and_what_was_not_seen() {
    let (_, service) = found();
    let (world, request) = (world(&service), request(Verb::Promote, "r3"));
    let course = foresee(&request, &service, &world, now());
    let hold = Hold { by: "alice".to_owned(), why: "it moves".to_owned(), until: now() + 60 };
    let json = course::json(&request, &course, &world, Some(&hold), &["the name".to_owned()]);
    let rule = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/11/22/product";
    assert_eq!((&json["steps"][0]["step"], &json["steps"][0]["resource"]), (&"ModifyRule".into(), &rule.into()));
    assert_eq!(json["steps"][3]["resource"], "i-r3-1, i-r3-2");
    assert_eq!(json["held"], serde_json::json!({"by": "alice", "why": "it moves", "until": "2026-11-21T10:01:00Z"}));
    assert_eq!(json["unseen"], serde_json::json!(["the name"]));
}

#[test]
fn a_removal_waits_for_the_servers_of_all_that_goes() {
    let text = told(Verb::Remove, "r2");
    let all = "requests under way to end on i-r1-1, i-r1-2, i-r2-1, i-r2-2, i-r3-1, i-r3-2";
    assert!(text.contains(all), "{text}");
}

#[test]
fn asked_for_again_there_is_nothing_to_do() {
    let (_, service) = found();
    let (world, request) = (world(&service), request(Verb::Promote, "r2"));
    let course = foresee(&request, &service, &world, now());
    assert!(matches!(course.ending, Ending::Done { nothing_to_do: true, .. }), "{course:?}");
}

#[test]
fn the_policy_names_what_the_plan_touches_and_nothing_else() {
    let (_, service) = found();
    let (world, request) = (world(&service), request(rollback(), "r2"));
    let course = foresee(&request, &service, &world, now());
    let scope = plans::scope(&request.verb, &service);
    let beside = Beside {
        verb: &request.verb,
        world: &world,
        scope,
        lease_table: Some("leases"),
        topic: None,
        config_parameter: None,
        role: None,
    };
    let policy = policy::policy(&service, &course, &beside);
    insta::assert_snapshot!(format!("{policy:#}"), @r#"
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Effect": "Allow",
          "Action": [
            "ec2:DescribeInstances",
            "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetHealth"
          ],
          "Resource": [
            "*"
          ]
        },
        {
          "Effect": "Allow",
          "Action": [
            "dynamodb:UpdateItem"
          ],
          "Resource": [
            "arn:aws:dynamodb:eu-west-1:123456789012:table/leases"
          ]
        },
        {
          "Effect": "Allow",
          "Action": [
            "ec2:CreateTags"
          ],
          "Resource": [
            "arn:aws:ec2:eu-west-1:123456789012:instance/i-r1-1",
            "arn:aws:ec2:eu-west-1:123456789012:instance/i-r1-2",
            "arn:aws:ec2:eu-west-1:123456789012:instance/i-r2-1",
            "arn:aws:ec2:eu-west-1:123456789012:instance/i-r2-2"
          ]
        },
        {
          "Effect": "Allow",
          "Action": [
            "ec2:TerminateInstances"
          ],
          "Resource": [
            "arn:aws:ec2:eu-west-1:123456789012:instance/i-r2-1",
            "arn:aws:ec2:eu-west-1:123456789012:instance/i-r2-2"
          ]
        },
        {
          "Effect": "Allow",
          "Action": [
            "elasticloadbalancing:ModifyRule"
          ],
          "Resource": [
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/11/22/product"
          ]
        },
        {
          "Effect": "Allow",
          "Action": [
            "elasticloadbalancing:AddTags"
          ],
          "Resource": [
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/11/22/product",
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/mobile-web-214e1f73d664/r2",
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/mobile-web-6bceede43806/r1"
          ]
        },
        {
          "Effect": "Allow",
          "Action": [
            "elasticloadbalancing:DeleteTargetGroup",
            "elasticloadbalancing:DeregisterTargets"
          ],
          "Resource": [
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/mobile-web-214e1f73d664/r2"
          ]
        },
        {
          "Effect": "Allow",
          "Action": [
            "events:PutEvents"
          ],
          "Resource": [
            "arn:aws:events:eu-west-1:123456789012:event-bus/default"
          ]
        }
      ]
    }
    "#);
}

//! The examples of the EventBridge User Guide ("Comparison operators for use in event patterns",
//! "Creating event patterns"), and what lies between them.

use serde_json::{Value, json};

use super::*;

fn ec2() -> Value {
    json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": "EC2 Instance State-change Notification",
        "source": "aws.ec2",
        "account": "111122223333",
        "time": "2017-12-22T18:43:48Z",
        "region": "us-west-1",
        "resources": ["arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"],
        "detail": {"instance-id": "i-1234567890abcdef0", "state": "terminated"}
    })
}

#[test]
fn a_whole_event() {
    for (pattern, want) in [
        (
            json!({"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"],
                "detail": {"state": ["terminated"]}}),
            true,
        ),
        (json!({"source": ["aws.ec2"], "detail": {"state": ["running", "terminated"]}}), true),
        (json!({"source": ["aws.ec2"], "detail": {"state": ["running"]}}), false),
        (json!({"source": ["aws.s3"], "detail": {"state": ["terminated"]}}), false),
        (json!({"detail": {"nothing": {"like": ["that"]}}}), false),
        (
            json!({"resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-b188560f",
                              "arn:aws:ec2:us-west-1:123456789012:instance/i-1234567890abcdef0"]}),
            true,
        ),
        (json!({"resources": [{"prefix": "arn:aws:ec2:"}]}), true),
        (json!({"time": [{"prefix": "2017-12-22"}]}), true),
        (json!({"time": [{"prefix": "2017-10-02"}]}), false),
    ] {
        assert_eq!(Pattern::parse(&pattern).unwrap().matches(&ec2()), want, "{pattern}");
    }
}

/// One field: what the pattern says of it, a value of it, and whether they match. `Absent` stands for no value.
#[test]
fn operators() {
    const ABSENT: &str = "(absent)";
    let images = json!([{"wildcard": "dir/*.png"}]);
    let lib = json!([{"anything-but": {"wildcard": "*/lib/*"}}]);
    let libs = json!([{"anything-but": {"wildcard": ["*/lib/*", "*/bin/*"]}}]);
    let states = json!([{"anything-but": ["stopped", "overloaded"]}]);
    for (conditions, value, want) in [
        // Values.
        (json!(["Alice"]), json!("Alice"), true),
        (json!(["Alice"]), json!("alice"), false),
        (json!([""]), json!(""), true),
        (json!([""]), json!(null), false),
        (json!([null]), json!(null), true),
        (json!([null]), json!(ABSENT), false),
        (json!([true]), json!(true), true),
        (json!([true]), json!("true"), false),
        (json!([100]), json!(100), true),
        (json!([100]), json!("100"), false),
        (json!([300]), json!(300.0), false),
        (json!(["Credit", "Debit"]), json!("Debit"), true),
        (json!(["a"]), json!(["b", "a"]), true),
        (json!(["a"]), json!(["b", "c"]), false),
        (json!(["a"]), json!([["a"]]), true),
        // Prefix and suffix.
        (json!([{"prefix": "us-"}]), json!("us-east-1"), true),
        (json!([{"prefix": "us-"}]), json!("eu-us-1"), false),
        (json!([{"prefix": "us-"}]), json!(7), false),
        (json!([{"prefix": {"equals-ignore-case": "EventB"}}]), json!("eventbridge"), true),
        (json!([{"prefix": {"equals-ignore-case": "EventB"}}]), json!("bridge"), false),
        (json!([{"suffix": ".png"}]), json!("a.png"), true),
        (json!([{"suffix": ".png"}]), json!("a.PNG"), false),
        (json!([{"suffix": {"equals-ignore-case": ".png"}}]), json!("a.PNG"), true),
        (json!([{"equals-ignore-case": "alice"}]), json!("ALICE"), true),
        (json!([{"equals-ignore-case": "alice"}]), json!("ALICES"), false),
        // Anything but.
        (json!([{"anything-but": "initializing"}]), json!("running"), true),
        (json!([{"anything-but": "initializing"}]), json!("initializing"), false),
        (json!([{"anything-but": "initializing"}]), json!(ABSENT), false),
        (json!([{"anything-but": 123}]), json!(124), true),
        (json!([{"anything-but": [100, 200, 300]}]), json!(200), false),
        (states.clone(), json!("running"), true),
        (states, json!("overloaded"), false),
        (json!([{"anything-but": {"equals-ignore-case": "initializing"}}]), json!("INITIALIZING"), false),
        (json!([{"anything-but": {"equals-ignore-case": ["initializing", "stopped"]}}]), json!("STOPPED"), false),
        (json!([{"anything-but": {"prefix": "init"}}]), json!("initializing"), false),
        (json!([{"anything-but": {"prefix": "init"}}]), json!("running"), true),
        (json!([{"anything-but": {"prefix": ["init", "err"]}}]), json!("error"), false),
        (json!([{"anything-but": {"suffix": ".txt"}}]), json!("a.txt"), false),
        (json!([{"anything-but": {"suffix": [".txt", ".rtf"]}}]), json!("a.png"), true),
        (lib.clone(), json!("/usr/lib/x"), false),
        (lib, json!("/usr/bin/x"), true),
        (libs.clone(), json!("/usr/bin/x"), false),
        (libs, json!("/usr/share/x"), true),
        // Numbers.
        (json!([{"numeric": ["=", 100]}]), json!(100.0), true),
        (json!([{"numeric": [">", 0, "<=", 5]}]), json!(5), true),
        (json!([{"numeric": [">", 0, "<=", 5]}]), json!(0), false),
        (json!([{"numeric": ["<", 10]}]), json!(9.99), true),
        (json!([{"numeric": [">=", -3.018e2]}]), json!(-301.8), true),
        (json!([{"numeric": ["<", 10]}]), json!("9"), false),
        // Addresses.
        (json!([{"cidr": "10.0.0.0/24"}]), json!("10.0.0.255"), true),
        (json!([{"cidr": "10.0.0.0/24"}]), json!("10.0.1.0"), false),
        (json!([{"cidr": "0.0.0.0/0"}]), json!("192.168.1.1"), true),
        (json!([{"cidr": "fe80::/10"}]), json!("fe80::1"), true),
        (json!([{"cidr": "10.0.0.0/24"}]), json!("no address"), false),
        // Whether it is there.
        (json!([{"exists": true}]), json!(""), true),
        (json!([{"exists": true}]), json!(null), true),
        (json!([{"exists": true}]), json!(ABSENT), false),
        (json!([{"exists": false}]), json!(ABSENT), true),
        (json!([{"exists": false}]), json!(1), false),
        (json!([{"exists": true}]), json!({"below": 1}), false),
        (json!([{"exists": false}, "x"]), json!("x"), true),
        // Wildcards.
        (images.clone(), json!("dir/file.png"), true),
        (images.clone(), json!("dir/sub/file.png"), true),
        (images.clone(), json!("dir/.png"), true),
        (images, json!("other/file.png"), false),
        (json!([{"wildcard": "a*b*c"}]), json!("a-b-b-c"), true),
        (json!([{"wildcard": "a*b*c"}]), json!("a-c-b"), false),
        (json!([{"wildcard": "ab*ba"}]), json!("aba"), false),
        (json!([{"wildcard": r"a\*b"}]), json!("a*b"), true),
        (json!([{"wildcard": r"a\*b"}]), json!("a-b"), false),
        (json!([{"wildcard": r"a\\*"}]), json!(r"a\b"), true),
        // One of several.
        (json!(["x", {"prefix": "us-"}, {"numeric": ["=", 7]}]), json!(7), true),
    ] {
        let mut detail = json!({"other": 1});
        if value != json!(ABSENT) {
            detail["field"] = value.clone();
        }
        let pattern = Pattern::parse(&json!({"detail": {"field": conditions}})).unwrap();
        let event = json!({"detail": detail});
        assert_eq!(pattern.matches(&event), want, "{conditions} and {value}");
    }
}

#[test]
fn or() {
    let numbers = Pattern::parse(&json!({"detail": {"$or": [
        {"c-count": [{"numeric": [">", 0, "<=", 5]}]},
        {"d-count": [{"numeric": ["<", 10]}]},
        {"x-limit": [{"numeric": ["=", 3.018e2]}]}
    ]}}))
    .unwrap();
    let place = Pattern::parse(&json!({
        "source": ["shop"],
        "$or": [{"detail": {"Location": ["New York"]}}, {"detail": {"Day": ["Monday"], "Hour": [9]}}]
    }))
    .unwrap();
    for (pattern, event, want) in [
        (&numbers, json!({"detail": {"c-count": 3}}), true),
        (&numbers, json!({"detail": {"d-count": 9}}), true),
        (&numbers, json!({"detail": {"x-limit": 301.8}}), true),
        (&numbers, json!({"detail": {"c-count": 6, "d-count": 10}}), false),
        (&place, json!({"source": "shop", "detail": {"Location": "New York"}}), true),
        (&place, json!({"source": "shop", "detail": {"Day": "Monday", "Hour": 9}}), true),
        (&place, json!({"source": "shop", "detail": {"Day": "Monday", "Hour": 8}}), false),
        (&place, json!({"source": "else", "detail": {"Location": "New York"}}), false),
    ] {
        assert_eq!(pattern.matches(&event), want, "{event}");
    }
}

#[test]
fn in_an_array_of_objects_one_matches_as_a_whole() {
    let pattern = Pattern::parse(&json!({"detail": {"items": {"kind": ["a"], "size": [2]}}})).unwrap();
    let matches = |items: Value| pattern.matches(&json!({"detail": {"items": items}}));
    assert!(matches(json!([{"kind": "b", "size": 1}, {"kind": "a", "size": 2}])));
    assert!(!matches(json!([{"kind": "b", "size": 2}, {"kind": "a", "size": 1}])));
    assert!(!matches(json!([])));
}

#[test]
fn a_field_below_one_that_is_not_there_does_not_exist() {
    let pattern = Pattern::parse(&json!({"detail": {"a": {"b": [{"exists": false}]}}})).unwrap();
    assert!(pattern.matches(&json!({"detail": {}})));
    assert!(pattern.matches(&json!({"detail": {"a": {"c": 1}}})));
    assert!(!pattern.matches(&json!({"detail": {"a": {"b": 1}}})));
}

#[test]
fn what_is_wrong_is_said() {
    for (pattern, want) in [
        (json!([]), "at `$`: a pattern is an object"),
        (json!({}), "at `$`: a pattern is an object"),
        (json!({"source": "aws.ec2"}), "at `$.source`: \"source\" must be an object or an array"),
        (json!({"detail": {}}), "at `$.detail`: empty objects are not allowed"),
        (json!({"detail": {"state": []}}), "at `$.detail.state`: empty arrays are not allowed"),
        (json!({"detail": {"state": [["x"]]}}), "an array may not stand in an array"),
        (json!({"detail": {"state": [{"prefx": "x"}]}}), "at `$.detail.state`: there is no operator prefx"),
        (json!({"a": [{"prefix": "x", "suffix": "y"}]}), "a condition has one operator"),
        (json!({"a": [{"prefix": 1}]}), "prefix takes a text"),
        (json!({"a": [{"exists": "yes"}]}), "exists takes true or false"),
        (json!({"a": [{"numeric": [">"]}]}), "numeric takes an array"),
        (json!({"a": [{"numeric": ["~", 1]}]}), "numeric takes an array"),
        (json!({"a": [{"cidr": "10.0.0.0/33"}]}), "cidr takes a network"),
        (json!({"a": [{"wildcard": "a**"}]}), "consecutive wildcard characters"),
        (json!({"a": [{"wildcard": "a\\b"}]}), "a backslash in a wildcard"),
        (json!({"a": [{"anything-but": []}]}), "anything-but takes values"),
        (json!({"$or": [{"a": [1]}]}), "$or takes an array of two patterns or more"),
    ] {
        let error = Pattern::parse(&pattern).unwrap_err().to_string();
        assert!(error.contains(want), "{pattern}: {error}");
    }
}

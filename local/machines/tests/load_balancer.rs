//! The load balancer with a real HAProxy, against moto.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gateway::State;
use world::client::Client;
use world::server::Server;
use world::{World, condition, forward, sticky};

const HOST: &str = "m.example.com";

/// Two groups behind one rule, a healthy server in each.
struct Pair {
    old: String,
    new: String,
    rule: String,
    new_instance: String,
    _servers: [Server; 2],
}

/// A rule's action that forwards to groups by their weights.
type Forward = fn(&[(&str, u32)]) -> Vec<(String, String)>;

impl Pair {
    async fn behind_a_rule(world: &World, forward: Forward, weights: [u32; 2]) -> Self {
        let (old, old_instance, old_server) = world.served_group("old").await;
        let (new, new_instance, new_server) = world.served_group("new").await;
        let rule = world.rule(20, &on_host(HOST), forward(&[(&old, weights[0]), (&new, weights[1])])).await;
        world.register(&old, &old_instance).await;
        world.register(&new, &new_instance).await;
        world.until(&old, &old_instance, State::Healthy).await;
        world.until(&new, &new_instance, State::Healthy).await;
        Self { old, new, rule, new_instance, _servers: [old_server, new_server] }
    }
}

fn on_host(host: &str) -> Vec<Vec<(String, String)>> {
    vec![condition(1, "host-header", &[host])]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_loses_no_request_and_holds_for_the_next_one_on_every_connection() {
    let world = World::new().await;
    let Pair { old, new, rule, _servers, .. } = Pair::behind_a_rule(&world, forward, [100, 0]).await;

    let stop = Arc::new(AtomicBool::new(false));
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (mut client, stop) = (world.client().await, Arc::clone(&stop));
        crowd.spawn(async move {
            let mut answered = 0;
            while !stop.load(Ordering::SeqCst) {
                let answer = client.get(HOST, "/").await;
                assert_eq!(answer.status, 200, "{answer:?}");
                answered += 1;
            }
            answered
        });
    }
    let mut kept_alive = world.client().await;
    for (to_old, to_new, name) in [(0, 100, "new"), (100, 0, "old"), (0, 1, "new"), (999, 0, "old"), (0, 100, "new")] {
        world.modify_rule(&rule, forward(&[(&old, to_old), (&new, to_new)])).await;
        world.settle().await;
        for _ in 0..20 {
            let answer = kept_alive.get(HOST, "/").await;
            assert!(answer.body.starts_with(name), "{name}: {answer:?}");
        }
    }

    world.modify_rule(&rule, forward(&[(&old, 50), (&new, 50)])).await;
    world.settle().await;
    let mut to_new = 0;
    for _ in 0..200 {
        to_new += usize::from(kept_alive.get(HOST, "/").await.body.starts_with("new"));
    }
    assert!((40..160).contains(&to_new), "{to_new} of 200 went to one of two halves");

    stop.store(true, Ordering::SeqCst);
    assert!(crowd.join_all().await.iter().all(|answered| *answered > 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sticky_rules_cookie_outlives_a_weight_of_zero_and_neither_its_group_nor_the_stickiness() {
    let world = World::with_nodes(&[Duration::ZERO]).await;
    let Pair { old, new, rule, _servers, .. } = Pair::behind_a_rule(&world, sticky, [0, 100]).await;
    world.settle().await;

    let (mut client, mut elsewhere) = (world.client().await, world.client_of(1).await);
    let cookie = cookie(&client.get(HOST, "/").await.head).unwrap();
    assert!(cookie.contains("Expires="), "{cookie}");
    let cookie = format!("Cookie: theme=dark; {}\r\n", cookie.split(';').next().unwrap());
    for (why, action, with_cookie, without) in [
        ("weight 0 moves nobody who has the cookie", sticky(&[(&old, 100), (&new, 0)]), "new", "old"),
        ("who has the cookie of a group that left goes by the weights", sticky(&[(&old, 100)]), "old", "old"),
        ("a cookie counts in a sticky rule only", forward(&[(&old, 100), (&new, 0)]), "old", "old"),
    ] {
        world.modify_rule(&rule, action).await;
        world.settle().await;
        for client in [&mut client, &mut elsewhere] {
            let answer = client.request(HOST, "/", &cookie).await.unwrap();
            assert!(answer.body.starts_with(with_cookie), "{why}: {answer:?}");
            let answer = client.get(HOST, "/").await;
            assert!(answer.body.starts_with(without), "{why}: {answer:?}");
        }
    }
    assert_eq!(self::cookie(&client.get(HOST, "/").await.head), None, "a rule that is not sticky gives no cookie");

    for odd in ["|", "", "0|7F000001|m.example.com|/", "a=b"] {
        let answer = client.request(HOST, "/", &format!("Cookie: AWSALBTG={odd}\r\n")).await.unwrap();
        assert!(answer.body.starts_with("old"), "{odd}: {answer:?}");
    }
}

/// What an answer has its client send from then on.
fn cookie(head: &str) -> Option<String> {
    head.lines().find_map(|line| line.to_lowercase().starts_with("set-cookie: ").then(|| line[12..].to_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lagging_node_goes_by_the_rules_before_and_hears_of_targets_at_once() {
    let lag = Duration::from_millis(1500);
    let world = World::with_nodes(&[lag]).await;
    let Pair { old, new, rule, new_instance, _servers } = Pair::behind_a_rule(&world, forward, [100, 0]).await;
    let (mut first, mut second) = (world.client_of(0).await, world.client_of(1).await);
    until_answered(&mut second, "old").await;

    let modified = Instant::now();
    world.modify_rule(&rule, forward(&[(&new, 100)])).await;
    world.settle().await;
    assert!(first.get(HOST, "/").await.body.starts_with("new"));
    let answer = second.get(HOST, "/").await;
    assert!(answer.body.starts_with("old") || modified.elapsed() >= lag, "{answer:?}");
    until_answered(&mut second, "new").await;
    assert!(modified.elapsed() >= lag, "{:?}", modified.elapsed());
    assert!(world.machines.load_balancer().passes().borrow().slowest_change >= lag);

    // Whoever takes a target away before a rule change has arrived everywhere loses requests, and is shown so.
    world.modify_rule(&rule, forward(&[(&old, 100)])).await;
    world.deregister(&new, &new_instance).await;
    world.settle().await;
    assert!(first.get(HOST, "/").await.body.starts_with("old"));
    assert_eq!(second.get(HOST, "/").await.status, 503);
    until_answered(&mut second, "old").await;
}

/// Waits until a node answers as this group.
async fn until_answered(client: &mut Client, name: &str) {
    let end = Instant::now() + world::PATIENCE;
    loop {
        let answer = client.get(HOST, "/").await;
        if answer.status == 200 && answer.body.starts_with(name) {
            return;
        }
        assert!(Instant::now() < end, "{name} does not answer: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_decide_by_priority_host_path_and_source() {
    let world = World::new().await;
    let (product, product_instance, _product_server) = world.served_group("product").await;
    let (pre, pre_instance, _pre_server) = world.served_group("pre").await;
    world
        .rule(20, &[condition(1, "host-header", &["m.example.com", "*.m.example.com"])], forward(&[(&product, 1)]))
        .await;
    let conditions = [
        condition(1, "host-header", &["pre.m.example.com"]),
        condition(2, "source-ip", &["127.0.0.64/26", "10.0.0.0/8"]),
    ];
    world.rule(10, &conditions, forward(&[(&pre, 1)])).await;
    let conditions =
        [condition(1, "host-header", &["m.example.com"]), condition(2, "path-pattern", &["/beta/*", "/a?c"])];
    world.rule(15, &conditions, forward(&[(&pre, 1)])).await;
    world.register(&product, &product_instance).await;
    world.register(&pre, &pre_instance).await;
    world.until(&product, &product_instance, State::Healthy).await;
    world.until(&pre, &pre_instance, State::Healthy).await;
    world.settle().await;

    let address = world.machines.load_balancer().addresses()[0];
    let (mut outside, mut inside) = (world.client().await, Client::connect_from("127.0.0.65", address).await);
    for (from_inside, host, path, name) in [
        (false, "m.example.com", "/", "product"),
        (false, "M.Example.com:1234", "/", "product"),
        (false, "x.m.example.com", "/", "product"),
        (false, "m.example.com", "/beta/x?q=1", "pre"),
        (false, "m.example.com", "/beta", "product"),
        (false, "m.example.com", "/abc", "pre"),
        (false, "m.example.com", "/abbc", "product"),
        (false, "m.example.com", "/BETA/x", "product"),
        (false, "pre.m.example.com", "/", "product"),
        (true, "pre.m.example.com", "/", "pre"),
        (true, "mxexample.com", "/", "no such site: 100%"),
    ] {
        let client = if from_inside { &mut inside } else { &mut outside };
        let answer = client.get(host, path).await;
        assert!(answer.body.starts_with(name), "{host}{path} goes to {name}: {answer:?}");
    }

    let missing = outside.get("other.example.com", "/").await;
    assert_eq!(missing.status, 404);
    assert!(missing.head.to_lowercase().contains("content-type: text/html"), "{missing:?}");

    let answer = inside.request(HOST, "/", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n").await.unwrap();
    let port = address.port();
    let sent = answer.body.to_lowercase();
    for header in
        ["x-forwarded-for: 192.0.2.1, 127.0.0.65", "x-forwarded-proto: http\r", &format!("x-forwarded-port: {port}")]
    {
        assert!(sent.contains(header), "{header}: {sent}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_checked_for_real_and_a_group_without_a_healthy_target_fails_open() {
    let world = World::new().await;
    let (group, instance, server) = world.served_group("one").await;
    let (other, other_address) = world.instance(&[]).await;
    let other_server = Server::start("two", &other_address).await;
    let mut client = world.client().await;

    world.rule(20, &on_host(HOST), forward(&[(&group, 1)])).await;
    world.settle().await;
    assert_eq!(client.get(HOST, "/").await.status, 503, "no target is registered");

    server.set_health(502);
    world.register(&group, &instance).await;
    world.settle().await;
    assert_eq!(client.get(HOST, "/").await.status, 200, "none is healthy: all are sent requests");
    let health = world.until(&group, &instance, State::Unhealthy).await;
    assert_eq!(health.reason.as_deref(), Some("Target.ResponseCodeMismatch"));
    assert_eq!(health.description.as_deref(), Some("Health checks failed with these codes: [502]"));
    assert_eq!(client.get(HOST, "/").await.status, 200, "the group fails open");

    world.register(&group, &other).await;
    world.until(&group, &other, State::Healthy).await;
    let before = server.served();
    for _ in 0..10 {
        assert!(client.get(HOST, "/").await.body.starts_with("two"));
    }
    assert_eq!(server.served(), before, "an unhealthy target beside a healthy one gets nothing");

    server.set_health(200);
    world.until(&group, &instance, State::Healthy).await;
    other_server.set_health(0);
    let health = world.until(&group, &other, State::Unhealthy).await;
    assert_eq!(health.reason.as_deref(), Some("Target.Timeout"));
    assert!(client.get(HOST, "/").await.body.starts_with("one"));

    drop(server);
    let health = world.until(&group, &instance, State::Unhealthy).await;
    assert_eq!(health.reason.as_deref(), Some("Target.FailedHealthChecks"));
    world.terminate(&other).await;
    world.settle().await;
    assert_eq!(client.get(HOST, "/").await.status, 502, "nothing listens there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_target_ends_what_it_has_and_gets_nothing_new() {
    let world = World::new().await;
    let (group, leaving, leaving_server) = world.served_group("leaving").await;
    let (staying, staying_address) = world.instance(&[]).await;
    let staying_server = Server::start("staying", &staying_address).await;
    world.set_drain(&group, 5).await;
    world.rule(20, &on_host(HOST), forward(&[(&group, 1)])).await;
    world.register(&group, &leaving).await;
    world.until(&group, &leaving, State::Healthy).await;

    let mut under_way = world.client().await;
    let slow = tokio::spawn(async move { under_way.get(HOST, "/slow").await });
    leaving_server.until_slow_requests(1).await;
    world.register(&group, &staying).await;
    world.until(&group, &staying, State::Healthy).await;
    world.deregister(&group, &leaving).await;
    world.settle().await;
    let described = world.elb("DescribeTargetHealth", &[("TargetGroupArn", &group)]).await;
    assert!(described.contains("draining") && described.contains("healthy"), "{described}");

    let before = leaving_server.served();
    let mut client = world.client().await;
    for _ in 0..10 {
        assert!(client.get(HOST, "/").await.body.starts_with("staying"));
    }
    assert_eq!(leaving_server.served(), before);
    leaving_server.answer_slow();
    let answer = slow.await.unwrap();
    assert!(answer.status == 200 && answer.body.starts_with("leaving"), "{answer:?}");

    // The last one leaves: no target is left, and a request that outlives the delay is cut off.
    world.set_drain(&group, 1).await;
    let mut under_way = world.client().await;
    let cut = tokio::spawn(async move { under_way.request(HOST, "/slow", "").await });
    staying_server.until_slow_requests(1).await;
    world.deregister(&group, &staying).await;
    world.settle().await;
    assert_eq!(client.get(HOST, "/").await.status, 503);
    assert_ne!(cut.await.unwrap().map(|answer| answer.status), Ok(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_at_a_killed_server_is_known_and_nobody_else() {
    let world = World::new().await;
    let (group, dying, dying_server) = world.served_group("dying").await;
    let address = world.machines.instances().list().await.unwrap().iter().find_map(|one| one.private_ip).unwrap();
    world.rule(20, &on_host(HOST), forward(&[(&group, 1)])).await;
    world.register(&group, &dying).await;
    world.until(&group, &dying, State::Healthy).await;
    let (mut there, mut elsewhere) = (world.client().await, world.client().await);
    // The connection has served a request before: this is the one that HAProxy closes without a word.
    assert!(there.get(HOST, "/").await.body.starts_with("dying"));
    let (client, bystander) = (there.address(), elsewhere.address());
    let cut = tokio::spawn(async move { there.request(HOST, "/slow", "").await });
    dying_server.until_slow_requests(1).await;
    let (staying, staying_address) = world.instance(&[]).await;
    let staying_server = Server::start("staying", &staying_address).await;
    world.register(&group, &staying).await;
    world.until(&group, &staying, State::Healthy).await;
    dying_server.set_health(502);
    world.until(&group, &dying, State::Unhealthy).await;
    let slow = tokio::spawn(async move { elsewhere.get(HOST, "/slow").await });
    staying_server.until_slow_requests(1).await;

    let kill = Box::new(move || {
        drop(dying_server);
        Ok(())
    });
    let load_balancer = world.machines.load_balancer();
    let clients = load_balancer.kill_at((address, world::PORT).into(), kill).await.unwrap().clients;
    assert!(clients.contains(&client) && !clients.contains(&bystander), "{clients:?}");
    assert!(cut.await.unwrap().is_err(), "it was answered");
    staying_server.answer_slow();
    assert!(slow.await.unwrap().body.starts_with("staying"));
    assert!(load_balancer.requests().await.unwrap() >= 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_come_and_go_in_the_slots_of_others() {
    let world = World::new().await;
    let (product, product_instance, _product_server) = world.served_group("product").await;
    world.register(&product, &product_instance).await;
    let rule = world.rule(20, &on_host(HOST), forward(&[(&product, 1)])).await;
    world.until(&product, &product_instance, State::Healthy).await;

    let (instance, address) = world.instance(&[]).await;
    let _server = Server::start("release", &address).await;
    let mut client = world.client().await;
    // More releases than there are slots.
    for n in 0..85 {
        let group = world.group(&format!("release-{n}")).await;
        world.register(&group, &instance).await;
        world.modify_rule(&rule, forward(&[(&product, 0), (&group, 1)])).await;
        world.settle().await;
        let answer = client.get(HOST, "/").await;
        assert!(answer.body.starts_with("release"), "{n}: {answer:?}");
        world.modify_rule(&rule, forward(&[(&product, 1)])).await;
        world.elb("DeleteTargetGroup", &[("TargetGroupArn", &group)]).await;
    }
    world.settle().await;
    assert!(client.get(HOST, "/").await.body.starts_with("product"));
}

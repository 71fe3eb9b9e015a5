//! `local demo`: five releases on one machine, told as they happen.

use std::time::Duration;

use crate::costs::{self, Ledger};
use crate::customers::Customers;
use crate::narrator::{Narrator, shortened};
use crate::pictures::Told;
use crate::service::{DRAIN_SECONDS, SETTLE_SECONDS};
use crate::shares::Shares;
use crate::stack::{Options, Stack};
use crate::standing::{Standing, Tagged};
use crate::story::{Release, Story};
use crate::terminal::Terminal;
use crate::trouble::{Result, Trouble, While};
use crate::{pictures, service, web};

/// Tells the whole story.
///
/// # Errors
///
/// Where anything is not as it should be, with what it was.
pub async fn run(terminal: &Terminal) -> Result<()> {
    terminal.say(&format!(
        "Pointsman on one machine: a simulated AWS, the four functions' real binaries, the example's pipeline, a real load \
         balancer and real servers. What differs from {}: health checks come 10 times as fast, settle_seconds is \
         {SETTLE_SECONDS} and drain_seconds {DRAIN_SECONDS}. Ids of executions are cut to eight characters.",
        service::EXAMPLE
    ));
    let stack = Stack::start(Options { in_parameter: true, ..Options::new() }).await?;
    terminal.say(&format!("\nAll of it runs after {:.1} s.", terminal.elapsed().as_secs_f64()));
    let ledger = Ledger::of(&stack);
    let narrator = Narrator::of(&stack, terminal);
    let told = tell(&stack, terminal).await;
    // What happened last is still being told.
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(narrator);
    let told = told.map_err(|trouble| {
        Trouble::new(format!("{trouble}\n\nWhat the functions said last:\n{}", stack.last_words()))
    })?;
    stands(&stack, terminal).await?;
    cost(&stack, terminal, &ledger);
    let problems = stack.problems();
    if !problems.is_empty() {
        return Err(Trouble::new(problems.join("\n")));
    }
    let report = stack.options().repository.join("target/demo.html");
    pictures::of(&told).write(&report)?;
    terminal.heading("All is as it should be");
    terminal.say(&format!(
        "Customers asked {} times during all of it, and {} requests failed. It took {:.0} s.",
        told.tally.requests,
        told.tally.failures,
        terminal.elapsed().as_secs_f64()
    ));
    terminal.say(&format!("With pictures: {}", report.display()));
    at_a_terminal(&stack, terminal).await
}

/// The five releases; answers what customers got meanwhile, and when.
async fn tell(stack: &Stack, terminal: &Terminal) -> Result<Told> {
    let story = Story::new(stack, Some(terminal));
    terminal.heading("Release 1 is shipped, tried, promoted and kept");
    let one = story.first("1").await?;
    let host = service::host(&stack.config_of(&stack.options().service), "product");
    let customers = Customers::of(&stack.load_balancer_url(), &host);
    let shares = Shares::follow(stack);
    terminal.say("\nFrom here on customers ask for pages all the time; every answer but 200 would be counted.");

    terminal.heading("Release 2 is tried next to product, promoted and kept");
    let two = story.next("2", &one).await?;
    terminal.heading("Release 3 is promoted, and then rejected");
    let three = story.rejected("3", &two, "the basket loses its articles").await?;
    terminal.heading("Release 4 cannot be deployed");
    story.not_deployed("4", &two, "no module named basket").await?;
    terminal.heading("Release 5 rises in steps, and an alarm stops it at the first");
    let (five, alarmed) = story.canary("5", &two).await?;

    settled(stack, &host, &two).await?;
    let tally = customers.tally();
    if tally.failures > 0 {
        return Err(Trouble::new(format!(
            "customers asked {} times, and {} requests failed: {}",
            tally.requests,
            tally.failures,
            tally.failed.join("; ")
        )));
    }
    let alarms = vec![(alarmed, five.version.clone())];
    Ok(Told { tally, shares: shares.so_far(), releases: vec![one, two, three, five], alarms })
}

/// Customers see the last state for a moment before they are asked what they got.
async fn settled(stack: &Stack, host: &str, release: &Release) -> Result<()> {
    tokio::time::sleep(Duration::from_millis(200)).await;
    let page = web::Web::new(&stack.load_balancer_url()).get(host, "/version").await?;
    if page.body == release.version {
        Ok(())
    } else {
        Err(Trouble::new(format!("at the end product is {}, not {}", page.body, release.version)))
    }
}

async fn stands(stack: &Stack, terminal: &Terminal) -> Result<()> {
    let account = stack.account();
    let standing = Standing::look(&stack.aws("LOOK"), &account.listener_arn, &account.zone_id).await?;
    terminal.heading("What stands");
    let state_of = |id: &str| {
        let targets = standing.groups.iter().flat_map(|group| &group.targets);
        targets.into_iter().find(|(target, _)| target == id).map(|(_, state)| state.clone()).unwrap_or_default()
    };
    let instances: Vec<Vec<String>> = standing
        .instances
        .iter()
        .map(|instance| {
            vec![
                shortened(instance.tag("release")),
                instance.tag("role").to_owned(),
                instance.id.clone(),
                instance.ip.clone(),
                instance.state.clone(),
                state_of(&instance.id),
            ]
        })
        .collect();
    terminal.table(&["release", "role", "instance", "address", "state", "health"], &instances);
    terminal.say("");
    let group_name = |arn: &str| {
        standing.groups.iter().find(|group| group.arn == arn).map_or(arn, |group| group.name.as_str()).to_owned()
    };
    let rules: Vec<Vec<String>> = standing
        .rules
        .iter()
        .map(|rule| {
            let forward = rule.forward.iter().map(|(arn, weight)| format!("{} {weight}", group_name(arn)));
            vec![
                format!("{} rule", rule.tag("rule")),
                rule.priority.clone(),
                rule.hosts.join(", "),
                forward.collect::<Vec<_>>().join(", "),
            ]
        })
        .collect();
    terminal.table(&["rule", "priority", "hosts", "target groups and weights"], &rules);
    terminal.say("");
    let names: Vec<Vec<String>> = standing
        .names
        .iter()
        .map(|(name, ips)| vec![name.clone(), ips.iter().cloned().collect::<Vec<_>>().join(", ")])
        .collect();
    terminal.table(&["name", "addresses"], &names);
    Ok(())
}

/// What a person sees of it who asks with the command-line tool.
async fn at_a_terminal(stack: &Stack, terminal: &Terminal) -> Result<()> {
    let tool = stack.options().bootstraps.join("pointsman/bootstrap");
    let service = &stack.options().service;
    terminal.heading(&format!("And at a terminal: pointsman status {service}"));
    let output = tokio::process::Command::new(&tool)
        .args(["status", service])
        .envs([
            ("AWS_ENDPOINT_URL", stack.gateway().url()),
            ("AWS_REGION", crate::account::REGION),
            ("AWS_ACCESS_KEY_ID", "TERMINAL"),
            ("AWS_SECRET_ACCESS_KEY", "stand-in"),
        ])
        .output()
        .await
        .when(tool.display())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Trouble::new(format!("{} ended with {}: {said}", tool.display(), output.status)));
    }
    terminal.say(String::from_utf8_lossy(&output.stdout).trim_end());
    Ok(())
}

fn cost(stack: &Stack, terminal: &Terminal, ledger: &Ledger) {
    terminal.heading("What each call cost, in calls of AWS");
    let rows: Vec<Vec<String>> = costs::by_release(&ledger.invocations(), &stack.gateway().calls())
        .into_iter()
        .map(|((release, what), cost)| {
            vec![
                if release.is_empty() { "all".to_owned() } else { shortened(&release) },
                what,
                cost.invocations.to_string(),
                cost.calls.to_string(),
                cost.changes.to_string(),
                cost.round_trips.to_string(),
                format!("{:.2}", cost.time.as_secs_f64()),
            ]
        })
        .collect();
    terminal.table(&["release", "call", "invoked", "calls", "changes", "one after another", "seconds"], &rows);
}

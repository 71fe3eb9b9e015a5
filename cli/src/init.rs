//! `init`: a service's config from what serves it now.

use runtime::desk;
use serde_json::json;
use view::arguments::Shared;
use view::exit::{self, Fault};
use view::init::{self, Server, Serving};

use crate::session::{Session, service_name};
use crate::terminal::Terminal;

/// Runs the command.
pub async fn run(
    shared: &Shared,
    service: &str,
    rule: &str,
    pre_product_host: Option<&str>,
    terminal: &Terminal,
) -> Result<u8, Fault> {
    let name = service_name(service)?;
    let session = Session::without_services(shared)?;
    let standing = session.desk.behind(rule).await.map_err(|why| session.fault(why))?;
    let rules = session.desk.rules(&standing.listener).await.map_err(|why| session.fault(why))?;
    let taken = rules.iter().map(|rule| rule.priority).collect();
    let (config, open) = init::config(&serving(standing, taken), pre_product_host);
    if terminal.json {
        terminal.json(&json!({"service": name, "config": config, "open": open}))?;
        return Ok(exit::DONE);
    }
    terminal.say(&format!("{config:#}\n"))?;
    terminal.tell(&format!(
        "This is {}: put it into a parameter <SERVICES_PATH>/{name}, or into that variable; `pointsman validate {name} --config FILE` tries it.",
        name.variable()
    ));
    for open in open {
        terminal.tell(&format!("- {open}"));
    }
    Ok(exit::DONE)
}

fn serving(standing: desk::Standing, taken: std::collections::BTreeSet<u32>) -> Serving {
    let desk::Standing { listener, rule, group, protocol, port, health_check, servers } = standing;
    Serving {
        listener,
        rule: rule.arn.to_string(),
        priority: rule.priority,
        conditions: rule.conditions,
        taken,
        group: group.name().to_owned(),
        protocol,
        port,
        health_check,
        servers: servers
            .into_iter()
            .map(|server| Server {
                ami: server.ami,
                instance_type: server.instance_type,
                subnet: server.subnet,
                security_groups: server.security_groups,
                profile: server.profile,
                key_name: server.key_name,
            })
            .collect(),
    }
}

//! `init`: a service's config from what serves it now.

use runtime::desk::Hindrance;
use serde_json::json;
use view::arguments::Shared;
use view::exit::{self, Fault};
use view::init::{self, Owner};

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
    session.is_here("The rule", rule)?;
    let serving = session.desk.behind(rule, &name).await.map_err(|why| match why {
        // What was named is not there, or is nothing to begin from.
        Hindrance::Other(sentence) => Fault::refused(format!("{}.", sentence.trim_end_matches('.'))),
        why @ (Hindrance::Aws(_) | Hindrance::Refused(_)) => session.fault(why),
    })?;
    let rules = session.desk.rules(&serving.listener).await.map_err(|why| session.fault(why))?;
    let taken = rules.iter().map(|rule| rule.priority).collect();
    let owner = match session.desk.stack_of(rule).await {
        Ok(Some(stack)) => Owner::Stack(stack),
        Ok(None) => Owner::NoStack,
        Err(why) => Owner::Unseen(session.fault(why).sentence),
    };
    let (config, open) = init::config(&name, &serving, &owner, &taken, pre_product_host);
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

//! A look without the lease: whether there is anything to do for a service. Who finds that there is takes the lease, and looks again.

use domain::config::Service;
use domain::plan::Plan;
use domain::request::Request;
use domain::time::Time;
use domain::world::World;

use crate::deadline::{Deadline, REPORT_NEEDS, now};
use crate::errors::Trouble;
use crate::lease;
use crate::observe::{Look, Memory, Seen};
use crate::runner::Runner;

/// What a look shows, and what would be done about it.
pub(super) struct Glance {
    pub world: World,
    pub plan: Plan,
    pub time: Time,
}

/// Looks, and plans for what it sees.
pub(super) async fn glance(
    runner: &Runner,
    deadline: Deadline,
    request: &Request,
    service: &Service,
    table: &str,
    listed_groups: &[String],
) -> Result<Glance, Trouble> {
    let look = Look {
        clients: &runner.clients,
        can: &runner.can,
        listeners: &runner.listeners,
        service,
        request,
        scope: plans::scope(&request.verb, service),
        listed_groups,
    };
    let told = lease::told(&runner.clients, table, &request.service).await?;
    let memory = Memory { told, ..Memory::default() };
    let time = deadline.left().saturating_sub(REPORT_NEEDS);
    let seen = tokio::time::timeout(time, look.observe(&memory)).await;
    let Seen { world, .. } = seen.map_err(|_| super::too_long())??;
    let time = now();
    let plan = plans::plan(request, service, &world, time);
    Ok(Glance { world, plan, time })
}

//! The elastic IPs of a release: from the service's pool, and only what nobody holds.

use std::collections::BTreeSet;

use domain::id::{AllocationId, InstanceId, ReleaseId};
use domain::plan::Step;
use domain::refusal::{Refusal, WaitFor};
use domain::tags::Role;
use domain::world::{Holder, Instance, InstanceState};

use crate::standing::{Release, Standing, Traffic};

/// The addresses of the pool, as they concern one release.
pub struct Addresses {
    wanted: bool,
    held: BTreeSet<InstanceId>,
    free: Vec<AllocationId>,
}

/// Why the release cannot have its addresses now.
pub enum NotEnough {
    /// Releases that are about to go hold enough.
    Wait(WaitFor),
    /// They do not.
    Refuse(Refusal),
}

impl Addresses {
    /// Reads the pool: who of the release has an address, and whether the others can have one.
    pub fn read(
        standing: &Standing<'_>,
        release: &ReleaseId,
        alive: &[&Instance],
        asked: usize,
    ) -> Result<Self, NotEnough> {
        if standing.service.elastic_ips.is_empty() {
            return Ok(Self { wanted: false, held: BTreeSet::new(), free: Vec::new() });
        }
        let holders = |release: &Release<'_>| release.instances.iter().map(|i| i.id.clone()).collect::<BTreeSet<_>>();
        let held: BTreeSet<InstanceId> = standing
            .world
            .addresses
            .iter()
            .filter_map(|address| match &address.holder {
                Some(Holder::Instance(id)) => alive.iter().find(|i| i.id == *id).map(|i| i.id.clone()),
                Some(Holder::Other(_)) | None => None,
            })
            .collect();
        let free: Vec<AllocationId> =
            standing.world.addresses.iter().filter(|a| a.holder.is_none()).map(|a| a.id.clone()).collect();
        let wanted = asked.saturating_sub(held.len());
        if free.len() < wanted {
            let going: BTreeSet<InstanceId> = standing
                .releases
                .iter()
                .filter(|(id, _)| *id != release && goes_soon(standing, id))
                .flat_map(|(_, release)| holders(release))
                .collect();
            let is_coming =
                |holder: &Option<Holder>| matches!(holder, Some(Holder::Instance(id)) if going.contains(id));
            let coming = standing.world.addresses.iter().filter(|a| is_coming(&a.holder)).count();
            return Err(if free.len() + coming >= wanted {
                NotEnough::Wait(WaitFor::Addresses { release: release.clone(), wanted, free: free.len(), coming })
            } else {
                NotEnough::Refuse(Refusal::PoolTooSmall { release: release.clone(), free: free.len(), wanted })
            });
        }
        Ok(Self { wanted: true, held, free })
    }

    /// Gives each running server without an address a free one, and names those that are not running yet.
    pub fn associate(&self, alive: &[&Instance]) -> (Vec<Step>, BTreeSet<InstanceId>) {
        let without = alive.iter().copied().filter(|i| self.wanted && !self.held.contains(&i.id));
        let (running, pending): (Vec<&Instance>, Vec<&Instance>) =
            without.partition(|i| i.state == InstanceState::Running);
        let steps = running
            .into_iter()
            .zip(&self.free)
            .map(|(i, address)| Step::AssociateAddress { instance: i.id.clone(), address: address.clone() })
            .collect();
        (steps, pending.into_iter().map(|i| i.id.clone()).collect())
    }
}

/// Whether a release is about to give its addresses back: rejected, retired and out of the rule, or superseded by this
/// call.
fn goes_soon(standing: &Standing<'_>, release: &ReleaseId) -> bool {
    match standing.role_by_tags(release) {
        Some(Role::Rejected) => !matches!(standing.traffic(release), Traffic::All | Traffic::Some),
        Some(Role::Retired | Role::PreProduct) => standing.traffic(release) == Traffic::NotInRule,
        Some(Role::Product) | None => false,
    }
}

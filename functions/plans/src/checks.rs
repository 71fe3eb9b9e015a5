//! A service's own checks: when a release is examined, and what becomes of one that does not pass.

use domain::check::{Examination, Phase, Verdict};
use domain::config::Check;
use domain::id::ReleaseId;
use domain::plan::{End, Plan};
use domain::refusal::{self, Failure, Refusal};
use domain::request::Request;

use crate::standing::Standing;
use crate::{register, rollback, traffic};

/// What keeps a release from going on in this phase: at first the examination itself, then what it found. Only what a check
/// says is held against a release; a check that says nothing is its people's to mend.
pub fn obstacle(standing: &Standing<'_>, request: &Request, release: &ReleaseId, phase: Phase) -> Option<Plan> {
    let checks = checks(standing, phase);
    if checks.is_empty() {
        return None;
    }
    let Some(checked) = standing.world.checked.as_ref().filter(|checked| checked.phase == phase) else {
        return Some(Plan::only(End::Check(Box::new(examination(standing, release, phase, checks)))));
    };
    let said = |pick: fn(&Verdict) -> Option<&String>| -> Vec<(String, String)> {
        checked.verdicts.iter().filter_map(|(check, verdict)| Some((check.clone(), pick(verdict)?.clone()))).collect()
    };
    let bad = said(|verdict| if let Verdict::Bad(why) = verdict { Some(why) } else { None });
    if !bad.is_empty() {
        return Some(failed(standing, request, release, phase, bad));
    }
    let verdicts = said(|verdict| if let Verdict::None(why) = verdict { Some(why) } else { None });
    (!verdicts.is_empty())
        .then(|| Plan::only(End::Refuse(Refusal::NotExamined { release: release.clone(), phase, verdicts })))
}

/// The checks of a phase: requests go to targets that have no traffic yet.
fn checks(standing: &Standing<'_>, phase: Phase) -> Vec<Check> {
    let has_traffic = phase.percent() > 0;
    let wanted = |check: &&Check| !has_traffic || matches!(check, Check::Function(_));
    standing.service.checks.iter().filter(wanted).cloned().collect()
}

fn examination(standing: &Standing<'_>, release: &ReleaseId, phase: Phase, checks: Vec<Check>) -> Examination {
    let service = standing.service;
    let rule = if phase.percent() > 0 { &service.product } else { &service.pre_product };
    let servers = standing.releases.get(release).into_iter().flat_map(|found| found.running());
    let protocol = service.health_check.protocol.to_lowercase();
    let port = standing.launched_port(release).unwrap_or(service.port.into());
    Examination {
        service: service.name.clone(),
        release: release.clone(),
        phase,
        checks,
        url: standing.world.listener.as_ref().map(|listener| register::url(listener, rule.host.as_deref())),
        targets: servers
            .filter_map(|server| {
                let ip = server.private_ip.as_ref()?;
                Some((server.id.clone(), format!("{protocol}://{ip}:{port}")))
            })
            .collect(),
    }
}

/// It goes as one goes whose alarm went off; without traffic there is nothing to put back, and nothing to freeze.
fn failed(
    standing: &Standing<'_>,
    request: &Request,
    release: &ReleaseId,
    phase: Phase,
    verdicts: Vec<(String, String)>,
) -> Plan {
    let reason = refusal::checks(&verdicts);
    let fail = |what, told| {
        let (release, verdicts) = (release.clone(), verdicts.clone());
        End::Fail(Failure::CheckFailed { release, phase, verdicts, what, told })
    };
    if phase.percent() > 0 {
        let go_on = format!("promote {release} and \"despite_alarms\":true when its checks pass");
        return traffic::take_back(standing, request, release, &reason, &go_on, fail);
    }
    let what = "It is rejected, and customers have not seen it. Mend it and upload a new build".to_owned();
    Plan { end: fail(what, true), ..rollback::reject(standing, request, release, &reason, None) }
}

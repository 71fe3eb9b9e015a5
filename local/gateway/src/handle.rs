//! The way of one call through the gateway: faults, then who answers it, then the record.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use crate::aws::AwsError;
use crate::cloudformation;
use crate::cloudwatch;
use crate::ec2::Ec2;
use crate::elbv2::Elbv2;
use crate::fault::{self, Faults, What};
use crate::forward::Upstream;
use crate::health::Health;
use crate::journal::Journal;
use crate::late::Late;
use crate::limits::Limits;
use crate::mount::Mounts;
use crate::record::{Call, Record};
use crate::request;
use crate::route53::Route53;
use crate::settings::Settings;
use crate::tagging;
use crate::{Protocol, Request, Response};

/// Everything that the calls of one gateway share.
pub(crate) struct Shared {
    pub(crate) upstream: Upstream,
    pub(crate) mounts: Mounts,
    pub(crate) record: Record,
    /// Where the functions' calls are written, if anywhere.
    pub(crate) journal: OnceLock<Arc<Journal>>,
    pub(crate) health: Health,
    pub(crate) faults: Faults,
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
    pub(crate) late: Late,
    pub(crate) ec2: Ec2,
    pub(crate) elbv2: Elbv2,
    pub(crate) route53: Route53,
    /// One write of DynamoDB after the other.
    pub(crate) items: tokio::sync::Mutex<()>,
}

/// How a call ends.
pub(crate) enum End {
    Answer(Response),
    /// The connection is reset without an answer; AWS gave this one, where it saw the call.
    Reset(Option<Response>),
}

impl Shared {
    pub(crate) async fn handle(&self, request: Request) -> End {
        let number = self.record.next_number();
        let (at, start) = (SystemTime::now(), Instant::now());
        let mut strikes = self.faults.strike(&request);
        // What is throttled counts for no limit.
        let limit = if strikes.iter().any(What::refuses) { None } else { self.limits.exceeded(&request) };
        if limit.is_some() {
            strikes.push(What::Throttle);
        }
        let journal = self.journal.get();
        let noted = match journal {
            Some(_) => Journal::note(&request, &self.upstream).await,
            None => None,
        };
        let mut simulated = Duration::ZERO;
        let end = self.end(&request, &strikes, &mut simulated).await;
        let (answer, cut) = match &end {
            End::Answer(response) => (Some(response), false),
            End::Reset(response) => (response.as_ref(), true),
        };
        if let (Some(journal), Some(noted)) = (journal, noted) {
            journal.write(noted, answer.map_or(0, |answer| answer.status.as_u16()));
        }
        let operation = request.header("amz-sdk-invocation-id").unwrap_or_default().to_owned();
        let attempt = attempt(&request);
        let session = request.header("x-amz-security-token").unwrap_or_default().to_owned();
        self.record.add(Call {
            number,
            at,
            elapsed: start.elapsed(),
            simulated,
            mutating: request::mutates(&request),
            tags: request::tags(&request),
            resource: request.resources.join(","),
            caller: request.caller,
            session,
            service: request.service,
            action: request.action,
            status: answer.map_or(0, |answer| answer.status.as_u16()),
            error: answer.and_then(Response::error_code),
            cut,
            fault: (!strikes.is_empty())
                .then(|| strikes.iter().map(|what| format!("{what:?}")).collect::<Vec<_>>().join(", ")),
            limit,
            operation,
            attempt,
        });
        end
    }

    async fn end(&self, request: &Request, strikes: &[What], simulated: &mut Duration) -> End {
        for what in strikes {
            match what {
                What::Delay(delay) => tokio::time::sleep(*delay).await,
                What::Before(hook) => hook(request.clone()).await,
                What::ResetBefore => return End::Reset(None),
                What::Throttle | What::AccessDenied | What::Error { .. } | What::InternalError => {
                    if let Some(response) = fault::refusal(what, request) {
                        return End::Answer(response);
                    }
                }
                What::ResetAfter | What::After(_) | What::Alter(_) => {}
            }
        }
        let asked = Instant::now();
        let mut response = self.answer(request).await;
        *simulated = asked.elapsed();
        for what in strikes {
            match what {
                What::After(hook) => hook(request.clone()).await,
                What::Alter(alter) => response = alter(request, response),
                What::Delay(_)
                | What::Throttle
                | What::AccessDenied
                | What::Error { .. }
                | What::InternalError
                | What::ResetBefore
                | What::ResetAfter
                | What::Before(_) => {}
            }
        }
        let cut = strikes.iter().any(|what| matches!(what, What::ResetAfter));
        if cut { End::Reset(Some(response)) } else { End::Answer(response) }
    }

    async fn answer(&self, request: &Request) -> Response {
        if let Some(handler) = self.mounts.find(&request.service) {
            return handler(request.clone()).await;
        }
        if !self.settings.any_lag() {
            return self.corrected(request).await;
        }
        let mut view = self.late.view(&self.settings);
        if let Some(refusal) = view.refusal(request) {
            return refusal;
        }
        let before = self.late.before(request, &self.upstream, &self.settings).await;
        let response = self.corrected(request).await;
        if !response.status.is_success() {
            return response;
        }
        if let Some(before) = before {
            self.late.note(request, &response, before, &self.settings);
        }
        view.shown(request, response)
    }

    /// What AWS answers by what there is.
    async fn corrected(&self, request: &Request) -> Response {
        let corrected = match request.service.as_str() {
            "ec2" => self.ec2_answer(request).await,
            "elasticloadbalancing" => self.elbv2.answer(request, &self.upstream, &self.health).await,
            "route53" => self.route53.answer(request, &self.upstream, &self.settings).await,
            "monitoring" if request.protocol == Protocol::Cbor => cloudwatch::answer(request, &self.upstream).await,
            "tagging" => tagging::answer(request, &self.upstream, &self.elbv2.usages).await,
            "dynamodb" if request::mutates(request) => {
                // moto checks a condition and then writes; between the two another write could come.
                let _alone = self.items.lock().await;
                return self.upstream.send(request).await;
            }
            "cloudformation" => match cloudformation::answer(request, &self.upstream).await {
                Ok(Some(response)) => Ok(response),
                Ok(None) => {
                    // A stack may hold rules.
                    let response = self.upstream.send(request).await;
                    self.elbv2.usages.forget();
                    return response;
                }
                Err(problem) => Err(problem),
            },
            _ => return self.upstream.send(request).await,
        };
        // What moto refused on the way is what the caller is refused.
        corrected.unwrap_or_else(|problem| match problem {
            AwsError::Service { status, code, message, .. } => Response::error(request, status, &code, &message),
            AwsError::Connection { reason, .. } => Response::error(request, 502, "SimulatorUnreachable", &reason),
        })
    }

    /// EC2's answer; instances that it terminates also leave their target groups.
    async fn ec2_answer(&self, request: &Request) -> Result<Response, AwsError> {
        let leaving = if request.action == "TerminateInstances" {
            self.elbv2.registered_in(request, &self.upstream, &request.resources).await
        } else {
            Vec::new()
        };
        let response = self.ec2.answer(request, &self.upstream, &self.settings).await?;
        if response.status.is_success() {
            for (group, targets) in leaving {
                self.elbv2.drain(request, &self.upstream, &group, targets).await?;
            }
        }
        Ok(response)
    }
}

/// Reads `attempt=2; max=3`.
fn attempt(request: &Request) -> u32 {
    let said = request.header("amz-sdk-request").unwrap_or_default();
    said.split("; ").find_map(|part| part.strip_prefix("attempt=")?.parse().ok()).unwrap_or(1)
}

//! The way of one call through the gateway: faults, then who answers it, then the record.

use std::time::{Instant, SystemTime};

use crate::fault::{self, Faults, What};
use crate::forward::Upstream;
use crate::health::Health;
use crate::mount::Mounts;
use crate::record::{Call, Record};
use crate::request;
use crate::settings::Settings;
use crate::{Request, Response};

/// Everything that the calls of one gateway share.
pub(crate) struct Shared {
    pub(crate) upstream: Upstream,
    pub(crate) mounts: Mounts,
    pub(crate) record: Record,
    pub(crate) health: Health,
    pub(crate) faults: Faults,
    pub(crate) settings: Settings,
}

/// How a call ends.
pub(crate) enum End {
    Answer(Response),
    /// The connection is reset without an answer.
    Reset,
}

impl Shared {
    pub(crate) async fn handle(&self, request: Request) -> End {
        let number = self.record.next_number();
        let (at, start) = (SystemTime::now(), Instant::now());
        let strikes = self.faults.strike(&request);
        let end = self.end(&request, &strikes).await;
        let (status, error) = match &end {
            End::Answer(response) => (response.status.as_u16(), response.error_code()),
            End::Reset => (0, None),
        };
        self.record.add(Call {
            number,
            at,
            elapsed: start.elapsed(),
            mutating: request::mutates(&request),
            tags: request::tags(&request),
            resource: request.resources.join(","),
            caller: request.caller,
            service: request.service,
            action: request.action,
            status,
            error,
            fault: (!strikes.is_empty()).then(|| {
                strikes
                    .iter()
                    .map(|what| format!("{what:?}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            }),
        });
        end
    }

    async fn end(&self, request: &Request, strikes: &[What]) -> End {
        for what in strikes {
            match what {
                What::Delay(delay) => tokio::time::sleep(*delay).await,
                What::Before(hook) => hook(request.clone()).await,
                What::ResetBefore => return End::Reset,
                What::Throttle | What::AccessDenied | What::Error { .. } | What::InternalError => {
                    if let Some(response) = fault::refusal(what, request) {
                        return End::Answer(response);
                    }
                }
                What::ResetAfter | What::After(_) => {}
            }
        }
        let response = self.answer(request).await;
        for what in strikes {
            if let What::After(hook) = what {
                hook(request.clone()).await;
            }
        }
        if strikes.iter().any(|what| matches!(what, What::ResetAfter)) {
            End::Reset
        } else {
            End::Answer(response)
        }
    }

    async fn answer(&self, request: &Request) -> Response {
        if let Some(handler) = self.mounts.find(&request.service) {
            return handler(request.clone()).await;
        }
        self.upstream.send(request).await
    }
}

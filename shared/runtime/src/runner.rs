//! The runner: what a function builds once, and does with each event.

use domain::config::{Found, Settings};
use domain::event::Event;
use domain::refusal::Refusal;
use domain::report::Outcome;
use domain::request::{Function, Request};
use lambda_runtime::{Error, LambdaEvent};
use serde_json::Value;
use tracing::Instrument;

use crate::call::{Call, Ended, Patience};
use crate::can::{Abilities, Ability};
use crate::clients::Clients;
use crate::deadline::{Deadline, now};
use crate::errors::Trouble;
use crate::observe::ListenerCache;
use crate::services::Services;
use crate::{direct, job, report};

/// One function: its clients, its config, and what a warm process remembers.
#[derive(Debug)]
pub struct Runner {
    pub(crate) function: Function,
    pub(crate) can: Abilities,
    pub(crate) clients: Clients,
    pub(crate) services: Services,
    pub(crate) listeners: ListenerCache,
}

impl Runner {
    /// Builds it from the environment. What is wrong there is answered to each call: a job that nobody answers hangs.
    pub fn new(function: Function, abilities: &[Ability]) -> Self {
        Self {
            function,
            can: Abilities::of(abilities),
            clients: Clients::new(|key| std::env::var(key).ok()),
            services: Services::new(Settings::from_variables(
                std::env::vars_os()
                    .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?))),
            )),
            listeners: ListenerCache::default(),
        }
    }

    /// Answers one event.
    ///
    /// # Errors
    /// Where Lambda is to deliver the event again: its end could not be put to the job, or AWS hindered what nobody else would
    /// ask for again. And where it is of no kind that the function knows.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, Error> {
        let deadline = Deadline::from_milliseconds(event.context.deadline);
        let span =
            tracing::info_span!("call", function = self.function.as_str(), request_id = event.context.request_id);
        // Boxed, for futures within futures get deeper than the compiler goes.
        Box::pin(self.answer(&event.payload, deadline)).instrument(span).await
    }

    async fn answer(&self, payload: &Value, deadline: Deadline) -> Result<Value, Error> {
        match domain::event::read(payload, self.function) {
            Ok(Event::Job { id, ask, token }) => job::answer(self, &id, ask, token, deadline).await,
            Ok(Event::Direct(ask)) => Ok(direct::answer(self, ask, deadline).await),
            Ok(
                event @ (Event::ExecutionEnded { .. }
                | Event::ApprovalFailed { .. }
                | Event::Alarm { .. }
                | Event::Sweep),
            ) => match self.can.events {
                Some(answer) => answer(self, deadline, event).await,
                None => Err(Trouble::unable("answer events").into()),
            },
            Err(unknown) => {
                tracing::error!(error = unknown, "unknown event");
                Err(unknown.into())
            }
        }
    }

    /// Refuses a call that names no service rightly: its people cannot be known, so all of the topic are told.
    pub(crate) async fn refuse(&self, problems: Vec<String>, deadline: Deadline) -> String {
        let refusal = Refusal::BadCall { problems };
        let metrics = domain::metrics::of_bad_call(self.function, now()).map(|metrics| metrics.to_string());
        tracing::error!(error = %refusal, metrics = metrics.as_deref(), "the call is not right");
        let topic = self.services.settings.notify_topic_arn.as_deref();
        let notice = domain::report::bad_call(self.function, &refusal);
        let untold = report::close(&self.clients, deadline, None, topic, notice.as_ref()).await;
        untold.into_iter().fold(refusal.to_string(), |text, more| format!("{text}\n{more}"))
    }

    /// Carries a request out, and says where its notices go.
    pub(crate) async fn serve(&self, request: &Request, deadline: Deadline) -> (Ended, Option<String>) {
        let everyones = self.services.settings.notify_topic_arn.clone();
        match self.services.find(&self.clients, &request.service).await {
            Ok(Some(found)) => {
                let topic = found.notify_topic_arn.clone();
                (self.serve_found(request, &found, deadline).await, topic)
            }
            Ok(None) => {
                let refusal =
                    Refusal::UnknownService { service: request.service.clone(), known: self.services.known() };
                (Ended::with(Outcome::Refused(refusal)), everyones)
            }
            Err(error) => (Ended::by(&Trouble::Aws(error), request.troubled), everyones),
        }
    }

    async fn serve_found(&self, request: &Request, found: &Found, deadline: Deadline) -> Ended {
        let problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
        let table = self.services.settings.lease_table.as_deref();
        let good_enough = problems.is_empty() || request.verb.needs_only_listener();
        let (Some(service), Some(table), true) = (&found.service, table, good_enough) else {
            return Ended::with(Outcome::Refused(Refusal::BadConfig { service: request.service.clone(), problems }));
        };
        let call = Call {
            clients: &self.clients,
            can: &self.can,
            listeners: &self.listeners,
            table,
            service,
            request,
            topic: found.notify_topic_arn.as_deref(),
            deadline,
            patience: Patience::Some,
            listed_groups: &[],
        };
        let mut ended = call.run().await;
        if let (Outcome::Done(_, beside), false) = (&mut ended.outcome, problems.is_empty()) {
            beside.push(format!("The config of {} has faults beside: {}.", request.service, problems.join("; ")));
        }
        ended
    }
}

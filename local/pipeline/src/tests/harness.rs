//! A pipeline whose world is scripted: calls come out of a channel, the test answers them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda::cloudformation::Names;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::{
    Api, Build, Built, Deployment, Engine, ExecutionStatus, Hooks, Invocation, Notice, Object, ObjectVersion,
    OpenApproval, Pipeline, Refusal, Settings,
};

/// Every wait ends after this much of the paused clock: far longer than the polls, far shorter than an approval.
const PATIENCE: Duration = Duration::from_secs(3 * 60 * 60);

pub(super) const TEMPLATE: &str = include_str!("pipeline.yaml");

/// How the deploy hook answers.
#[derive(Clone, Debug)]
pub(super) enum Deploys {
    Well,
    Badly(&'static str),
    Never,
}

pub(super) struct World {
    pub engine: Engine,
    pub api: Api,
    pub deploys: Arc<Mutex<VecDeque<Deploys>>>,
    pub deployed: UnboundedReceiver<Deployment>,
    pub builds: UnboundedReceiver<Build>,
    pub read: UnboundedReceiver<ObjectVersion>,
    pub notices: UnboundedReceiver<Notice>,
    calls: UnboundedReceiver<Invocation>,
    events: UnboundedReceiver<Value>,
}

/// A call of a function, as it came.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub function: String,
    pub job: String,
    pub data: Value,
}

impl Call {
    pub(super) fn parameters(&self) -> &str {
        self.data["actionConfiguration"]["configuration"]["UserParameters"].as_str().unwrap()
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(TEMPLATE, Settings::default())
    }

    pub(super) fn with(template: &str, settings: Settings) -> Self {
        let pipeline = Pipeline::parse("pipeline.yaml", template, &Names::default()).unwrap();
        let (call, calls) = unbounded_channel();
        let (emit, events) = unbounded_channel();
        let (deploy, deployed) = unbounded_channel();
        let (build, builds) = unbounded_channel();
        let (look, read) = unbounded_channel();
        let (publish, notices) = unbounded_channel();
        let deploys: Arc<Mutex<VecDeque<Deploys>>> = Arc::default();
        let script = Arc::clone(&deploys);
        let hooks = Hooks {
            invoke: Hooks::hook(move |invocation: Invocation| {
                let known = invocation.function != "missing";
                let sent = call.send(invocation);
                async move {
                    drop(sent);
                    if known { Ok(()) } else { Err("there is no function missing".to_owned()) }
                }
            }),
            emit: Hooks::hook(move |event| {
                let sent = emit.send(event);
                async move { drop(sent) }
            }),
            build: Hooks::hook(move |order: Build| {
                let built = (order.project != "broken").then(|| Built {
                    artifact: "what was built".into(),
                    variables: BTreeMap::from([("IMAGE".to_owned(), "web@sha256:1".to_owned())]),
                });
                let sent = build.send(order);
                async move {
                    drop(sent);
                    built.ok_or_else(|| "there is no project broken".to_owned())
                }
            }),
            deploy: Hooks::hook(move |deployment| {
                let sent = deploy.send(deployment);
                let answer = script.lock().unwrap().pop_front().unwrap_or(Deploys::Well);
                async move {
                    drop(sent);
                    match answer {
                        Deploys::Well => Ok("2 of 2 instances".to_owned()),
                        Deploys::Badly(why) => Err(why.to_owned()),
                        Deploys::Never => std::future::pending().await,
                    }
                }
            }),
            read_object: Hooks::hook(move |object: ObjectVersion| {
                let version = object.version.clone().unwrap_or_else(|| "newest".to_owned());
                let known = object.key == "build.zip";
                let sent = look.send(object);
                async move {
                    drop(sent);
                    let bytes = "the revision".into();
                    let object = Object { version: Some(version), etag: Some("\"e1\"".to_owned()), bytes };
                    if known { Ok(object) } else { Err("there is no such object".to_owned()) }
                }
            }),
            publish: Hooks::hook(move |notice| {
                let sent = publish.send(notice);
                async move { drop(sent) }
            }),
        };
        let engine = Engine::start(pipeline, hooks, settings);
        let api = Api::of(&[&engine]);
        Self { engine, api, deploys, deployed, builds, read, notices, calls, events }
    }

    /// Uploads a build; gives the execution's id.
    pub(super) fn upload(&self, version: &str) -> String {
        self.engine.on_upload("builds", "build.zip", Some(version)).unwrap()
    }

    pub(super) fn ask(&self, action: &str, body: Value) -> Result<Value, Refusal> {
        self.api.answer(action, "ALICE", &body)
    }

    /// The error code that a call is refused with.
    pub(super) fn refused(&self, action: &str, body: Value) -> &'static str {
        self.ask(action, body).unwrap_err().code.name()
    }

    /// Waits for the next call of a function, which has to be this one.
    pub(super) async fn called(&mut self, function: &str) -> Call {
        let invocation = timeout(PATIENCE, self.calls.recv()).await.unwrap().unwrap();
        let job = &invocation.event["CodePipeline.job"];
        let call = Call {
            function: invocation.function.clone(),
            job: job["id"].as_str().unwrap().to_owned(),
            data: job["data"].clone(),
        };
        assert_eq!(call.function, function, "{}", invocation.event);
        call
    }

    /// Says that no function was called.
    pub(super) fn assert_no_call(&mut self) {
        assert!(self.calls.try_recv().is_err());
    }

    /// Waits for the next call of a function and reports success.
    pub(super) async fn works(&mut self, function: &str, variables: Value) -> Call {
        let call = self.called(function).await;
        self.ask("PutJobSuccessResult", json!({ "jobId": call.job, "outputVariables": variables })).unwrap();
        call
    }

    /// Waits for the next call of a function and reports failure.
    pub(super) async fn fails(&mut self, function: &str, message: &str) -> Call {
        let call = self.called(function).await;
        let details = json!({ "type": "JobFailed", "message": message });
        self.ask("PutJobFailureResult", json!({ "jobId": call.job, "failureDetails": details })).unwrap();
        call
    }

    pub(super) async fn approval(&self, execution: &str, action: &str) -> OpenApproval {
        timeout(PATIENCE, self.engine.approval(execution, action)).await.unwrap().unwrap()
    }

    /// Waits for an approval and answers it.
    pub(super) async fn answers(&self, execution: &str, action: &str, status: &str) -> OpenApproval {
        let open = self.approval(execution, action).await;
        self.ask("PutApprovalResult", approval_result(&open, status, "looks so")).unwrap();
        open
    }

    /// Brings an execution to its first approval.
    pub(super) async fn until_ship_it(&mut self, execution: &str) -> OpenApproval {
        self.works("provision", json!({ "Release": execution })).await;
        self.works("register", json!({ "Url": "http://pre" })).await;
        self.approval(execution, "ShipIt").await
    }

    pub(super) async fn over(&self, execution: &str) -> ExecutionStatus {
        timeout(PATIENCE, self.engine.over(execution)).await.unwrap()
    }

    /// Waits until an execution waits in front of a stage.
    pub(super) async fn waits_before(&self, execution: &str, stage: usize) {
        let look = || {
            let state = self.state();
            let inbound = &state["stageStates"][stage]["inboundExecution"]["pipelineExecutionId"];
            (inbound == execution).then_some(())
        };
        timeout(PATIENCE, self.engine.until(look)).await.unwrap();
    }

    pub(super) fn state(&self) -> Value {
        self.ask("GetPipelineState", json!({ "name": "mobile-web" })).unwrap()
    }

    /// The newest run of an action, as `ListActionExecutions` has it.
    pub(super) fn run(&self, action: &str) -> Value {
        let all = self.ask("ListActionExecutions", json!({ "pipelineName": "mobile-web" })).unwrap();
        let runs = all["actionExecutionDetails"].as_array().unwrap();
        runs.iter().find(|run| run["actionName"] == action).unwrap().clone()
    }

    pub(super) fn execution(&self, id: &str) -> Value {
        let body = json!({ "pipelineName": "mobile-web", "pipelineExecutionId": id });
        self.ask("GetPipelineExecution", body).unwrap()["pipelineExecution"].clone()
    }

    /// Collects events until the pipeline's own of this execution and state has come.
    pub(super) async fn events_until(&mut self, execution: &str, state: &str) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            let event = timeout(PATIENCE, self.events.recv()).await.unwrap().unwrap();
            let detail = &event["detail"];
            let last = event["detail-type"] == "CodePipeline Pipeline Execution State Change"
                && detail["execution-id"] == execution
                && detail["state"] == state;
            seen.push(event);
            if last {
                return seen;
            }
        }
    }
}

pub(super) fn approval_result(open: &OpenApproval, status: &str, summary: &str) -> Value {
    json!({
        "pipelineName": "mobile-web",
        "stageName": open.stage,
        "actionName": open.action,
        "token": open.token,
        "result": { "status": status, "summary": summary },
    })
}

/// An event in a line: what it is about, and its state.
pub(super) fn told(event: &Value) -> String {
    let detail = &event["detail"];
    let text = |key: &str| detail[key].as_str().unwrap_or("?");
    let about = match event["detail-type"].as_str().unwrap() {
        "CodePipeline Pipeline Execution State Change" => "pipeline".to_owned(),
        "CodePipeline Stage Execution State Change" => text("stage").to_owned(),
        "CodePipeline Action Execution State Change" => format!("{}.{}", text("stage"), text("action")),
        "CodeDeploy Deployment State-change Notification" => "deployment".to_owned(),
        other => panic!("{other}"),
    };
    format!("{about} {}", text("state"))
}

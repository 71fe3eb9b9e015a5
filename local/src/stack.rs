//! The stack: every part, started in order, tied to the others, and stopped with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway::{Aws, Gateway, Moto};
use lambda::cloudformation::{Document, Names};
use lambda::{Bus, DeadLetter, Functions, Template};
use machines::{Machines, Project, Reservation};
use pipeline::{Engine, Pipeline};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

use crate::account::{self, Account, Place};
use crate::builds;
use crate::deployments::{self, Script};
use crate::notices::Notices;
use crate::prices;
use crate::quotas;
use crate::service;
use crate::trouble::{Result, Trouble, While};
use crate::uploads;

mod drive;
mod fork;
mod hooks;
mod options;

pub use drive::{Approval, PATIENCE};
pub use fork::Fork;
pub use options::{Options, Servers};

/// Everything, running. It stops when it is dropped.
pub struct Stack {
    // Fields are dropped in this order: who calls before who is called.
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
    bus: Bus,
    functions: Functions,
    gateway: Gateway,
    machines: Option<Arc<Machines>>,
    moto: Moto,
    account: Account,
    options: Options,
}

/// What the parts know of each other while they run.
pub(crate) struct Shared {
    engines: Mutex<Vec<Arc<Engine>>>,
    /// The configs of the services, by name: a deployment needs the port.
    configs: Mutex<BTreeMap<String, Value>>,
    events: broadcast::Sender<Value>,
    /// The executions whose end is on the bus.
    ended: watch::Sender<BTreeSet<String>>,
    notices: Notices,
    script: Script,
    /// What can be deployed to, by CodeDeploy's own API.
    groups: Mutex<Vec<deployments::Group>>,
    started: deployments::api::Started,
    problems: Mutex<Vec<String>>,
}

impl Shared {
    fn engines(&self) -> Vec<Arc<Engine>> {
        lock(&self.engines).clone()
    }

    fn problem(&self, what: String) {
        lock(&self.problems).push(what);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stack {
    /// Starts all parts, with the account made and the first service's pipeline in place.
    ///
    /// # Errors
    ///
    /// Where a part does not start; the sentence says what to do.
    pub async fn start(options: Options) -> Result<Self> {
        let moto = Moto::start(&options.venv).await?;
        let gateway = Gateway::start(moto.url()).await.when("the gateway")?;
        if let Some(folder) = &options.journal {
            gateway.keep_journal(folder).when("the journal of calls")?;
        }
        let set_up = Aws::new(moto.url(), "SETUP");

        let reservation = match options.servers {
            Servers::Real => Some(Reservation::take()?),
            Servers::Scripted => {
                gateway.health().set_scripted_healthy(true);
                None
            }
        };
        let place = reservation.as_ref().map_or_else(Place::nowhere, Place::of);
        let template_path = options.repository.join("template.yaml");
        let example = service::example(&options.repository)?;
        let account = Account::make(&set_up, &template_path, &example, &place).await.when("the account")?;
        let mut config = service::in_account(&example, &account);
        (options.change)(&mut config);

        let machines = match reservation {
            Some(reservation) => {
                Some(Arc::new(start_machines(&options, reservation, &gateway, &moto, &account).await?))
            }
            None => None,
        };

        let names =
            options.parameters.iter().fold(account::names(), |names, (name, value)| names.with(name, value.as_str()));
        let mut template = Template::read(&template_path, &names)?;
        let mut variables = options.variables.clone();
        for (name, text) in variables.iter_mut().filter(|(name, _)| name.starts_with("SERVICE_")) {
            *text = service::in_account(&serde_json::from_str(text).when(name)?, &account).to_string();
        }
        if !options.in_parameter {
            variables.insert(service::variable(&options.service), config.to_string());
        }
        for function in &mut template.functions {
            function.environment.extend(variables.clone());
            function.timeout = options.timeout.unwrap_or(function.timeout);
        }
        let settings = lambda::Settings::new(&options.bootstraps, gateway.url())
            .region(account::REGION)
            .logs_to(Aws::new(moto.url(), "LAMBDA"))
            .delay_scale(options.retry_scale)
            .on_dead_letter(dead_letters(set_up.clone(), account.dead_letters_url.clone()));
        let functions = Functions::start(template.functions, settings)?;
        gateway.mount("lambda", lambda::api::handler(functions.clone()));
        gateway.mount("pricing", prices::handler());
        gateway.mount("servicequotas", quotas::handler());
        let bus = Bus::new(functions.clone(), template.rules, account::REGION, account::ACCOUNT_ID);

        let shared = Arc::new(Shared {
            engines: Mutex::default(),
            configs: Mutex::new(BTreeMap::from([(options.service.clone(), config.clone())])),
            events: broadcast::Sender::new(4096),
            ended: watch::Sender::default(),
            notices: Notices::default(),
            script: Script::default(),
            groups: Mutex::default(),
            started: deployments::api::Started::default(),
            problems: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        let told = told_queue(&set_up, &account).await?;
        let topics: BTreeSet<&String> = bus
            .rules()
            .iter()
            .flat_map(|rule| &rule.topics)
            .map(|(topic, _)| topic)
            .filter(|topic| **topic != account.topic_arn)
            .collect();
        for topic in topics {
            topic_for(&set_up, topic, &account.queue_arn).await?;
        }
        tasks.spawn(shared.notices.clone().follow(set_up.clone(), told, gateway.subscribe()));
        let engines = Arc::clone(&shared);
        tasks.spawn(uploads::follow(gateway.subscribe(), set_up, move || engines.engines()));

        let stack = Self { tasks, shared, bus, functions, gateway, machines, moto, account, options };
        let service = stack.options.service.clone();
        if stack.options.in_parameter {
            stack.put_service(&service, &config).await?;
        }
        stack.add_pipeline(&service).await?;
        Ok(stack)
    }

    /// Runs the example's pipeline for a service, beside those that run already.
    ///
    /// # Errors
    ///
    /// Where the template cannot be run, or the simulator refuses what the pipeline needs.
    pub async fn add_pipeline(&self, service: &str) -> Result<Arc<Engine>> {
        let names = account::names()
            .with("ServiceName", service)
            .with("SourceBucketName", bucket(service))
            .with("ApprovalEmail", "")
            .with("Application", service);
        self.run_example(service::EXAMPLE, &names).await
    }

    /// Runs the pipeline of an example, beside those that run already. `names` has what its template's parameters are, and
    /// the resources that its projects and deployment groups name.
    ///
    /// # Errors
    ///
    /// Where the template cannot be run, or the simulator refuses what the pipeline needs.
    pub async fn run_example(&self, example: &str, names: &Names) -> Result<Arc<Engine>> {
        let path = self.options.repository.join(example).join("pipeline.yaml");
        let template = Document::read(&path, names)?;
        let (projects, groups) = (builds::projects(&template)?, deployments::groups(&template)?);
        self.run_pipeline(Pipeline::read(&path, names)?, projects, groups).await
    }

    /// Runs any pipeline, beside those that run already; `build.zip` in the bucket `<its name>-builds` is its source.
    ///
    /// # Errors
    ///
    /// Where the simulator refuses what the pipeline needs.
    pub async fn run_pipeline(
        &self,
        pipeline: Pipeline,
        projects: Vec<Project>,
        groups: Vec<deployments::Group>,
    ) -> Result<Arc<Engine>> {
        let moto = self.moto();
        account::versioned_bucket(&moto, &bucket(&pipeline.name)).await.when("the source bucket")?;
        self.deployable(&groups);
        for topic in approval_topics(&pipeline) {
            topic_for(&moto, &topic, &self.account.queue_arn).await?;
        }
        let engine = Arc::new(Engine::start(pipeline, self.hooks(projects, groups), pipeline::Settings::default()));
        let mut engines = lock(&self.shared.engines);
        engines.push(Arc::clone(&engine));
        let all: Vec<&Engine> = engines.iter().map(AsRef::as_ref).collect();
        self.gateway.mount("codepipeline", pipeline::handler(&all));
        Ok(engine)
    }

    /// Lets builds deploy to these groups by CodeDeploy's API, beside those of before.
    pub fn deployable(&self, groups: &[deployments::Group]) {
        let mut all = lock(&self.shared.groups);
        all.extend_from_slice(groups);
        let handler =
            deployments::api::handler(all.clone(), self.deploy(all.clone()), self.moto(), self.shared.started.clone());
        self.gateway.mount("codedeploy", handler);
    }

    /// Configures a service by an SSM parameter below `SERVICES_PATH`; a process that has read the one before believes it for a minute.
    ///
    /// # Errors
    ///
    /// Where the simulator refuses it.
    pub async fn put_service(&self, name: &str, config: &Value) -> Result<()> {
        lock(&self.shared.configs).insert(name.to_owned(), config.clone());
        self.put_parameter(&format!("{}/{name}", self.services_path()), &config.to_string()).await
    }

    /// Sets an SSM parameter.
    ///
    /// # Errors
    ///
    /// Where the simulator refuses it.
    pub async fn put_parameter(&self, name: &str, value: &str) -> Result<()> {
        let input = json!({"Name": name, "Value": value, "Type": "String", "Overwrite": true});
        self.moto().json("ssm", "AmazonSSM.PutParameter", input).await?;
        Ok(())
    }

    /// Where services are looked up that no variable names.
    #[must_use]
    pub fn services_path(&self) -> String {
        let spec = self.functions.specs().next();
        spec.and_then(|spec| spec.environment.get("SERVICES_PATH")).cloned().unwrap_or_default()
    }

    /// The example's config in this account, for a service of this number: with hosts, names and priorities of its own.
    ///
    /// # Errors
    ///
    /// Where the example cannot be read.
    pub fn config(&self, name: &str, number: u32) -> Result<Value> {
        let example = service::example(&self.options.repository)?;
        Ok(service::apart(service::in_account(&example, &self.account), name, number))
    }

    /// A client of the simulator itself: for set-up and for looks, neither recorded nor corrected.
    #[must_use]
    pub fn moto(&self) -> Aws {
        Aws::new(self.moto.url(), "SETUP")
    }

    /// What the simulator said last.
    #[must_use]
    pub fn moto_log(&self) -> String {
        self.moto.log()
    }

    /// A client of the gateway, by an access key id.
    #[must_use]
    pub fn aws(&self, access_key: &str) -> Aws {
        self.gateway.aws(access_key)
    }

    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    #[must_use]
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    #[must_use]
    pub fn notices(&self) -> &Notices {
        &self.shared.notices
    }

    /// How deployments end where there are no servers.
    #[must_use]
    pub fn deployments(&self) -> &Script {
        &self.shared.script
    }

    /// The machines, where servers are real.
    #[must_use]
    pub fn machines(&self) -> Option<&Machines> {
        self.machines.as_deref()
    }

    /// The events that the pipelines put on the bus, from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Value> {
        self.shared.events.subscribe()
    }

    /// What went wrong between the parts, where nobody waited for an answer.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        lock(&self.shared.problems).clone()
    }

    /// The pipeline of a service.
    ///
    /// # Errors
    ///
    /// Where it has none.
    pub fn engine(&self, service: &str) -> Result<Arc<Engine>> {
        let found = self.shared.engines().into_iter().find(|engine| engine.name() == service);
        found.ok_or_else(|| Trouble::new(format!("there is no pipeline {service}")))
    }

    /// Where the load balancer is reached; nothing where servers are scripted.
    #[must_use]
    pub fn load_balancer_url(&self) -> String {
        self.machines.as_ref().map(|machines| machines.load_balancer_url()).unwrap_or_default()
    }

    /// A service's config as it was given here.
    #[must_use]
    pub fn config_of(&self, service: &str) -> Value {
        lock(&self.shared.configs).get(service).cloned().unwrap_or_default()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.tasks.abort_all();
        lock(&self.shared.engines).clear();
        // Mounted handlers hold the functions too; their processes end here.
        self.functions.stop();
    }
}

async fn start_machines(
    options: &Options,
    reservation: Reservation,
    gateway: &Gateway,
    moto: &Moto,
    account: &Account,
) -> Result<Machines> {
    let run = format!("run-{}", reservation.listener_port.port());
    let config = machines::Config {
        folder: options.folder.join(run),
        reservation,
        moto: Aws::new(moto.url(), "MACHINES"),
        gateway,
        check_speed: options.check_speed,
        lagging_nodes: options.lagging_nodes.clone(),
    };
    let machines = Machines::start(config).await?;
    machines.follow_listener(&account.listener_arn).await?;
    Ok(machines)
}

/// The bucket that a pipeline's builds are uploaded to.
#[must_use]
pub fn bucket(pipeline: &str) -> String {
    format!("{pipeline}-builds")
}

/// The topics that the pipeline's approvals are published to.
fn approval_topics(pipeline: &Pipeline) -> Vec<String> {
    let actions = pipeline.stages.iter().flat_map(|stage| &stage.actions);
    let mut topics: Vec<String> =
        actions.filter_map(|action| action.configuration.get("NotificationArn").cloned()).collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}

/// Makes a topic, with the user's queue and the stack's own subscribed to it.
async fn topic_for(moto: &Aws, topic: &str, queue_arn: &str) -> Result<()> {
    let name = topic.rsplit(':').next().unwrap_or_default();
    moto.query("sns", "CreateTopic", &[("Name", name)]).await?;
    for queue in [queue_arn, &told_arn()] {
        account::subscribe(moto, topic, queue).await?;
    }
    Ok(())
}

/// The queue that the stack itself reads; the other one is the user's.
const TOLD: &str = "told";

fn told_arn() -> String {
    format!("arn:aws:sqs:{}:{}:{TOLD}", account::REGION, account::ACCOUNT_ID)
}

async fn told_queue(moto: &Aws, account: &Account) -> Result<String> {
    let answer = moto.json("sqs", "AmazonSQS.CreateQueue", json!({"QueueName": TOLD})).await?;
    account::subscribe(moto, &account.topic_arn, &told_arn()).await?;
    Ok(answer.get("QueueUrl").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Puts what Lambda gave up on into the dead-letter queue.
fn dead_letters(moto: Aws, queue_url: String) -> impl Fn(DeadLetter) -> drive::Sent + Send + Sync + 'static {
    move |letter: DeadLetter| {
        let (moto, queue_url) = (moto.clone(), queue_url.clone());
        Box::pin(async move {
            let attributes: serde_json::Map<String, Value> = letter
                .attributes
                .into_iter()
                .map(|(name, kind, value)| (name, json!({"DataType": kind, "StringValue": value})))
                .collect();
            let input = json!({"QueueUrl": queue_url, "MessageBody": letter.body, "MessageAttributes": attributes});
            // Nobody is left who could be told.
            let _ =
                tokio::time::timeout(Duration::from_secs(10), moto.json("sqs", "AmazonSQS.SendMessage", input)).await;
        })
    }
}

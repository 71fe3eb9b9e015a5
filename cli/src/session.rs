//! Which account, by whose credentials, and where the services' configs are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use domain::aws::Kind;
use domain::config::{Found, Service};
use domain::id::ServiceName;
use domain::refusal::{Hold, Refusal};
use domain::request::{Function, Verb};
use runtime::desk::{Desk, Hindrance};
use view::arguments::{From, Shared};
use view::credentials::{self, Keys, Profile, Way};
use view::exit::{self, Fault};
use view::source::{self, Given, Left};
use view::validate::elsewhere;

use crate::prices::Prices;

/// What is taken over from the environment as it is.
const AS_IT_IS: [&str; 2] = ["AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"];

/// An account at hand.
pub struct Session {
    pub desk: Desk,
    pub prices: Prices,
    pub place: exit::Session,
    /// What is not known of configs that were given.
    pub left: Left,
    /// Why what all services share is not known.
    pub unseen: Option<String>,
    prefix: String,
}

impl Session {
    /// Opens a session: credentials, region, and the services as they are configured.
    pub async fn open(shared: &Shared, from: &From, service: Option<&str>) -> Result<Self, Fault> {
        let given = given(from, service)?;
        let mut session = Self::without_services(shared)?;
        let given = match given {
            Some(given) if given.is_whole => given,
            given => {
                let deployed = session.desk.variables_of(&session.function(Function::Teardown)).await;
                match (deployed, given) {
                    (Ok(deployed), None) => Given::whole(deployed),
                    (Ok(deployed), Some(given)) => given.over(&deployed),
                    // A config may be there before the functions are.
                    (Err(Hindrance::Aws(error)), Some(given))
                        if matches!(error.kind, Kind::NotThere | Kind::Denied) =>
                    {
                        let why = session.fault(Hindrance::Aws(error)).sentence;
                        session.unseen =
                            Some(format!("What the deployed functions say of all services is not seen: {why}"));
                        given
                    }
                    (Err(why), _) => return Err(session.fault(why)),
                }
            }
        };
        session.left = given.left();
        session.desk = session.desk.with(given.settings());
        Ok(session)
    }

    /// The same, for what asks for no service's config.
    pub fn without_services(shared: &Shared) -> Result<Self, Fault> {
        let named = shared.profile.as_deref();
        let name = named.map(str::to_owned).or_else(|| variable("AWS_PROFILE")).unwrap_or_else(|| "default".to_owned());
        let profile = Profile::read(
            &name,
            &file("AWS_CONFIG_FILE", "config"),
            &file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        );
        let region =
            shared.region.clone().or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = region.or_else(|| profile.region()).ok_or_else(|| {
            Fault::new(exit::NO_AWS, "Which region? Say --region, or set AWS_REGION, or a region in the profile.")
        })?;
        if region.is_empty() || !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Fault::new(exit::USAGE, format!("\"{region}\" is no region: they are named like eu-west-1.")));
        }
        let way = credentials::way(variable, named, &name, &profile);
        let is_named = !matches!(way, Way::Keys(_)) || named.is_some();
        let Keys { id, secret, token } = keys(way, &name, is_named)?;
        let mut variables: BTreeMap<String, String> =
            AS_IT_IS.into_iter().filter_map(|name| Some((name.to_owned(), variable(name)?))).collect();
        variables.extend([
            ("AWS_REGION".to_owned(), region.clone()),
            ("AWS_ACCESS_KEY_ID".to_owned(), id),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), secret),
        ]);
        variables.extend(token.map(|token| ("AWS_SESSION_TOKEN".to_owned(), token)));
        Ok(Self {
            desk: Desk::new(&variables),
            prices: Prices::default(),
            place: exit::Session { region, profile: is_named.then_some(name) },
            left: Left::default(),
            unseen: None,
            prefix: shared.prefix.clone(),
        })
    }

    /// What hindered it, for a person.
    pub fn fault(&self, hindrance: Hindrance) -> Fault {
        match hindrance {
            Hindrance::Aws(error) => exit::of_aws(&error, &self.place),
            Hindrance::Refused(sentence) => Fault::refused(format!("{}.", sentence.trim_end_matches('.'))),
            Hindrance::Other(sentence) => Fault::new(exit::FAILED, format!("{}.", sentence.trim_end_matches('.'))),
        }
    }

    /// Who holds a service; or why that is not seen.
    pub async fn held(&self, service: &ServiceName) -> (Option<Hold>, Option<String>) {
        if source::lease_table(self.desk.settings()).is_none() {
            let why = "Whether somebody holds it is not seen: from here the lease table's name is not known.";
            return (None, Some(why.to_owned()));
        }
        match self.desk.held(service).await {
            Ok(held) => (held, None),
            Err(why) => {
                let why = self.fault(why).sentence;
                (None, Some(format!("Whether somebody holds it could not be seen: {why}")))
            }
        }
    }

    /// A function's name here.
    pub fn function(&self, function: Function) -> String {
        format!("{}-{}", self.prefix, function.as_str())
    }

    /// The function that carries a verb out.
    pub fn function_of(&self, verb: &Verb) -> String {
        self.function(match verb {
            Verb::Provision => Function::Provision,
            Verb::Register => Function::Register,
            Verb::Promote => Function::Promote,
            Verb::Finish | Verb::Rollback { .. } | Verb::Freeze { .. } | Verb::Remove | Verb::Sweep => {
                Function::Teardown
            }
        })
    }

    /// A service that is configured, with whatever is wrong with it.
    pub async fn found(&self, name: &str) -> Result<(ServiceName, Found), Fault> {
        let name = service_name(name)?;
        let found = self.desk.service(&name).await.map_err(|why| self.fault(why))?;
        let found = found.ok_or_else(|| {
            let refusal = Refusal::UnknownService { service: name.clone(), known: self.desk.known() };
            Fault::refused(format!("{refusal}."))
        })?;
        Ok((name, found))
    }

    /// A service whose config can be worked with.
    pub async fn service(&self, name: &str) -> Result<(Found, Service), Fault> {
        let (name, found) = self.found(name).await?;
        self.readable(&name, found)
    }

    /// A config that can be looked by: its listener and its rules can be read, and are in this region.
    pub fn readable(&self, name: &ServiceName, found: Found) -> Result<(Found, Service), Fault> {
        if let Some(left) = self.left.sentence(name) {
            return Err(Fault::refused(format!("{left}.")));
        }
        let Some(service) = found.service.clone() else {
            let problems = found.problems.iter().map(ToString::to_string).collect();
            return Err(Fault::refused(format!("{}.", Refusal::BadConfig { service: name.clone(), problems })));
        };
        self.is_here(&format!("The listener of {name}"), service.listener_arn.as_str())?;
        Ok((found, service))
    }

    /// That something is in the region that is looked at: AWS calls the ARN of another one no valid ARN.
    pub fn is_here(&self, what: &str, arn: &str) -> Result<(), Fault> {
        let here = &self.place.region;
        match elsewhere(arn, here) {
            None => Ok(()),
            Some(there) => Err(Fault::new(
                exit::NO_AWS,
                format!("{what} is in {there}, and this looks at {here}. Use --region {there} ({arn})."),
            )),
        }
    }
}

/// A service's name as it was given.
pub fn service_name(name: &str) -> Result<ServiceName, Fault> {
    ServiceName::new(name).map_err(|wrong| Fault::new(exit::USAGE, format!("{wrong}.")))
}

/// The services that a file or this process's environment names.
pub fn given(from: &From, service: Option<&str>) -> Result<Option<Given>, Fault> {
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|error| Fault::new(exit::USAGE, format!("{} could not be read: {error}.", path.display())))
    };
    let given = if let Some(path) = &from.template {
        let wrong = |why| Fault::refused(format!("{} is no template of functions or services: {why}.", path.display()));
        Some(Given::of_template(&read(path)?).map_err(wrong)?)
    } else if let Some(path) = &from.config {
        let service = service.map(service_name).transpose()?;
        Some(Given::of_file(service.as_ref(), &read(path)?).map_err(|why| Fault::new(exit::USAGE, why))?)
    } else {
        from.env.then(|| Given::whole(environment()))
    };
    match (given, &from.defaults) {
        (Some(given), Some(path)) => Ok(Some(given.with_defaults(read(path)?))),
        (given, _) => Ok(given),
    }
}

fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// One of the two files of AWS's tools; nothing where it is not there.
fn file(variable_name: &str, name: &str) -> String {
    let at_home = || Some(PathBuf::from(variable("HOME")?).join(".aws").join(name));
    let path = variable(variable_name).map(PathBuf::from).or_else(at_home);
    path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
}

fn keys(way: Way, name: &str, is_named: bool) -> Result<Keys, Fault> {
    let no_aws = |sentence: String| Fault::new(exit::NO_AWS, sentence);
    let (what, mut command) = match way {
        Way::Keys(keys) => return Ok(keys),
        Way::NoProfile(name) => {
            return Err(no_aws(format!("There is no profile {name} in ~/.aws/config or ~/.aws/credentials.")));
        }
        Way::Process(line) => {
            let mut command = Command::new("sh");
            command.args(["-c", &line]);
            (format!("the credential_process of the profile {name}"), command)
        }
        Way::AwsCli => {
            let mut command = Command::new("aws");
            command.args(["configure", "export-credentials", "--format", "process"]);
            // The instance's own role is nobody's profile.
            if name != "default" {
                command.args(["--profile", name]);
            }
            ("`aws configure export-credentials`".to_owned(), command)
        }
    };
    let nothing = "There are no credentials for AWS: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with --profile";
    let output = command.output().map_err(|error| {
        no_aws(format!("{nothing}. Single sign-on, roles and the instance's own role need AWS's command-line tool, version 2 ({what}: {error})."))
    })?;
    if let (true, Some(keys)) = (output.status.success(), credentials::printed(&output.stdout)) {
        return Ok(keys);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = credentials::reason(&said);
    Err(no_aws(if is_named && name != "default" {
        format!(
            "There are no credentials for the profile {name}: {said}. If its session has expired: `aws sso login --profile {name}`."
        )
    } else {
        format!("{nothing} ({what}: {said}).")
    }))
}

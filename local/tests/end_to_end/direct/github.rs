//! What GitHub Actions does with a workflow, as far as the example uses it.

use serde_yaml_ng::Value as Yaml;

use super::files::{lines, members, only, scalar, yaml};
use super::workspace::{BUCKET, Variables, Workspace, variables};
use super::{Qa, policies};

const FILE: &str = "github-actions/release.yml";
const WENT_WRONG: &str = "${{ failure() || cancelled() }}";

/// What expressions may name, by its path: `github.run_id`, `vars.AWS_REGION`, `needs.pre-product.outputs.fingerprint`.
struct Context(Variables);

impl Context {
    /// Fills the expressions of a text in.
    fn fill(&self, text: &str) -> String {
        let mut parts = text.split("${{");
        let mut filled = parts.next().unwrap().to_owned();
        for part in parts {
            let (expression, rest) = part.split_once("}}").unwrap_or_else(|| panic!("{text} has no end"));
            let values = expression.split("||").map(|path| self.value(path.trim()));
            // Nothing, where each is nothing.
            filled.push_str(&values.into_iter().find(|value| !value.is_empty()).unwrap_or_default());
            filled.push_str(rest);
        }
        filled
    }

    fn value(&self, path: &str) -> String {
        // GitHub gives nothing for an output that no step has written.
        let nothing = path.contains(".outputs.").then(String::new);
        let value = self.0.get(path).cloned().or(nothing);
        value.unwrap_or_else(|| panic!("{FILE}: {path} is nothing that is known"))
    }

    fn variables(&self, yaml: &Yaml) -> Variables {
        members(yaml).map(|(name, value)| (name.to_owned(), self.fill(&scalar(value)))).collect()
    }
}

/// A run of the workflow.
pub struct Run<'a> {
    workspace: &'a Workspace<'a>,
    workflow: Yaml,
    context: Context,
}

impl<'a> Run<'a> {
    pub fn new(workspace: &'a Workspace<'a>, run: &str) -> Self {
        let workflow = yaml(workspace.stack, FILE);
        only("the workflow", &workflow, &["name", "on", "concurrency", "permissions", "env", "jobs"]);
        assert_eq!(scalar(&workflow["permissions"]["id-token"]), "write", "no token is given without it");
        assert_eq!(
            scalar(&workflow["concurrency"]["cancel-in-progress"]),
            "false",
            "no release is cut off by the next"
        );
        let context = Context(variables(&[
            ("github.run_id", run),
            ("vars.BUILDS_BUCKET", BUCKET),
            ("vars.PRODUCT_URL", "http://m.example.com"),
            ("vars.RELEASE_ROLE_ARN", policies::ROLE),
            ("vars.AWS_REGION", local::account::REGION),
        ]));
        let mut run = Self { workspace, workflow, context };
        run.attempt("1");
        run
    }

    /// Begins an attempt; what jobs gave in one before is kept.
    fn attempt(&mut self, attempt: &str) {
        self.context.0.insert("github.run_attempt".to_owned(), attempt.to_owned());
        let env = self.context.variables(&self.workflow["env"]);
        self.context.0.extend(env.into_iter().map(|(name, value)| (format!("env.{name}"), value)));
    }

    /// Runs it; answers whether it succeeded.
    pub async fn succeeds(&mut self, qa: Qa) -> bool {
        let jobs = self.workflow["jobs"].clone();
        let (mut done, mut failed) = (Vec::new(), false);
        for (name, job) in members(&jobs) {
            only(name, job, &["needs", "if", "runs-on", "environment", "outputs", "steps"]);
            let needs = &job["needs"];
            let needs = needs.as_str().map_or_else(|| lines(needs), |one| vec![one]);
            assert!(needs.iter().all(|needed| done.contains(needed)), "{name} needs {needs:?}");
            done.push(name);
            let runs = match job["if"].as_str() {
                None => !failed,
                Some(WENT_WRONG) => failed,
                Some(other) => panic!("{name}: {other} is not interpreted here"),
            };
            if !runs {
                continue;
            }
            // A rejected deployment fails its job before the first step.
            let rejected = job.get("environment").is_some() && qa == Qa::Rejects;
            failed |= rejected || !self.job(name, job).await;
        }
        !failed
    }

    /// Runs one of its jobs again, in an attempt of its own; answers whether it succeeded.
    pub async fn again(&mut self, name: &str) -> bool {
        self.attempt("2");
        let job = self.workflow["jobs"][name].clone();
        self.job(name, &job).await
    }

    async fn job(&mut self, name: &str, job: &Yaml) -> bool {
        let succeeded = steps(self.workspace, &mut self.context, &self.workflow["env"], job).await;
        // A job that failed gives its outputs too.
        let outputs = self.context.variables(&job["outputs"]);
        self.context.0.extend(outputs.into_iter().map(|(key, value)| (format!("needs.{name}.outputs.{key}"), value)));
        succeeded
    }
}

/// Runs the workflow; answers whether the run succeeded.
pub async fn run(workspace: &Workspace<'_>, run: &str, qa: Qa) -> bool {
    Run::new(workspace, run).succeeds(qa).await
}

async fn steps(workspace: &Workspace<'_>, context: &mut Context, env: &Yaml, job: &Yaml) -> bool {
    let mut credentials = Variables::new();
    for step in job["steps"].as_sequence().unwrap() {
        only("a step", step, &["name", "id", "uses", "with", "run", "env"]);
        if let Some(action) = step["uses"].as_str() {
            match action.split('@').next().unwrap() {
                "actions/checkout" => {}
                "aws-actions/configure-aws-credentials" => {
                    let with = context.variables(&step["with"]);
                    assert_eq!(with["role-to-assume"], policies::ROLE);
                    credentials = Workspace::keys();
                    credentials.insert("AWS_REGION".to_owned(), with["aws-region"].clone());
                }
                other => panic!("{other} is not known here"),
            }
            continue;
        }
        let mut variables = context.variables(env);
        variables.extend(context.variables(&step["env"]));
        variables.extend(credentials.clone());
        variables.insert("GITHUB_SHA".to_owned(), workspace.commit.clone());
        let outputs = workspace.path().join("github-output");
        std::fs::write(&outputs, "").unwrap();
        variables.insert("GITHUB_OUTPUT".to_owned(), outputs.display().to_string());
        if !workspace.shell(&["bash", "-e"], step["run"].as_str().unwrap(), &variables).await {
            return false;
        }
        if let Some(id) = step["id"].as_str() {
            let written = workspace.read("github-output");
            context.0.extend(written.into_iter().map(|(key, value)| (format!("steps.{id}.outputs.{key}"), value)));
        }
    }
    true
}

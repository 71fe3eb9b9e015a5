//! What GitLab does with a pipeline, as far as the example uses it.

use serde_yaml_ng::Value as Yaml;

use super::files::{lines, members, only, scalar, yaml};
use super::workspace::{BUCKET, Variables, Workspace, variables};
use super::{Qa, policies};

const FILE: &str = "gitlab-ci/.gitlab-ci.yml";
/// What at the top of the file is no job.
const GLOBAL: [&str; 4] = ["workflow", "stages", "variables", "default"];

/// Runs the pipeline; answers whether it succeeded.
pub async fn run(workspace: &Workspace<'_>, pipeline: &str, qa: Qa) -> bool {
    let file = yaml(workspace.stack, FILE);
    let mut environment = environment(workspace);
    let mut count = 0;
    let pressed = if qa == Qa::Approves { "product" } else { "reject" };
    for stage in lines(&file["stages"]) {
        let jobs = members(&file).filter(|(name, job)| !GLOBAL.contains(name) && job["stage"] == *stage);
        for (name, job) in jobs {
            let known =
                ["stage", "tags", "resource_group", "when", "allow_failure", "variables", "script", "artifacts"];
            only(name, job, &known);
            assert_eq!(scalar(&job["resource_group"]), "mobile-web", "{name} runs beside others");
            let manual = match job["when"].as_str() {
                None => false,
                Some("manual") => true,
                Some(other) => panic!("{name}: {other} is not interpreted here"),
            };
            if manual && name != pressed {
                continue;
            }
            count += 1;
            environment.insert("CI_JOB_ID".to_owned(), format!("{pipeline}{count}"));
            if !self::job(workspace, &file, job, &environment).await {
                return false;
            }
            let reported = &job["artifacts"]["reports"]["dotenv"];
            if let Some(dotenv) = reported.as_str() {
                environment.extend(workspace.read(dotenv));
            }
        }
    }
    true
}

/// Presses a job of a pipeline that ran in this checkout before, or has it tried again; answers whether it succeeded.
pub async fn press(workspace: &Workspace<'_>, name: &str) -> bool {
    let file = yaml(workspace.stack, FILE);
    let mut environment = environment(workspace);
    environment.extend(workspace.read("release.env"));
    job(workspace, &file, &file[name], &environment).await
}

/// What the jobs of a pipeline have from GitLab.
fn environment(workspace: &Workspace<'_>) -> Variables {
    variables(&[
        ("CI_COMMIT_SHA", &workspace.commit),
        ("CI_PROJECT_DIR", &workspace.path().display().to_string()),
        ("GITLAB_USER_LOGIN", "alice"),
        // The project's settings.
        ("AWS_ROLE_ARN", policies::ROLE),
        ("AWS_REGION", local::account::REGION),
        ("BUILDS_BUCKET", BUCKET),
        ("PRODUCT_URL", "http://m.example.com"),
    ])
}

async fn job(workspace: &Workspace<'_>, file: &Yaml, job: &Yaml, environment: &Variables) -> bool {
    let default = &file["default"];
    only("default", default, &["image", "timeout", "id_tokens", "before_script", "after_script"]);
    let mut environment = environment.clone();
    for (token, of) in members(&default["id_tokens"]) {
        assert_eq!(scalar(&of["aud"]), policies::GITLAB_AUDIENCE);
        environment.insert(token.to_owned(), "a token of GitLab's".to_owned());
    }
    // Variables may name others; the shell fills them in as GitLab does.
    let variables = members(&file["variables"]).chain(members(&job["variables"]));
    let exports: String = variables.map(|(name, value)| format!("export {name}=\"{}\"\n", scalar(value))).collect();
    let script = [lines(&default["before_script"]), lines(&job["script"])].concat().join("\n");
    let shell = ["bash", "-eo", "pipefail"];
    let succeeded = workspace.shell(&shell, &format!("{exports}{script}"), &environment).await;

    // It has a shell of its own, and does not change how the job ended.
    let status = if succeeded { "success" } else { "failed" };
    environment.insert("CI_JOB_STATUS".to_owned(), status.to_owned());
    let after = lines(&default["after_script"]).join("\n");
    workspace.shell(&shell, &format!("{exports}{after}"), &environment).await;
    succeeded
}

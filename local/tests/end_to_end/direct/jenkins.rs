//! What Jenkins does with a declarative pipeline, as far as the example uses it: one step on a line.

use super::Qa;
use super::files::text;
use super::workspace::{BUCKET, Workspace, variables};

const FILE: &str = "jenkins/Jenkinsfile";

/// What a line of the file says.
enum Line<'l> {
    Variable(&'l str, String),
    Stage(&'l str),
    Shell(&'l str),
    Input,
    /// What is done where a build did not succeed.
    Unsuccessful(&'l str),
    /// It holds others, or says how and where the build runs.
    Frame,
}

fn read<'l>(line: &'l str, build: &str) -> Line<'l> {
    let within = |before: &str, after: &str| line.strip_prefix(before)?.strip_suffix(after);
    if let Some(shell) = within("steps { sh '", "' }") {
        return Line::Shell(shell);
    }
    if let Some(shell) = within("unsuccessful { sh '", "' }") {
        return Line::Unsuccessful(shell);
    }
    if within("steps { input '", "' }").is_some() {
        return Line::Input;
    }
    if let Some(name) = within("stage('", "') {") {
        return Line::Stage(name);
    }
    if let Some((name, value)) = line.split_once(" = ") {
        let value = value.trim_matches(['\'', '"']).replace("${env.BUILD_NUMBER}", build);
        assert!(!value.contains("${"), "{FILE}: {line} is not interpreted here");
        return Line::Variable(name, value);
    }
    let frames =
        ["pipeline {", "options {", "environment {", "stages {", "post {", "}", "disableConcurrentBuilds()", ""];
    let frame = frames.contains(&line) || line.starts_with("agent { label '");
    assert!(frame || line.starts_with("//"), "{FILE}: {line} is not interpreted here");
    Line::Frame
}

/// Runs the pipeline; answers whether the build succeeded.
pub async fn run(workspace: &Workspace<'_>, build: &str, qa: Qa) -> bool {
    from(workspace, build, qa, None).await
}

/// Restarts a build from this stage, in the workspace that it left: a build with a number of its own.
pub async fn restart(workspace: &Workspace<'_>, build: &str, stage: &str) -> bool {
    from(workspace, build, Qa::Approves, Some(stage)).await
}

/// Without a first stage it is the file's.
async fn from(workspace: &Workspace<'_>, build: &str, qa: Qa, first: Option<&str>) -> bool {
    let file = text(workspace.stack, FILE);
    assert_eq!(file.matches('{').count(), file.matches('}').count(), "{FILE}");
    let mut environment = Workspace::keys();
    environment.extend(variables(&[
        ("GIT_COMMIT", &workspace.commit),
        ("AWS_REGION", local::account::REGION),
        ("BUILDS_BUCKET", BUCKET),
        ("PRODUCT_URL", "http://m.example.com"),
    ]));
    let (mut begun, mut succeeded) = (first.is_none(), true);
    let shell = ["sh", "-xe"];
    for line in file.lines() {
        match read(line.trim(), build) {
            Line::Variable(name, value) => drop(environment.insert(name.to_owned(), value)),
            Line::Stage(name) => begun |= first == Some(name),
            Line::Shell(_) | Line::Input if !begun => {}
            Line::Shell(script) if succeeded => succeeded = workspace.shell(&shell, script, &environment).await,
            Line::Unsuccessful(script) if !succeeded => drop(workspace.shell(&shell, script, &environment).await),
            Line::Input => succeeded &= qa == Qa::Approves,
            Line::Shell(_) | Line::Unsuccessful(_) | Line::Frame => {}
        }
    }
    succeeded
}

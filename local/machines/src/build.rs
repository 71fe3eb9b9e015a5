//! CodeBuild's part: a buildspec's commands are run as they stand, in a folder of their own.
//!
//! What they may need and is not on every machine stands on their path as a stand-in (`stand-ins/`): `docker`, which makes no
//! image but knows its digest, and `aws`, which logs in to a registry that is not there. Nothing leaves the machine. A build that
//! fails ends with the command that failed; on AWS, `post_build` is still run after `build`.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use tokio::process::Command;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::agent::{SYSTEM_PATH, tail};
use crate::buildspec::BuildSpec;

/// What stands in for programs that a build calls.
const STAND_INS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stand-ins");

/// No build of an example takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A build project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    pub name: String,
    /// Where the buildspec is in the source.
    pub buildspec: String,
    /// Without it there is no Docker daemon.
    pub privileged: bool,
    pub environment: BTreeMap<String, String>,
}

/// What is to be built.
#[derive(Clone, Debug)]
pub struct Build {
    pub id: String,
    pub project: Project,
    /// The zip of the source.
    pub source: Bytes,
    /// Variables of this build, which go before the project's.
    pub environment: BTreeMap<String, String>,
}

/// What was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The zip of the output.
    pub artifact: Bytes,
    /// The exported variables.
    pub variables: BTreeMap<String, String>,
}

/// Runs a build.
///
/// # Errors
///
/// In CodeBuild's words: the phase and the command that failed, and the end of what was printed.
pub async fn build(order: Build) -> Result<Built, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("the build has no folder: {error}"))?;
    let (folder, source) = (folder.path(), folder.path().join("src"));
    ZipArchive::new(Cursor::new(&order.source))
        .and_then(|mut zip| zip.extract(&source))
        .map_err(|error| failed("DOWNLOAD_SOURCE", &error))?;
    let spec = BuildSpec::read(&source.join(&order.project.buildspec))
        .map_err(|error| failed("DOWNLOAD_SOURCE", &format_args!("YAML_FILE_ERROR: {error}")))?;
    run(&order, &spec, folder, &source).await?;
    let exported = spec.exported().iter().map(|name| {
        let value = std::fs::read_to_string(folder.join(exported_file(name))).unwrap_or_default();
        (name.clone(), value)
    });
    let variables = exported.collect();
    let files = spec.outputs(&source).map_err(|error| failed("UPLOAD_ARTIFACTS", &error))?;
    let artifact = pack(&source, &files).map_err(|error| failed("UPLOAD_ARTIFACTS", &error))?;
    Ok(Built { artifact, variables })
}

async fn run(order: &Build, spec: &BuildSpec, folder: &Path, source: &Path) -> Result<(), String> {
    let commands = spec.commands();
    let log = std::fs::File::create(folder.join("log")).map_err(|error| failed("PROVISIONING", &error))?;
    let errors = log.try_clone().map_err(|error| failed("PROVISIONING", &error))?;
    let ours = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script(&commands, spec.exported())])
        .current_dir(source)
        .env_clear()
        .envs(spec.variables())
        .envs(&order.project.environment)
        .envs(&order.environment)
        .env("PATH", format!("{STAND_INS}:{SYSTEM_PATH}:{ours}"))
        .env("HOME", folder)
        .env("STAND_IN_PRIVILEGED", order.project.privileged.to_string())
        .env("CODEBUILD_BUILD_ID", &order.id)
        .env("CODEBUILD_SRC_DIR", source)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, shell.status()).await;
    let Ok(ended) = ended else { return Err(format!("Build timed out after {} seconds", PATIENCE.as_secs())) };
    let status = ended.map_err(|error| failed("PROVISIONING", &error))?;
    if status.success() {
        return Ok(());
    }
    let at = std::fs::read_to_string(folder.join("at")).ok().and_then(|at| at.parse::<usize>().ok());
    let (phase, command) = at
        .and_then(|at| commands.get(at))
        .map_or(("BUILD", "the end of the build"), |(phase, command)| (phase.name(), *command));
    let tail = tail(&folder.join("log")).replace('\n', "\n    ");
    let reason = format!(
        "COMMAND_EXECUTION_ERROR: Error while executing command: {command}. Reason: {}\n    {tail}",
        status.code().map_or_else(|| "a signal".to_owned(), |code| format!("exit status {code}"))
    );
    Err(failed(phase, &reason))
}

/// All commands in one shell, which notes at its end which of them was the last, and the values of what is exported: a
/// child process has those alone, as CodeBuild has.
fn script(commands: &[(crate::buildspec::Phase, &str)], exported: &[String]) -> String {
    let mut script = "trap 'printf %s \"$STAND_IN_AT\" >\"$HOME/at\"' EXIT\nset -e\n".to_owned();
    for (at, (_, command)) in commands.iter().enumerate() {
        script.push_str(&format!("STAND_IN_AT={at}\n{command}\n"));
    }
    for name in exported {
        script.push_str(&format!("sh -c 'printf %s \"${name}\"' >\"$HOME/{}\"\n", exported_file(name)));
    }
    script
}

fn exported_file(name: &str) -> String {
    format!("exported-{name}")
}

fn pack(source: &Path, files: &[PathBuf]) -> zip::result::ZipResult<Bytes> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for file in files {
        let path = source.join(file);
        let mode = path.metadata()?.permissions().mode();
        zip.start_file_from_path(file, SimpleFileOptions::default().unix_permissions(mode))?;
        zip.write_all(&std::fs::read(path)?)?;
    }
    Ok(zip.finish()?.into_inner().into())
}

fn failed(phase: &str, why: &dyn std::fmt::Display) -> String {
    format!("Build terminated with state: FAILED. Phase: {phase}, {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source of these files, built in a project like the example's.
    async fn built(files: &[(&str, &str)], privileged: bool) -> Result<Built, String> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        let environment = [("REPOSITORY_URI", "registry/web"), ("RELEASE", "project")];
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        build(Build {
            id: "web:1".to_owned(),
            project: Project {
                name: "web".to_owned(),
                buildspec: "buildspec.yml".to_owned(),
                privileged,
                environment: environment.into_iter().map(own).collect(),
            },
            source: zip.finish().unwrap().into_inner().into(),
            environment: BTreeMap::from([own(("RELEASE", "r1"))]),
        })
        .await
    }

    fn spec(commands: &[&str]) -> String {
        let commands: String = commands.iter().map(|command| format!("      - {command}\n")).collect();
        format!(
            "version: 0.2\nenv: {{exported-variables: [IMAGE]}}\nphases:\n  build:\n    commands:\n{commands}artifacts: {{files: [image.env, 'scripts/**/*']}}\n"
        )
    }

    const IMAGE: [&str; 6] = [
        "aws ecr get-login-password | docker login --username AWS --password-stdin registry",
        "docker build --quiet --tag \"$REPOSITORY_URI:$RELEASE\" .",
        "docker push --quiet \"$REPOSITORY_URI:$RELEASE\"",
        "IMAGE=$(docker inspect --format '{{index .RepoDigests 0}}' \"$REPOSITORY_URI:$RELEASE\")",
        "export IMAGE",
        "echo \"IMAGE=$IMAGE\" >image.env",
    ];

    #[tokio::test]
    async fn the_commands_of_a_buildspec_make_its_output() {
        let source = |server: &'static str| vec![("Dockerfile", "FROM x"), ("server", server), ("scripts/a/b.sh", "b")];
        let spec = spec(&IMAGE);
        let mut images = Vec::new();
        for server in ["1", "1", "2"] {
            let mut files = source(server);
            files.push(("buildspec.yml", &spec));
            let built = built(&files, true).await.unwrap();
            let mut zip = ZipArchive::new(Cursor::new(built.artifact)).unwrap();
            let image = built.variables["IMAGE"].clone();
            assert!(image.starts_with("registry/web@sha256:"), "{image}");
            let text = std::io::read_to_string(zip.by_name("image.env").unwrap()).unwrap();
            assert_eq!(text, format!("IMAGE={image}\n"));
            assert_eq!(std::io::read_to_string(zip.by_name("scripts/a/b.sh").unwrap()).unwrap(), "b");
            assert_eq!(zip.len(), 2);
            images.push(image);
        }
        assert_eq!(images[0], images[1], "the same source");
        assert_ne!(images[0], images[2], "another source");
    }

    #[tokio::test]
    async fn a_build_that_fails_says_by_which_command_and_why() {
        for (commands, privileged, words) in [
            (
                vec!["echo before", "false", "echo after"],
                true,
                "executing command: false. Reason: exit status 1\n    before",
            ),
            (IMAGE[1..].to_vec(), true, "no basic auth credentials"),
            (IMAGE.to_vec(), false, "Cannot connect to the Docker daemon"),
            ([&IMAGE[..1], &IMAGE[3..]].concat(), true, "No such object: registry/web:r1"),
            (vec!["docker run web"], true, "docker run: not known"),
            (vec!["aws s3 ls"], true, "aws s3 ls: not known"),
            (vec!["echo nothing"], true, "UPLOAD_ARTIFACTS, no matching artifact paths found for image.env"),
        ] {
            let spec = spec(&commands);
            let error = built(&[("buildspec.yml", &spec), ("Dockerfile", "")], privileged).await.unwrap_err();
            assert!(error.contains(words), "{words}: {error}");
            assert!(!error.contains("after"), "{error}");
        }
        let error = built(&[("Dockerfile", "")], true).await.unwrap_err();
        assert!(error.contains("YAML_FILE_ERROR"), "{error}");
    }
}

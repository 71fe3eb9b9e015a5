//! Deployments of the example's revision onto real processes, against moto.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod world;

use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use gateway::State;
use machines::{Cause, Deployment, EventError, ScriptEnd, TagFilter};
use world::{PORT, World, condition, forward};
use zip::write::SimpleFileOptions;

/// A zip of the files, each executable.
fn zipped(files: &[(&str, &str)]) -> Arc<[u8]> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner().into()
}

/// The example's revision with another VERSION.
fn revision(version: &str) -> Arc<[u8]> {
    let folder = world::repository().join("examples/mobile-web/revision");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let names = ["appspec.yml", "server.py", "scripts/start.sh", "scripts/stop.sh", "scripts/validate.py"];
    let texts = names.map(|name| (name, read(name)));
    let mut files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    files.push(("VERSION", version));
    zipped(&files)
}

fn deployment(role: &str, revision: Arc<[u8]>) -> Deployment {
    Deployment {
        application: "mobile-web".to_owned(),
        deployment_group: "pre-product".to_owned(),
        ec2_tag_set: vec![
            vec![TagFilter::KeyAndValue("service".to_owned(), "mobile-web".to_owned())],
            vec![TagFilter::KeyAndValue("role".to_owned(), role.to_owned())],
        ],
        port: PORT,
        revision,
    }
}

async fn version_at(address: &str) -> Option<String> {
    let address = format!("{address}:{PORT}").parse().unwrap();
    tokio::net::TcpStream::connect(address).await.ok()?;
    Some(world::client::Client::connect(address).await.get("m", "/version").await.body)
}

fn tags(role: &str) -> [(&str, &str); 2] {
    [("service", "mobile-web"), ("role", role)]
}

/// The processes that have this in their environment.
fn processes_of(folder: &Path) -> usize {
    let mark = folder.display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let environments = entries.filter_map(|entry| std::fs::read(entry.path().join("environ")).ok());
    environments.filter(|text| String::from_utf8_lossy(text).contains(&mark)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revision_is_served_until_its_instance_is_terminated() {
    let world = World::new().await;
    let (first, first_address) = world.instance(&tags("pre-product")).await;
    let (second, second_address) = world.instance(&tags("pre-product")).await;
    let (_, other_address) = world.instance(&tags("product")).await;

    let report = world.machines.deploy(deployment("pre-product", revision("1.0\n"))).await.unwrap();
    let mut ids = vec![first.clone(), second.clone()];
    ids.sort_unstable();
    assert_eq!(report.instance_ids, ids);
    assert_eq!(version_at(&first_address).await.as_deref(), Some("1.0\n"));
    assert_eq!(version_at(&second_address).await.as_deref(), Some("1.0\n"));
    assert_eq!(version_at(&other_address).await, None, "it is not of the deployment group");

    world.machines.deploy(deployment("pre-product", revision("2.0\n"))).await.unwrap();
    assert_eq!(version_at(&first_address).await.as_deref(), Some("2.0\n"), "the server before was stopped");

    let group = world.group("web").await;
    world.rule(20, &[condition(1, "host-header", &["m"])], forward(&[(&group, 1)])).await;
    world.register(&group, &first).await;
    world.until(&group, &first, State::Healthy).await;
    let page = world.client().await.get("m", "/").await;
    assert!(page.body.contains("2.0") && page.body.contains(&first), "{page:?}");

    let root = world.machines.instances().root(&second);
    assert!(processes_of(&root) > 0 && root.exists());
    world.terminate(&second).await;
    world.settle().await;
    assert_eq!((processes_of(&root), root.exists()), (0, false));
    assert_eq!(version_at(&second_address).await, None);
    assert!(version_at(&first_address).await.is_some(), "the other goes on");

    let run = world.machines.folder().to_owned();
    assert!(processes_of(&run) >= 2, "HAProxy and a server");
    let World { machines, .. } = world;
    drop(machines);
    assert_eq!((processes_of(&run), run.exists()), (0, false), "nothing is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_fails_says_where_and_how() {
    let world = World::new().await;
    let deploy = |revision| world.machines.deploy(deployment("pre-product", revision));

    let failure = deploy(revision("1\n")).await.unwrap_err();
    assert!(matches!(failure.cause, Cause::NoInstances), "{failure}");
    assert!(failure.to_string().contains("no instances were found for your deployment group"), "{failure}");

    let (instance, _) = world.instance(&tags("pre-product")).await;
    let appspec = |hooks: &str| format!("version: 0.0\nos: linux\nhooks:\n{hooks}");
    let hanging = appspec("  BeforeInstall:\n    - location: wait.sh\n      timeout: 1\n");
    let missing = appspec("  AfterInstall:\n    - location: gone.sh\n");
    let environment = appspec("  ApplicationStart:\n    - location: print.sh\n");
    for (revision, event, how, words) in [
        (revision("\n"), "ValidateService", Some(ScriptEnd::Failed(Some(1))), "VERSION is empty"),
        (
            zipped(&[("appspec.yml", &hanging), ("wait.sh", "#!/bin/sh\necho waiting\nsleep 60\n")]),
            "BeforeInstall",
            Some(ScriptEnd::TimedOut),
            "wait.sh failed to complete in 1 seconds\n    waiting",
        ),
        (
            zipped(&[("appspec.yml", &missing)]),
            "AfterInstall",
            Some(ScriptEnd::Missing),
            "Script does not exist at specified location: gone.sh",
        ),
        (
            zipped(&[
                ("appspec.yml", &environment),
                ("print.sh", "#!/bin/sh\necho $APPLICATION_NAME $DEPLOYMENT_GROUP_NAME $LIFECYCLE_EVENT\nexit 3\n"),
            ]),
            "ApplicationStart",
            Some(ScriptEnd::Failed(Some(3))),
            "mobile-web pre-product ApplicationStart",
        ),
        (zipped(&[("nothing.txt", "")]), "DownloadBundle", None, "did not find an AppSpec file"),
        (Arc::from(*b"no zip"), "DownloadBundle", None, "could not be unpacked"),
    ] {
        let failure = deploy(revision).await.unwrap_err();
        assert!(failure.to_string().contains(words), "{failure}");
        assert!(failure.to_string().contains(&format!("{instance}, {event}: ")), "{failure}");
        let Cause::Instances(instances) = failure.cause else { panic!("not of an instance") };
        let script_end = if let EventError::Script { how, .. } = &instances[0].error { Some(*how) } else { None };
        assert_eq!((instances[0].lifecycle_event.as_str(), script_end), (event, how));
    }
}

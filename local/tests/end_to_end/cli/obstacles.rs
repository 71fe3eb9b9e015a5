//! Each way in which the tool cannot go on: nobody there, no credentials or other ones, no answer, a function that throws.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use gateway::{Bytes, Rule, What};
use local::Options;

use super::waits::slow;
use super::{command, run, run_command};
use crate::stage::{SERVICE, pre_product, product, stack, unchanged_since};

#[tokio::test]
async fn each_way_of_not_reaching_the_service_has_its_sentence() {
    let stack = stack().await;
    product(&stack, SERVICE, "r10").await;
    pre_product(&stack, SERVICE, "r11").await;
    let before = stack.gateway().record().mark();
    for (arguments, code, words) in [
        (&["status", "nobody"][..], 3, &["nobody is not configured", SERVICE][..]),
        (&["status", "mobil-web"], 3, &["mobil-web is not configured (did you mean mobile-web?)"]),
        (&["promote", SERVICE, "x9", "--yes"], 3, &["no release x9", "r10, r11"]),
        (&["promote", SERVICE, "r1", "--yes"], 3, &["2 releases", "r10, r11"]),
        (&["status", SERVICE, "--prefix", "other"], 5, &["no function other-teardown", "--prefix"]),
        (&["status", SERVICE, "--profile", "nobody"], 5, &["no profile nobody"]),
        (&["status", "Not A Name"], 2, &["is not a service name"]),
        (&["explode"], 2, &["unrecognized subcommand"]),
    ] {
        run(&stack, arguments).await.ended(code, words);
    }
    let mut nobody = command(&stack, &["status", SERVICE]);
    nobody.env_remove("AWS_ACCESS_KEY_ID").env("PATH", "/nonexistent");
    run_command(nobody).await.ended(5, &["no credentials", "AWS_ACCESS_KEY_ID"]);
    let mut nowhere = command(&stack, &["status", SERVICE]);
    nowhere.env_remove("AWS_REGION");
    run_command(nowhere).await.ended(5, &["Which region?"]);
    let mut unreached = command(&stack, &["status", SERVICE]);
    unreached.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    run_command(unreached).await.ended(5, &["could not be reached"]);
    let denied = Rule::new(What::AccessDenied).caller("TERMINAL").action("GetFunctionConfiguration");
    let denied = stack.gateway().faults().add(denied);
    run(&stack, &["status", SERVICE]).await.ended(5, &["Ask for lambda:GetFunctionConfiguration", "--region"]);
    stack.gateway().faults().remove(denied);
    let expired = What::error(400, "ExpiredToken", "The security token included in the request is expired");
    stack.gateway().faults().add(Rule::new(expired).caller("TERMINAL"));
    run(&stack, &["status", SERVICE]).await.ended(5, &["has expired"]);
    unchanged_since(&stack, before);
}

/// What version 2 of AWS's tool prints for its profiles `sso` and `late`.
const AWS_CLI: &str = r#"#!/bin/sh
case "$*" in
  "configure export-credentials --format process --profile sso")
    printf '{\n  "Version": 1,\n  "AccessKeyId": "ASIASIGNEDON",\n  "SecretAccessKey": "s",\n  "SessionToken": "t"\n}\n' ;;
  *) printf '\nError loading SSO Token: Token for x does not exist\n' >&2; exit 255 ;;
esac
"#;

#[tokio::test]
async fn a_profile_gives_its_credentials_as_it_does_to_awss_tools() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    let region = local::account::REGION;
    let keys = r#"{"Version": 1, "AccessKeyId": "PROCESS", "SecretAccessKey": "s"}"#;
    let profiles = format!(
        "[profile ops]\nregion = {region}\ncredential_process = echo '{keys}'\n\
         [profile sso]\nregion = {region}\nsso_session = x\n[profile late]\nregion = {region}\nsso_session = x\n"
    );
    std::fs::write(&config, profiles).unwrap();
    let aws = folder.path().join("aws");
    std::fs::write(&aws, AWS_CLI).unwrap();
    std::fs::set_permissions(&aws, PermissionsExt::from_mode(0o755)).unwrap();
    let status = |profile: &str, path: &str| {
        let mut status = command(&stack, &["status", SERVICE, "--profile", profile]);
        status.env_remove("AWS_REGION").env("AWS_CONFIG_FILE", &config).env("PATH", format!("{path}:/usr/bin:/bin"));
        run_command(status)
    };
    let here = folder.path().display().to_string();
    for (profile, who) in [("ops", "PROCESS"), ("sso", "ASIASIGNEDON")] {
        let before = stack.gateway().record().mark();
        status(profile, &here).await.ended(0, &["r1"]);
        let calls = stack.gateway().record().since(before);
        assert!(calls.iter().any(|call| call.caller == who), "{profile}");
    }
    status("late", &here)
        .await
        .ended(5, &["for the profile late: Error loading SSO Token", "`aws sso login --profile late`"]);
    // Version 1 is what the tests of the local system use.
    let version_1 = Options::new().venv.join("bin");
    status("sso", &version_1.display().to_string()).await.ended(5, &["version 2 is needed"]);
}

/// Answers of AWS's that say that the function itself failed.
fn throws() -> What {
    What::Alter(Arc::new(|_, mut response| {
        response.body = Bytes::from_static(br#"{"errorMessage":"Task timed out after 60.00 seconds"}"#);
        response.with_header("x-amz-function-error", "Unhandled")
    }))
}

#[tokio::test]
async fn a_function_that_throws_is_called_again_and_then_it_is_said_what_stays() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let rule = || Rule::new(throws()).caller("TERMINAL").resource("pointsman-promote");
    stack.gateway().faults().add(rule().times(2));
    let words = ["Task timed out", "it is called again", "done:", "release r2 is product"];
    run(&stack, &["promote", SERVICE, "--yes"]).await.ended(0, &words);

    let rule = || Rule::new(throws()).caller("TERMINAL").resource("pointsman-teardown").action("Invoke");
    stack.gateway().faults().add(rule());
    run(&stack, &["finish", SERVICE, "--yes"]).await.ended(
        1,
        &["pointsman-teardown failed 3 times in a row: Task timed out", "What was begun stays", "next call or sweep"],
    );
}

#[tokio::test]
async fn credentials_that_expire_while_it_waits_are_said_with_what_goes_on() {
    let stack = stack().await;
    let service = slow(&stack, |_| ()).await;
    let expired = What::error(400, "ExpiredToken", "The security token included in the request is expired");
    stack.gateway().faults().add(Rule::new(expired).caller("TERMINAL").action("Invoke").skip(1));
    run(&stack, &["promote", &service.name, "--yes"])
        .await
        .ended(5, &["has expired", "What was begun stays", "alarms still take it back"]);
    let denied = stack.gateway().faults();
    denied.clear();
    denied.add(Rule::new(What::AccessDenied).caller("TERMINAL").action("Invoke"));
    run(&stack, &["rollback", &service.name, "--yes"])
        .await
        .ended(1, &["You may not call pointsman-teardown", "Nothing was changed"]);
}

#[tokio::test]
async fn an_endpoint_that_says_nothing_is_waited_for_for_ten_seconds() {
    let stack = stack().await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut status = command(&stack, &["status", SERVICE]);
    status.env("AWS_ENDPOINT_URL", format!("http://{}", silent.local_addr().unwrap()));
    run_command(status).await.ended(5, &["could not be reached", "no answer within 10 s"]);
}

//! Builds outside CodePipeline: each example's CI file is run as it stands, by a small interpreter that knows what it uses of its
//! CI and fails at everything else; with AWS's own CLI, real servers, and the script that all of them share.

mod files;
mod github;
mod gitlab;
mod jenkins;
mod policies;
mod script;
mod workspace;

use gateway::{Request, Rule, What};
use local::standing::Tagged;
use local::web::Web;
use local::{Options, Stack, service};
use tempfile::TempDir;

use crate::stage::{SERVICE, Service, calls_since, look, served};
use workspace::Workspace;

/// What QA answers when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qa {
    Approves,
    Rejects,
}

/// What is wrong with a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It answers with another version than it was built as.
    OtherVersion,
    /// It answers QA, and customers get an error.
    FailsCustomers,
}

/// A stack with real servers, and the folder they are in.
async fn stack() -> (Stack, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { folder: folder.path().to_owned(), ..Options::new() };
    (Stack::start(options).await.unwrap(), folder)
}

/// A fresh checkout, with this fault in it.
async fn checkout<'a>(stack: &'a Stack, fault: Option<Fault>) -> Workspace<'a> {
    let workspace = Workspace::new(stack).await;
    let (before, after) = match fault {
        None => return workspace,
        Some(Fault::OtherVersion) => (r#"VERSION + "\n""#, r#""another\n""#),
        Some(Fault::FailsCustomers) => {
            (r#"elif path == "/version":"#, r#"elif path == "/version" and self.headers["Host"].startswith("pre."):"#)
        }
    };
    workspace.change("revision/server.py", before, after);
    workspace
}

/// Customers get this release, which answers with this version, and nothing is there of that one.
async fn stands(stack: &Stack, release: &str, version: &str, gone: &str) {
    assert_eq!(served(stack, SERVICE).await, [release]);
    let host = service::host(&stack.config_of(SERVICE), "product");
    let page = Web::new(&stack.load_balancer_url()).get(&host, "/version").await.unwrap();
    assert_eq!((page.status, page.body.as_str()), (200, version));
    let standing = look(stack).await;
    let left: Vec<&str> = standing.instances_of(gone).iter().map(|instance| instance.state.as_str()).collect();
    assert!(left.iter().all(|state| *state == "shutting-down"), "{gone} is still there: {left:?}");
    assert!(standing.group_of(gone).is_none(), "{gone} still has its group");
    assert_eq!(standing.rules.iter().filter(|rule| rule.tag("rule") == "pre-product").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_of_github_ships_and_goes_back_when_customers_get_errors_also_by_a_job_that_is_run_again() {
    let (stack, _folder) = stack().await;
    let one = checkout(&stack, None).await;
    assert!(github::run(&one, "1", Qa::Approves).await, "{}", one.log());
    stands(&stack, "github-1-1", &one.commit, "-").await;

    // The job that rolls back cannot, and is run again.
    let two = checkout(&stack, Some(Fault::FailsCustomers)).await;
    let of_teardown = |request: &Request| request.path.contains("/functions/pointsman-teardown/");
    let denied = Rule::new(What::AccessDenied).caller(workspace::KEY).service("lambda").when(of_teardown);
    let denied = stack.gateway().faults().add(denied);
    let mut run = github::Run::new(&two, "2");
    assert!(!run.succeeds(Qa::Approves).await, "{}", two.log());
    two.said(&[
        "done: release github-2-1 is product",
        "does not answer with",
        "pointsman-teardown could not be called",
    ]);
    assert_eq!(served(&stack, SERVICE).await, ["github-2-1"]);
    stack.gateway().faults().remove(denied);
    assert!(run.again("rollback").await, "{}", two.log());
    two.said(&["done: release github-2-1 is rejected and gone; product is github-1-1"]);
    stands(&stack, "github-1-1", &one.commit, "github-2-1").await;

    let three = checkout(&stack, None).await;
    assert!(!github::run(&three, "3", Qa::Rejects).await, "{}", three.log());
    stands(&stack, "github-1-1", &one.commit, "github-3-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_of_gitlab_ships_and_a_release_that_fails_its_check_never_meets_customers() {
    let (stack, _folder) = stack().await;
    let one = checkout(&stack, None).await;
    assert!(gitlab::run(&one, "1", Qa::Approves).await, "{}", one.log());
    stands(&stack, "gitlab-11", &one.commit, "-").await;

    let mark = stack.gateway().record().mark();
    let two = checkout(&stack, Some(Fault::OtherVersion)).await;
    assert!(!gitlab::run(&two, "2", Qa::Approves).await, "{}", two.log());
    two.said(&["does not answer with", ": another", "done: release gitlab-21 is rejected and gone"]);
    let promotes = calls_since(&stack, mark).iter().filter(|call| call.caller == "PROMOTE").count();
    assert_eq!(promotes, 0);
    stands(&stack, "gitlab-11", &one.commit, "gitlab-21").await;

    let three = checkout(&stack, None).await;
    assert!(gitlab::run(&three, "3", Qa::Rejects).await, "{}", three.log());
    stands(&stack, "gitlab-11", &one.commit, "gitlab-31").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_pipeline_of_gitlab_that_is_tried_again_does_not_take_the_way_back() {
    let (stack, _folder) = stack().await;
    let one = checkout(&stack, None).await;
    assert!(gitlab::run(&one, "1", Qa::Approves).await, "{}", one.log());
    let two = checkout(&stack, None).await;
    assert!(gitlab::run(&two, "2", Qa::Approves).await, "{}", two.log());

    for job in ["product", "reject"] {
        assert!(!gitlab::press(&one, job).await, "{}", one.log());
    }
    one.said(&["release gitlab-11 is retired", "release gitlab-11 is the way back, gitlab-21 is product"]);
    stands(&stack, "gitlab-21", &two.commit, "-").await;
    let standing = look(&stack).await;
    let mut weights = standing.weights(SERVICE, "product");
    weights.sort();
    assert_eq!(weights, [("gitlab-11".to_owned(), 0), ("gitlab-21".to_owned(), 100)]);
    let servers: Vec<&str> = standing.instances_of("gitlab-11").iter().map(|server| server.state.as_str()).collect();
    assert_eq!(servers, ["running", "running"]);

    // And customers can still be taken back to it.
    assert!(gitlab::press(&two, "reject").await, "{}", two.log());
    stands(&stack, "gitlab-11", &one.commit, "gitlab-21").await;
    let service = Service { stack: &stack, name: SERVICE.to_owned() };
    service.is_told(&["gitlab-21 was rejected", "alice, as a direct call says"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_of_jenkins_ships_the_next_one_and_leaves_the_way_back_with_no_more_rights_than_its_policy() {
    let (stack, _folder) = stack().await;
    let mark = stack.gateway().record().mark();
    let one = checkout(&stack, None).await;
    assert!(jenkins::run(&one, "1", Qa::Approves).await, "{}", one.log());
    let two = checkout(&stack, None).await;
    assert!(jenkins::run(&two, "2", Qa::Approves).await, "{}", two.log());
    stands(&stack, "jenkins-2", &two.commit, "-").await;
    assert_eq!(look(&stack).await.instances_of("jenkins-1").len(), 2, "the way back stands");

    let three = checkout(&stack, None).await;
    assert!(!jenkins::run(&three, "3", Qa::Rejects).await, "{}", three.log());
    stands(&stack, "jenkins-2", &two.commit, "jenkins-3").await;

    // Restarted from a late stage, a build has a name of its own, and a file of the one before.
    assert!(!jenkins::restart(&two, "4", "Promote").await, "{}", two.log());
    two.said(&["refused: QA did not see release jenkins-4", "nothing of release jenkins-4 is there"]);
    stands(&stack, "jenkins-2", &two.commit, "jenkins-4").await;
    policies::allow(&stack, mark, workspace::KEY);
}

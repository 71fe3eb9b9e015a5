//! The AWS clients: built once, by hand, over one HTTP client.
//!
//! A hand-built `SdkConfig` knows the region (`AWS_REGION`), the credentials that Lambda puts into the environment and
//! `AWS_ENDPOINT_URL`; it knows no profiles and no endpoint variables of single services. What the default chain
//! would add costs start-up time and a second HTTP stack.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use aws_types::region::Region;
use tokio::time::Instant;

use crate::http;

/// How long one attempt of an operation may take: three fit into an operation with their pauses.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long an operation may take, retries included.
pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a check may take to answer, and with it the longest wait for any answer.
pub(crate) const CHECK_TIMEOUT: Duration = Duration::from_secs(15);
/// How often an operation is tried.
const ATTEMPTS: u32 = 3;
/// The first pause between attempts, before jitter. The SDK's own is a second, much of what a call has.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// One client for each AWS service that every function calls.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    /// For the clients that only events need.
    pub config: SdkConfig,
    /// What all of them send their requests by; a service's own checks too.
    pub connector: SharedHttpConnector,
    pub codepipeline: aws_sdk_codepipeline::Client,
    pub dynamodb: aws_sdk_dynamodb::Client,
    pub ec2: aws_sdk_ec2::Client,
    pub elb: aws_sdk_elasticloadbalancingv2::Client,
    pub events: aws_sdk_eventbridge::Client,
    pub route53: aws_sdk_route53::Client,
    pub sns: aws_sdk_sns::Client,
    pub ssm: aws_sdk_ssm::Client,
    /// Until when reads are asked again of which AWS takes no more for the moment; not at all, as a rule.
    pub patient_until: Option<Instant>,
}

impl Clients {
    /// Builds the clients from the environment's variables.
    pub fn new(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self::waiting(variable, CHECK_TIMEOUT)
    }

    /// The same, for answers that may take as long as this to begin.
    pub fn waiting(variable: impl Fn(&str) -> Option<String>, longest: Duration) -> Self {
        let connector = http::connector(variable("AWS_CA_BUNDLE").as_deref(), longest);
        let config = config(variable, connector.clone());
        Self {
            codepipeline: aws_sdk_codepipeline::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            ec2: aws_sdk_ec2::Client::new(&config),
            elb: aws_sdk_elasticloadbalancingv2::Client::new(&config),
            events: aws_sdk_eventbridge::Client::new(&config),
            route53: aws_sdk_route53::Client::new(&config),
            sns: aws_sdk_sns::Client::new(&config),
            ssm: aws_sdk_ssm::Client::new(&config),
            patient_until: None,
            config,
            connector,
        }
    }
}

fn config(variable: impl Fn(&str) -> Option<String>, connector: SharedHttpConnector) -> SdkConfig {
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let credentials = Credentials::new(
        variable("AWS_ACCESS_KEY_ID").unwrap_or_default(),
        variable("AWS_SECRET_ACCESS_KEY").unwrap_or_default(),
        variable("AWS_SESSION_TOKEN").filter(|token| !token.is_empty()),
        None,
        "environment",
    );
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(region.map(Region::new))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_PAUSE))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(OPERATION_TIMEOUT)
                .build(),
        );
    config.set_app_name(AppName::new("pointsman").ok());
    config.set_endpoint_url(variable("AWS_ENDPOINT_URL").filter(|url| !url.is_empty()));
    config.build()
}

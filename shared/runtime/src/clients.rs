//! The AWS clients: built once, by hand, over one HTTP client.
//!
//! A hand-built `SdkConfig` knows the region (`AWS_REGION`), the credentials that Lambda puts into the environment and
//! `AWS_ENDPOINT_URL`; it knows no profiles and no endpoint variables of single services. What the default chain
//! would add costs start-up time and a second HTTP stack.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use aws_types::region::Region;
use tokio::time::Instant;

/// How long one attempt of an operation may take: three fit into an operation with their pauses.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
/// How long an operation may take, retries included.
pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a check may take to answer, and with it the longest wait for any answer.
pub(crate) const CHECK_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often an operation is tried.
const ATTEMPTS: u32 = 3;
/// The first pause between attempts, before jitter. The SDK's own is a second, much of what a call has.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// Amazon's five root certificates, which every AWS endpoint's certificate leads to.
///
/// They are valid until 31 December 2037 (Starfield G2), 17 January 2038 (Amazon Root CA 1) and 26 May 2040 (2 to 4).
/// Whoever releases this project renews them, from <https://www.amazontrust.com/repository/>, when Amazon announces new ones. Five
/// roots load in a tenth of the time that the system's 144 take.
const ROOTS: &[u8] = include_bytes!("roots.pem");

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
        let http = OneConnector::new(variable("AWS_CA_BUNDLE"), longest);
        let connector = http.0.clone();
        let config = config(variable, http);
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

fn config(variable: impl Fn(&str) -> Option<String>, http: OneConnector) -> SdkConfig {
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
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(FIRST_PAUSE))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(OPERATION_TIMEOUT)
                .build(),
        );
    config.set_app_name(AppName::new("pointsman").ok());
    config.set_endpoint_url(variable("AWS_ENDPOINT_URL").filter(|url| !url.is_empty()));
    config.build()
}

/// An HTTP client that builds its one connector once.
///
/// The SDK's own builds and drops a TLS connector for each service's client, to check it, and one more at first use.
#[derive(Clone, Debug)]
struct OneConnector(SharedHttpConnector);

impl OneConnector {
    /// With the certificates of the file that `AWS_CA_BUNDLE` names, as behind a proxy that reads along; else with Amazon's.
    /// A file that cannot be read leaves Amazon's: the calls then say what their peer's certificate lacks.
    fn new(bundle: Option<String>, longest: Duration) -> Self {
        let read = bundle.filter(|path| !path.is_empty()).and_then(|path| {
            std::fs::read(&path)
                .inspect_err(|error| tracing::error!(%error, path, "AWS_CA_BUNDLE could not be read"))
                .ok()
        });
        let roots = read.unwrap_or_else(|| ROOTS.to_vec());
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(longest).build();
        let context = TlsContext::builder()
            .with_trust_store(TrustStore::empty().with_pem_certificate(roots))
            .build()
            .unwrap_or_default();
        let connector = Connector::builder()
            .connector_settings(settings)
            .enable_tcp_nodelay(true)
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context)
            .build();
        Self(SharedHttpConnector::new(connector))
    }
}

impl HttpClient for OneConnector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.0.clone()
    }
}

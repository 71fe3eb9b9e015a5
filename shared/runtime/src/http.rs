//! The HTTP client under all of the SDK's: hyper and rustls, and one connector that is built once.
//!
//! It is what `aws-smithy-http-client` is made of, less what that has no feature to leave out: HTTP/2, proxies, the system's
//! certificates and a TLS connector built anew for each service's client, to check it. AWS's endpoints all speak HTTP/1.1.
//! docs/building.md has what that is in bytes.

use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{CaptureConnection, HttpConnector as Tcp, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// How long a connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Amazon's five root certificates, which every AWS endpoint's certificate leads to.
///
/// They are valid until 31 December 2037 (Starfield G2), 17 January 2038 (Amazon Root CA 1) and 26 May 2040 (2 to 4).
/// Whoever releases this project renews them, from <https://www.amazontrust.com/repository/>, when Amazon announces new ones. Five
/// roots load in a tenth of the time that the system's 144 take.
const ROOTS: &[u8] = include_bytes!("roots.pem");

/// What all requests are sent by, those of the SDK's clients and a service's own checks.
///
/// `bundle` is a file of other certificates than Amazon's, as behind a proxy that reads along. One that cannot be read leaves
/// Amazon's: the calls then say what their peer's certificate lacks. `longest` is how long an answer may take to begin.
pub(crate) fn connector(bundle: Option<&str>, longest: Duration) -> SharedHttpConnector {
    let read = bundle.filter(|path| !path.is_empty()).and_then(|path| {
        std::fs::read(path).inspect_err(|error| tracing::error!(%error, path, "AWS_CA_BUNDLE could not be read")).ok()
    });
    let mut tcp = Tcp::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    // Plain HTTP is for AWS_ENDPOINT_URL, and for the checks that a service asks its targets.
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(read.as_deref().unwrap_or(ROOTS)))
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    SharedHttpConnector::new(Connector { client, longest })
}

#[expect(clippy::expect_used, reason = "ring has the suites of both versions of TLS that rustls takes by default")]
fn tls(certificates: &[u8]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(certificates).filter_map(Result::ok));
    ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[derive(Debug)]
struct Connector {
    client: Client<HttpsConnector<Tcp>, SdkBody>,
    longest: Duration,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || metadata(&connection));
        }
        let answer = tokio::time::timeout(self.longest, self.client.request(request));
        HttpConnectorFuture::new(async move {
            match answer.await {
                Ok(Ok(response)) => HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                    .map_err(|error| ConnectorError::other(error.into(), None)),
                // No connection, or one that broke before the answer: what may be tried again.
                Ok(Err(error)) => Err(ConnectorError::io(error.into())),
                Err(elapsed) => Err(ConnectorError::timeout(elapsed.into())),
            }
        })
    }
}

/// By what the SDK keeps a connection from being used again, after an answer that speaks of trouble behind it.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    connection.connection_metadata().as_ref()?;
    let connection = connection.clone();
    let poison = move || {
        if let Some(connected) = connection.connection_metadata().as_ref() {
            connected.poison();
        }
    };
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(poison).build())
}

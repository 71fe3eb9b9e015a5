//! Service, action, caller and protocol of a call.

use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};

use super::resources;
use crate::{Protocol, Request};

/// Makes a request of what came over the wire.
pub(crate) fn read(parts: Parts, body: Bytes) -> Request {
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let scope = scope(&parts.headers, &query);
    let mut request = Request {
        method: parts.method,
        path,
        query,
        headers: parts.headers,
        body,
        caller: scope.caller,
        region: scope.region,
        service: scope.service,
        action: String::new(),
        resources: Vec::new(),
        protocol: Protocol::Query,
    };
    if request.service.is_empty() {
        request.service = unsigned_service(&request);
    }
    (request.protocol, request.action) = operation(&request);
    request.resources = resources::of(&request);
    request
}

/// Whether a call changes anything. What only reads is known by the first word of its name.
pub(crate) fn mutates(request: &Request) -> bool {
    const READS: [&str; 16] = [
        "Describe", "Get", "List", "Head", "Query", "Scan", "BatchGet", "Search", "Lookup", "Select", "Test",
        "Validate", "Filter", "Simulate", "Receive", "?",
    ];
    !READS.iter().any(|word| request.action.starts_with(word))
}

#[derive(Default)]
struct Scope {
    caller: String,
    region: String,
    service: String,
}

/// Reads the credential scope: `<access key>/<date>/<region>/<service>/aws4_request`.
fn scope(headers: &HeaderMap, query: &str) -> Scope {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    let credential = authorization
        .and_then(|text| text.split_once("Credential="))
        .map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or(rest).to_owned())
        .or_else(|| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key.eq_ignore_ascii_case("x-amz-credential"))
                .map(|(_, value)| value.into_owned())
        });
    let unsigned = Scope { caller: "-".to_owned(), region: "us-east-1".to_owned(), service: String::new() };
    let Some(credential) = credential else {
        return unsigned;
    };
    // The access key id comes first and has no slash; the rest is read from the end.
    let fields: Vec<&str> = credential.split('/').collect();
    match fields.as_slice() {
        [caller, _date, region, service, _end] => {
            Scope { caller: (*caller).to_owned(), region: (*region).to_owned(), service: service.to_ascii_lowercase() }
        }
        _ => unsigned,
    }
}

/// Guesses the service of a call that nobody signed.
fn unsigned_service(request: &Request) -> String {
    if let Some(target) = request.header("x-amz-target") {
        let name = target.split(['_', '.']).next().unwrap_or(target);
        return match name {
            "AmazonSSM" => "ssm".to_owned(),
            "DynamoDB" => "dynamodb".to_owned(),
            "CodePipeline" => "codepipeline".to_owned(),
            other => other.to_ascii_lowercase(),
        };
    }
    if request.path.starts_with("/2015-03-31/functions") {
        return "lambda".to_owned();
    }
    if request.path.starts_with("/2013-04-01/") {
        return "route53".to_owned();
    }
    if request.path.starts_with("/moto-api") { "moto".to_owned() } else { "s3".to_owned() }
}

fn operation(request: &Request) -> (Protocol, String) {
    if request.header("smithy-protocol").is_some() {
        let action = request.path.rsplit('/').next().unwrap_or("?");
        return (Protocol::Cbor, action.to_owned());
    }
    if let Some(target) = request.header("x-amz-target") {
        return (Protocol::Json, target.rsplit('.').next().unwrap_or(target).to_owned());
    }
    match request.service.as_str() {
        "s3" => (Protocol::S3, s3(request).to_owned()),
        "route53" => (Protocol::RestXml, route53(request).to_owned()),
        "lambda" => (Protocol::RestJson, lambda(request).to_owned()),
        service => {
            let protocol = if service == "ec2" { Protocol::Ec2 } else { Protocol::Query };
            let action = request.form().into_iter().find(|(key, _)| key == "Action").map(|(_, value)| value);
            let unknown = || {
                if request.path == "/" { "?".to_owned() } else { format!("{} {}", request.method, request.path) }
            };
            (protocol, action.unwrap_or_else(unknown))
        }
    }
}

fn route53(request: &Request) -> &'static str {
    let path = request.path.strip_prefix("/2013-04-01/").unwrap_or(&request.path);
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["hostedzone", _, "rrset"]) => "ChangeResourceRecordSets",
        ("GET", ["hostedzone", _, "rrset"]) => "ListResourceRecordSets",
        ("GET", ["change", _]) => "GetChange",
        ("POST", ["hostedzone"]) => "CreateHostedZone",
        ("GET", ["hostedzone"]) => "ListHostedZones",
        ("GET", ["hostedzonesbyname"]) => "ListHostedZonesByName",
        ("GET", ["hostedzonesbyvpc"]) => "ListHostedZonesByVPC",
        ("GET", ["hostedzone", _]) => "GetHostedZone",
        ("DELETE", ["hostedzone", _]) => "DeleteHostedZone",
        ("POST", ["tags", ..]) => "ChangeTagsForResource",
        ("GET", ["tags", ..]) => "ListTagsForResource",
        _ => "?",
    }
}

fn lambda(request: &Request) -> &'static str {
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').skip(1).collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["functions", _, "invocations"]) => "Invoke",
        ("POST", ["functions"]) => "CreateFunction",
        ("GET", ["functions"]) => "ListFunctions",
        ("GET", ["functions", _]) => "GetFunction",
        ("DELETE", ["functions", _]) => "DeleteFunction",
        ("GET", ["functions", _, "configuration"]) => "GetFunctionConfiguration",
        ("PUT", ["functions", _, "configuration"]) => "UpdateFunctionConfiguration",
        ("PUT", ["functions", _, "code"]) => "UpdateFunctionCode",
        _ => "?",
    }
}

fn s3(request: &Request) -> &'static str {
    let has = |name: &str| form_urlencoded::parse(request.query.as_bytes()).any(|(key, _)| key == name);
    let mut parts = request.path.trim_start_matches('/').splitn(2, '/');
    let bucket = parts.next().is_some_and(|name| !name.is_empty());
    let key = parts.next().is_some_and(|name| !name.is_empty());
    let method = &request.method;
    if !bucket {
        return "ListBuckets";
    }
    if key {
        return match *method {
            Method::GET if has("tagging") => "GetObjectTagging",
            Method::GET => "GetObject",
            Method::HEAD => "HeadObject",
            Method::PUT if has("partNumber") => "UploadPart",
            Method::PUT if request.headers.contains_key("x-amz-copy-source") => "CopyObject",
            Method::PUT => "PutObject",
            Method::DELETE if has("uploadId") => "AbortMultipartUpload",
            Method::DELETE => "DeleteObject",
            Method::POST if has("uploads") => "CreateMultipartUpload",
            Method::POST if has("uploadId") => "CompleteMultipartUpload",
            _ => "?",
        };
    }
    match *method {
        Method::HEAD => "HeadBucket",
        Method::GET if has("versions") => "ListObjectVersions",
        Method::GET if has("versioning") => "GetBucketVersioning",
        Method::GET if has("location") => "GetBucketLocation",
        Method::GET if has("list-type") => "ListObjectsV2",
        Method::GET => "ListObjects",
        Method::PUT if has("versioning") => "PutBucketVersioning",
        Method::PUT if request.query.is_empty() => "CreateBucket",
        Method::PUT => "PutBucketConfiguration",
        Method::POST if has("delete") => "DeleteObjects",
        Method::DELETE => "DeleteBucket",
        _ => "?",
    }
}

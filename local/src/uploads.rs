//! Uploads: what is put into the source bucket, by whomever and however, starts the pipeline.

use std::sync::Arc;

use gateway::{Aws, Call, Method};
use pipeline::{Engine, Object, ObjectVersion};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::trouble::{Result, Trouble};
use crate::xml;

/// The calls after which an object is there that was not there before.
const UPLOADS: [&str; 3] = ["PutObject", "CompleteMultipartUpload", "CopyObject"];

/// Tells the pipelines of each upload that the gateway sees, until the gateway is gone.
pub async fn follow(mut calls: broadcast::Receiver<Call>, moto: Aws, engines: impl Fn() -> Vec<Arc<Engine>>) {
    loop {
        let call = match calls.recv().await {
            Ok(call) => call,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        if call.service != "s3" || !UPLOADS.contains(&call.action.as_str()) || !call.ok() {
            continue;
        }
        let Some((bucket, key)) = call.resource.split_once('/') else { continue };
        // A bucket without versions tells of none; the event then has none either.
        let versions = versions(&moto, bucket, key).await.unwrap_or_default();
        for engine in engines() {
            // A version that was told of before starts nothing.
            for version in &versions {
                engine.on_upload(bucket, key, Some(version));
            }
            if versions.is_empty() {
                engine.on_upload(bucket, key, None);
            }
        }
    }
}

/// The versions of an object, the oldest first.
async fn versions(moto: &Aws, bucket: &str, key: &str) -> Result<Vec<String>> {
    let answer = moto.rest("s3", Method::GET, &format!("/{bucket}?versions&prefix={key}"), &[], "").await?;
    let answer = String::from_utf8_lossy(&answer.body).into_owned();
    let read = |node: roxmltree::Node<'_, '_>| {
        (node.tag_name().name().to_owned(), xml::text(node, &["Key"]), xml::text(node, &["VersionId"]))
    };
    let all = xml::members(&answer, "ListVersionsResult", read)?;
    let ours = all.into_iter().filter(|(kind, name, version)| kind == "Version" && name == key && version != "null");
    let mut versions: Vec<String> = ours.map(|(.., version)| version).collect();
    // S3 lists the newest first.
    versions.reverse();
    Ok(versions)
}

/// Reads a version of an object, as the source action does.
///
/// # Errors
///
/// In the words of CodePipeline, where it is not there.
pub async fn read(moto: &Aws, wanted: &ObjectVersion) -> Result<Object> {
    let ObjectVersion { bucket, key, version } = wanted;
    let query = version.as_ref().map(|version| format!("?versionId={version}")).unwrap_or_default();
    let answer = moto.rest("s3", Method::GET, &format!("/{bucket}/{key}{query}"), &[], "").await;
    let answer = answer.map_err(|error| {
        Trouble::new(format!("The object with key '{key}' could not be read from the bucket '{bucket}': {error}"))
    })?;
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Object { version: header("x-amz-version-id"), etag: header("etag"), bytes: answer.body.clone() })
}

//! The journal: each call of a function's processes as a line of JSON, with what AWS would decide about it by.
//!
//! `permissions/` judges these lines by the roles of the template. What is not in the call itself is looked up just before it is
//! carried out: the tags that its resources have at that moment, and the role that a launch hands on.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::aws::{Aws, AwsError};
use crate::forward::Upstream;
use crate::xml::Element;
use crate::{Protocol, Request, request};

/// Longer texts matter to no decision: they are messages.
const TEXT_MAX: usize = 2000;
/// How the access keys that STS gives begin.
const FROM_STS: &str = "ASIA";
/// What may be secret, and matters to none either.
const SECRET: &str = "UserData";

/// One call, before it is written.
pub(crate) type Line = Map<String, Value>;

/// A file that calls are written to.
#[derive(Debug)]
pub(crate) struct Journal(Mutex<File>);

impl Journal {
    /// Begins a file of its own in a folder, which is made where it is missing.
    pub(crate) fn begin(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.jsonl", uuid::Uuid::new_v4()));
        Ok(Self(Mutex::new(OpenOptions::new().create_new(true).append(true).open(path)?)))
    }

    /// Reads what the decision about a call depends on; `None` where no function makes it. Theirs carry a session token, and so do
    /// those of a build with a role: but its keys are from STS, whose keys begin with `ASIA`, and a function's are its name.
    pub(crate) async fn note(request: &Request, upstream: &Upstream) -> Option<Line> {
        let session = request.header("x-amz-security-token").unwrap_or_default();
        if session.is_empty() || request.caller.starts_with(FROM_STS) {
            return None;
        }
        let moto = upstream.aws(request);
        let mut line = Line::from_iter([
            ("caller".to_owned(), request.caller.as_str().into()),
            ("service".to_owned(), request.service.as_str().into()),
            ("action".to_owned(), request.action.as_str().into()),
            ("region".to_owned(), request.region.as_str().into()),
            ("path".to_owned(), request.path.as_str().into()),
            ("parameters".to_owned(), parameters(request)),
        ]);
        if request.protocol == Protocol::RestXml {
            line.insert("body".to_owned(), String::from_utf8_lossy(&request.body).into());
        }
        if request::mutates(request) {
            line.insert("tags".to_owned(), json!(tags(request, &moto).await));
        }
        if request.action == "RunInstances" {
            line.insert("role".to_owned(), json!(role(request, &moto).await));
        }
        Some(line)
    }

    /// Writes a call that was noted and is answered.
    pub(crate) fn write(&self, mut line: Line, status: u16) {
        line.insert("status".to_owned(), status.into());
        let line = Value::Object(line);
        if let Ok(mut file) = self.0.lock() {
            // A line that is lost is missed by whoever counts what was used.
            let _ = file.write_all(format!("{line}\n").as_bytes());
        }
    }
}

fn parameters(request: &Request) -> Value {
    match request.protocol {
        Protocol::Ec2 | Protocol::Query => {
            let form = request.form().into_iter().filter(|(key, value)| key != SECRET && value.len() <= TEXT_MAX);
            form.map(|(key, value)| (key, value.into())).collect::<Map<String, Value>>().into()
        }
        Protocol::Json => {
            let mut input = request.json();
            if let Some(members) = input.as_object_mut() {
                members.retain(|_, value| value.as_str().is_none_or(|text| text.len() <= TEXT_MAX));
            }
            input
        }
        Protocol::RestXml | Protocol::RestJson | Protocol::S3 | Protocol::Cbor => Value::Null,
    }
}

/// The tags of each resource that the call names and that can carry some.
async fn tags(request: &Request, moto: &Aws) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for resource in &request.resources {
        let read = match request.service.as_str() {
            "ec2" => {
                let filter = [("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", resource.as_str())];
                moto.query_xml("ec2", "DescribeTags", &filter).await.map(|answer| pairs(answer.items("tagSet")))
            }
            "elasticloadbalancing" if resource.starts_with("arn:") => {
                let named = [("ResourceArns.member.1", resource.as_str())];
                let answer = moto.query_xml("elasticloadbalancing", "DescribeTags", &named).await;
                answer.map(|answer| pairs(answer.find("Tags").map_or(&[], |tags| &tags.children)))
            }
            _ => continue,
        };
        // Where it does not exist, there are none.
        all.insert(resource.clone(), read.unwrap_or_default());
    }
    all
}

fn pairs(items: &[Element]) -> BTreeMap<String, String> {
    let text = |item: &Element, name: &str, upper: &str| {
        item.child(name).or_else(|| item.child(upper)).map(|child| child.text.clone()).unwrap_or_default()
    };
    items.iter().map(|item| (text(item, "key", "Key"), text(item, "value", "Value"))).collect()
}

/// The ARN of the role in the instance profile that a launch names.
async fn role(request: &Request, moto: &Aws) -> Option<String> {
    let form = request.form();
    let value = |wanted: &str| form.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
    let by_arn = value("IamInstanceProfile.Arn").and_then(|arn| arn.rsplit('/').next());
    let profile = value("IamInstanceProfile.Name").or(by_arn)?;
    let answer: Result<Element, AwsError> =
        moto.query_xml("iam", "GetInstanceProfile", &[("InstanceProfileName", profile)]).await;
    let answer = answer.ok()?;
    Some(answer.find("Roles")?.find("Arn")?.text.clone())
}

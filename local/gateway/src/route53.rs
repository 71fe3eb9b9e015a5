//! Route 53 as AWS has it: a batch is checked against what is there, and a change takes its time.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Instant;

use crate::aws::AwsError;
use crate::forward::Upstream;
use crate::settings::Settings;
use crate::xml::Element;
use crate::{Method, Request, Response};

/// A name has no more record sets than this.
const RECORD_SETS_MAX: u32 = 100;

/// What the gateway remembers of Route 53.
#[derive(Default)]
pub(crate) struct Route53 {
    /// One batch after the other: what was checked has to hold when it is applied.
    batches: tokio::sync::Mutex<()>,
    changes: Mutex<HashMap<String, Instant>>,
}

/// What tells a record set from the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    name: String,
    kind: String,
    set_identifier: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.kind, self.set_identifier)
    }
}

impl Route53 {
    /// Answers a call as AWS would.
    pub(crate) async fn answer(
        &self,
        request: &Request,
        moto: &Upstream,
        settings: &Settings,
    ) -> Result<Response, AwsError> {
        match request.action.as_str() {
            "ChangeResourceRecordSets" => self.change(request, moto, settings).await,
            "GetChange" => Ok(self.get_change(request, moto, settings).await),
            _ => Ok(moto.send(request).await),
        }
    }

    async fn change(&self, request: &Request, moto: &Upstream, settings: &Settings) -> Result<Response, AwsError> {
        let body = std::str::from_utf8(&request.body).ok().and_then(Element::parse);
        let Some(mut batch) = body else { return Ok(moto.send(request).await) };
        let _alone = self.batches.lock().await;
        let mut problems = Vec::new();
        if let Some(changes) = batch.find_mut("Changes") {
            let mut world = there_are(request, moto, changes).await?;
            for change in &mut changes.children {
                match checked(change, &mut world) {
                    Ok(()) => normalise(change),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        if !problems.is_empty() {
            let message = format!("[{}]", problems.join(", "));
            return Ok(Response::error(request, 400, "InvalidChangeBatch", &message));
        }
        let forwarded = Request { body: batch.document().into(), ..request.clone() };
        let response = moto.send(&forwarded).await;
        if !response.status.is_success() {
            return Ok(response);
        }
        // moto gives all changes one id.
        let id = format!(
            "C{}",
            uuid::Uuid::new_v4().simple().to_string().to_uppercase().chars().take(20).collect::<String>()
        );
        if let Ok(mut changes) = self.changes.lock() {
            changes.insert(id.clone(), Instant::now());
        }
        let status = if settings.dns_pending().is_zero() { "INSYNC" } else { "PENDING" };
        Ok(response.changed(|answer| {
            if let Some(info) = answer.find_mut("ChangeInfo") {
                info.set(Element::leaf("Id", format!("/change/{id}")));
                info.set(Element::leaf("Status", status));
            }
        }))
    }

    async fn get_change(&self, request: &Request, moto: &Upstream, settings: &Settings) -> Response {
        let response = moto.send(request).await;
        let id = request.path.rsplit('/').next().unwrap_or_default();
        let made = self.changes.lock().ok().and_then(|changes| changes.get(id).copied());
        if made.is_some_and(|made| made.elapsed() < settings.dns_pending()) {
            return response.changed(|answer| {
                if let Some(info) = answer.find_mut("ChangeInfo") {
                    info.set(Element::leaf("Status", "PENDING"));
                }
            });
        }
        response
    }
}

/// Reads the record sets of all names that a batch is about.
async fn there_are(request: &Request, moto: &Upstream, changes: &Element) -> Result<HashMap<Key, Element>, AwsError> {
    let mut world = HashMap::new();
    let mut names: Vec<String> =
        changes.children.iter().filter_map(|change| Some(key(change.child("ResourceRecordSet")?).name)).collect();
    names.sort();
    names.dedup();
    for name in names {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("name", &format!("{name}."))
            .append_pair("maxitems", &RECORD_SETS_MAX.to_string())
            .finish();
        let path = format!("{}?{query}", request.path.trim_end_matches('/'));
        let answer = moto.aws(request).rest("route53", Method::GET, &path, &[], "").await?;
        let Some(answer) = answer.xml_body() else { continue };
        for record in answer.items("ResourceRecordSets") {
            let key = key(record);
            if key.name == name {
                world.insert(key, record.clone());
            }
        }
    }
    Ok(world)
}

/// Checks one change against what is there, and carries it out on that; or says what is wrong.
fn checked(change: &Element, world: &mut HashMap<Key, Element>) -> Result<(), String> {
    let Some(record) = change.child("ResourceRecordSet") else { return Ok(()) };
    let key = key(record);
    let named = format!(
        "[name='{}.', type='{}'{}]",
        key.name,
        key.kind,
        match key.set_identifier.as_str() {
            "" => String::new(),
            id => format!(", set-identifier='{id}'"),
        }
    );
    let action = change.text_of("Action");
    match (action, world.get(&key)) {
        ("CREATE", Some(_)) => {
            return Err(format!("Tried to create resource record set {named} but it already exists"));
        }
        ("DELETE", None) => return Err(format!("Tried to delete resource record set {named} but it was not found")),
        ("DELETE", Some(there)) if contents(there) != contents(record) => {
            return Err(format!(
                "Tried to delete resource record set {named} but the values provided do not match the current values"
            ));
        }
        _ => {}
    }
    if action == "DELETE" {
        world.remove(&key);
        return Ok(());
    }
    let conflict = world.keys().any(|other| {
        other.name == key.name && other.kind != key.kind && (other.kind == "CNAME" || key.kind == "CNAME")
    });
    if conflict {
        return Err(format!(
            "RRSet of type {} with DNS name {}. is not permitted as it conflicts with other records with the same DNS name",
            key.kind, key.name
        ));
    }
    world.insert(key, record.clone());
    Ok(())
}

/// Spells a checked change so that moto carries it out: its journal knows names without their last dot and values in the
/// order they came, and takes the `CREATE` of what was deleted for a second one.
fn normalise(change: &mut Element) {
    if change.text_of("Action") == "CREATE" {
        change.set(Element::leaf("Action", "UPSERT"));
    }
    if let Some(record) = change.find_mut("ResourceRecordSet") {
        let name = key(record).name;
        record.set(Element::leaf("Name", name));
        if let Some(records) = record.find_mut("ResourceRecords") {
            records.children.sort_by(|a, b| a.text_of("Value").cmp(b.text_of("Value")));
        }
    }
}

pub(crate) fn key(record: &Element) -> Key {
    Key {
        name: record.text_of("Name").trim_end_matches('.').to_ascii_lowercase().replace("\\052", "*"),
        kind: record.text_of("Type").to_owned(),
        set_identifier: record.text_of("SetIdentifier").to_owned(),
    }
}

/// What has to be the same for a record set to be deleted.
fn contents(record: &Element) -> (String, Vec<String>, String) {
    let mut values: Vec<String> =
        record.items("ResourceRecords").iter().map(|value| value.text_of("Value").to_owned()).collect();
    values.sort();
    let alias = record.find("DNSName").map_or("", |name| name.text.trim_end_matches('.'));
    (record.text_of("TTL").to_owned(), values, alias.to_ascii_lowercase())
}

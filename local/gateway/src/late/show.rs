//! Answers as a lagging read gives them.

use serde_json::Value;

use super::{View, Was};
use crate::route53::key;
use crate::settings::Lagging;
use crate::xml::Element;
use crate::{Request, Response};

impl View<'_> {
    /// Takes out of an answer what is not to be seen yet, and puts what was in its place.
    pub(crate) fn shown(&mut self, request: &Request, response: Response) -> Response {
        match (request.service.as_str(), request.action.as_str()) {
            ("ec2", "DescribeInstances") => response.changed(|answer| self.instances(request, answer)),
            ("ec2", "DescribeInstanceStatus") => response.changed(|answer| {
                self.drop_from(answer, "instanceStatusSet", "instanceId", Lagging::Instances);
            }),
            ("elasticloadbalancing", "DescribeTargetGroups") => response.changed(|answer| {
                self.drop_from(answer, "TargetGroups", "TargetGroupArn", Lagging::TargetGroups);
            }),
            ("elasticloadbalancing", "DescribeRules") => {
                response.changed(|answer| self.drop_from(answer, "Rules", "RuleArn", Lagging::Rules))
            }
            ("elasticloadbalancing", "DescribeTags") => response.changed(|answer| {
                if let Some(descriptions) = answer.find_mut("TagDescriptions") {
                    for description in &mut descriptions.children {
                        let arn = description.text_of("ResourceArn").to_owned();
                        if let Some(Was::Tags(tags)) = self.hides(Lagging::Tags, &arn) {
                            description.set(tags);
                        }
                    }
                }
            }),
            ("route53", "ListResourceRecordSets") => response.changed(|answer| self.names(request, answer)),
            ("tagging", "GetResources") => self.tagged(response),
            _ => response,
        }
    }

    fn drop_from(&mut self, answer: &mut Element, list: &str, field: &str, what: Lagging) {
        if let Some(list) = answer.find_mut(list) {
            list.children.retain(|one| self.hides(what, one.text_of(field)).is_none());
        }
    }

    /// Instances, with their tags as they were; those that a filter by tags would not have found are left out. One that only
    /// its old tags would have been found by is not brought back: no function asks by tags that change.
    fn instances(&mut self, request: &Request, answer: &mut Element) {
        let filters = tag_filters(&request.form());
        let Some(reservations) = answer.find_mut("reservationSet") else { return };
        for reservation in &mut reservations.children {
            let Some(instances) = reservation.find_mut("instancesSet") else { continue };
            instances.children.retain_mut(|instance| {
                let id = instance.text_of("instanceId").to_owned();
                if self.hides(Lagging::Instances, &id).is_some() {
                    return false;
                }
                let Some(Was::Tags(tags)) = self.hides(Lagging::Tags, &id) else { return true };
                let matches = filters.iter().all(|(wanted, values)| {
                    tags.children.iter().any(|tag| {
                        tag.text_of("key") == wanted && values.iter().any(|value| value == tag.text_of("value"))
                    })
                });
                instance.set(tags);
                matches
            });
        }
        reservations.children.retain(|reservation| !reservation.items("instancesSet").is_empty());
    }

    /// Record sets as they were, where a read asks for their name or for all.
    fn names(&mut self, request: &Request, answer: &mut Element) {
        let asked = request.query_parameter("name").map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let late: Vec<String> = self.late.changes.lock().map_or_else(
            |_| Vec::new(),
            |changes| {
                let names = changes.keys().filter(|(what, _)| *what == Lagging::Names);
                names.map(|(_, id)| id.clone()).collect()
            },
        );
        let Some(records) = answer.find_mut("ResourceRecordSets") else { return };
        for id in late {
            let name = id.split(' ').next().unwrap_or_default();
            if asked.as_deref().is_some_and(|asked| asked != name) {
                continue;
            }
            if let Some(was) = self.hides(Lagging::Names, &id) {
                records.children.retain(|record| key(record).to_string() != id);
                if let Was::Record(record) = was {
                    records.children.insert(0, *record);
                }
            }
        }
    }

    /// The tagging API does not list what is new, nor what has new tags.
    fn tagged(&mut self, response: Response) -> Response {
        let Ok(mut answer) = serde_json::from_slice::<Value>(&response.body) else { return response };
        if let Some(list) = answer.get_mut("ResourceTagMappingList").and_then(Value::as_array_mut) {
            list.retain(|one| {
                let arn = one.get("ResourceARN").and_then(Value::as_str).unwrap_or_default();
                let id = arn.rsplit_once(":instance/").map_or(arn, |(_, id)| id);
                let mut hides = |what| self.hides(what, id).is_some();
                let is_new = hides(Lagging::Instances) | hides(Lagging::TargetGroups) | hides(Lagging::Rules);
                !(is_new | hides(Lagging::Tags))
            });
        }
        Response { body: answer.to_string().into(), ..response }.without_length()
    }
}

/// The filters by tag: each key with the values of which one has to be there.
fn tag_filters(form: &[(String, String)]) -> Vec<(String, Vec<String>)> {
    let names = form.iter().filter_map(|(key, name)| {
        let number = key.strip_prefix("Filter.")?.strip_suffix(".Name")?;
        Some((number, name.strip_prefix("tag:")?))
    });
    names
        .map(|(number, tag)| {
            let prefix = format!("Filter.{number}.Value.");
            let values = form.iter().filter(|(key, _)| key.starts_with(&prefix)).map(|(_, value)| value.clone());
            (tag.to_owned(), values.collect())
        })
        .collect()
}

//! Instances that are new and still initializing; and tags of instances that are not there.

use super::{Ec2, list};
use crate::aws::AwsError;
use crate::forward::Upstream;
use crate::settings::Settings;
use crate::xml::Element;
use crate::{Request, Response};

impl Ec2 {
    pub(super) async fn describe_instance_status(
        &self,
        request: &Request,
        moto: &Upstream,
        settings: &Settings,
    ) -> Result<Response, AwsError> {
        let response = moto.send(request).await;
        let initializing = settings.status_initializing();
        if initializing.is_zero() || !response.status.is_success() {
            return Ok(response);
        }
        Ok(response.changed(|answer| {
            let Some(statuses) = answer.find_mut("instanceStatusSet") else {
                return;
            };
            for status in &mut statuses.children {
                if self.is_younger(status.text_of("instanceId"), initializing) {
                    for check in ["instanceStatus", "systemStatus"] {
                        status.set(initializing_check(check));
                    }
                }
            }
        }))
    }
}

fn initializing_check(name: &str) -> Element {
    let reachability =
        Element::node("item", vec![Element::leaf("name", "reachability"), Element::leaf("status", "initializing")]);
    Element::node(name, vec![Element::node("details", vec![reachability]), Element::leaf("status", "initializing")])
}

/// Refuses tags for what does not exist, and tags that are AWS's own; moto takes both.
pub(super) async fn create_tags(request: &Request, moto: &Upstream) -> Result<Response, AwsError> {
    let form = request.form();
    let aws = moto.aws(request);
    if let Some((_, key)) = form.iter().find(|(name, key)| name.ends_with(".Key") && key.starts_with("aws:")) {
        let message = format!(
            "Value ( {key} ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use"
        );
        return Ok(Response::error(request, 400, "InvalidParameterValue", &message));
    }
    for (prefix, action, parameter) in [
        ("i-", "DescribeInstanceStatus", "InstanceId"),
        ("vol-", "DescribeVolumes", "VolumeId"),
        ("eipalloc-", "DescribeAddresses", "AllocationId"),
    ] {
        let ids = list(&form, "ResourceId").into_iter().filter(|id| id.starts_with(prefix)).zip(1..);
        let names: Vec<(String, &str)> = ids.map(|(id, index)| (format!("{parameter}.{index}"), id)).collect();
        if !names.is_empty() {
            let parameters: Vec<(&str, &str)> = names.iter().map(|(name, id)| (name.as_str(), *id)).collect();
            // The refusal of the description is the one that AWS gives for the tags.
            aws.query("ec2", action, &parameters).await?;
        }
    }
    Ok(moto.send(request).await)
}

//! `RunInstances`: idempotent by its token, and refused for what does not exist.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::{Ec2, value};
use crate::aws::{Aws, AwsError};
use crate::forward::Upstream;
use crate::xml::Element;
use crate::{Request, Response};

/// A client token counts within its region.
pub(super) type Token = (String, String);

/// As much as Amazon's own AMIs have.
const AMI_VOLUME_GB: &str = "8";

/// A launch that was answered.
pub(super) struct Launch {
    parameters: Vec<(String, String)>,
    answer: Element,
}

impl Ec2 {
    pub(super) async fn run_instances(&self, request: &Request, moto: &Upstream) -> Result<Response, AwsError> {
        let mut form = request.form();
        let Some(token) = value(&form, "ClientToken").map(|token| (request.region.clone(), token.to_owned())) else {
            return self.launch(request, moto, &mut form).await.map(|(response, _)| response);
        };
        let parameters = parameters(&form);
        let known = self.launches.lock().ok().and_then(|launches| launches.get(&token).map(Arc::clone));
        if let Some(launch) = known {
            if launch.parameters != parameters {
                let message = "The specified idempotent request parameters do not match those of the previous request: \
                               the client token was used before";
                return Ok(Response::error(request, 400, "IdempotentParameterMismatch", message));
            }
            return refreshed(&launch.answer, &moto.aws(request)).await;
        }
        let (response, answer) = self.launch(request, moto, &mut form).await?;
        if let (Some(answer), Ok(mut launches)) = (answer, self.launches.lock()) {
            launches.insert(token, Arc::new(Launch { parameters, answer }));
        }
        Ok(response)
    }

    /// Launches; the second value is the answer where there were instances launched.
    async fn launch(
        &self,
        request: &Request,
        moto: &Upstream,
        form: &mut Vec<(String, String)>,
    ) -> Result<(Response, Option<Element>), AwsError> {
        let changed = resolve_ami(form, &moto.aws(request)).await? | size_volumes(form);
        if let Some(refusal) = self.refusal(request, form, &moto.aws(request)).await? {
            return Ok((refusal, None));
        }
        let response = if changed { moto.send(&request.with_form(form)).await } else { moto.send(request).await };
        if response.error_code().as_deref() == Some("NoSuchEntity") {
            let name = value(form, "IamInstanceProfile.Name").unwrap_or_default();
            let message = format!(
                "Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
            );
            return Ok((Response::error(request, 400, "InvalidParameterValue", &message), None));
        }
        let answer = response.xml_body().filter(|_| response.status.is_success());
        if let (Some(answer), Ok(mut launched)) = (&answer, self.launched.lock()) {
            for instance in answer.items("instancesSet") {
                launched.insert(instance.text_of("instanceId").to_owned(), Instant::now());
            }
        }
        Ok((response, answer))
    }
}

/// What has to be the same when a token comes again, in an order of its own.
fn parameters(form: &[(String, String)]) -> Vec<(String, String)> {
    let mut parameters: Vec<_> = form
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "Action" | "Version" | "ClientToken" | "DryRun"))
        .cloned()
        .collect();
    parameters.sort();
    parameters
}

/// EC2 takes `resolve:ssm:<parameter>` as an AMI; moto does not.
async fn resolve_ami(form: &mut [(String, String)], aws: &Aws) -> Result<bool, AwsError> {
    for (key, image) in form {
        if key == "ImageId"
            && let Some(name) = image.strip_prefix("resolve:ssm:")
        {
            let input = serde_json::json!({ "Name": name });
            let answer = aws.json("ssm", "AmazonSSM.GetParameter", input).await?;
            let ami = answer.pointer("/Parameter/Value").and_then(serde_json::Value::as_str);
            *image = ami.unwrap_or_default().to_owned();
            return Ok(true);
        }
    }
    Ok(false)
}

/// A volume without a size or a snapshot has those of the AMI's, in EC2; moto refuses it.
fn size_volumes(form: &mut Vec<(String, String)>) -> bool {
    let ebs: BTreeSet<String> = form
        .iter()
        .filter(|(key, _)| key.starts_with("BlockDeviceMapping."))
        .filter_map(|(key, _)| key.split_once(".Ebs.").map(|(mapping, _)| mapping.to_owned()))
        .collect();
    let has = |key: String| form.iter().any(|(name, _)| *name == key);
    let without: Vec<String> = ebs
        .into_iter()
        .filter(|mapping| !has(format!("{mapping}.Ebs.VolumeSize")) && !has(format!("{mapping}.Ebs.SnapshotId")))
        .collect();
    let changed = !without.is_empty();
    form.extend(without.into_iter().map(|mapping| (format!("{mapping}.Ebs.VolumeSize"), AMI_VOLUME_GB.to_owned())));
    changed
}

impl Ec2 {
    /// Refuses what AWS would and moto would not.
    async fn refusal(
        &self,
        request: &Request,
        form: &[(String, String)],
        aws: &Aws,
    ) -> Result<Option<Response>, AwsError> {
        let count = |name| value(form, name).and_then(|count| count.parse::<u32>().ok());
        if let (Some(least), Some(most)) = (count("MinCount"), count("MaxCount"))
            && (least > most || least == 0)
        {
            let message =
                format!("Invalid value '{least}' for MinCount. It must be at least 1 and at most MaxCount ({most})");
            return Ok(Some(Response::error(request, 400, "InvalidParameterValue", &message)));
        }
        // moto refuses these descriptions as AWS refuses the launch.
        if let Some(image) = value(form, "ImageId")
            && !self.is_known(request, image)
        {
            aws.query("ec2", "DescribeImages", &[("ImageId.1", image)]).await?;
            self.know(request, image);
        }
        if let Some(key) = value(form, "KeyName") {
            aws.query("ec2", "DescribeKeyPairs", &[("KeyName.1", key)]).await?;
        }
        if let Some(kind) = value(form, "InstanceType")
            && !self.is_known(request, kind)
        {
            if aws.query("ec2", "DescribeInstanceTypes", &[("InstanceType.1", kind)]).await.is_err() {
                let message = format!("Invalid value '{kind}' for InstanceType.");
                return Ok(Some(Response::error(request, 400, "InvalidParameterValue", &message)));
            }
            self.know(request, kind);
        }
        Ok(None)
    }
}

/// The remembered answer, with the states that the instances have now.
async fn refreshed(answer: &Element, aws: &Aws) -> Result<Response, AwsError> {
    let mut answer = answer.clone();
    let ids: Vec<String> =
        answer.items("instancesSet").iter().map(|instance| instance.text_of("instanceId").to_owned()).collect();
    let parameters: Vec<(String, &str)> =
        ids.iter().zip(1..).map(|(id, index)| (format!("Filter.1.Value.{index}"), id.as_str())).collect();
    let mut query = vec![("Filter.1.Name", "instance-id")];
    query.extend(parameters.iter().map(|(key, id)| (key.as_str(), *id)));
    let now = aws.query_xml("ec2", "DescribeInstances", &query).await?;
    let states: Vec<(&str, &Element)> = now
        .items("reservationSet")
        .iter()
        .flat_map(|reservation| reservation.items("instancesSet"))
        .filter_map(|instance| Some((instance.text_of("instanceId"), instance.child("instanceState")?)))
        .collect();
    if let Some(instances) = answer.find_mut("instancesSet") {
        for instance in &mut instances.children {
            let id = instance.text_of("instanceId").to_owned();
            // Terminated instances are forgotten after a while, but the token still answers with them.
            let gone =
                Element::node("instanceState", vec![Element::leaf("code", "48"), Element::leaf("name", "terminated")]);
            let state = states.iter().find(|(name, _)| *name == id).map_or(gone, |(_, state)| (*state).clone());
            instance.set(state);
        }
    }
    Ok(Response::xml(answer.document()))
}

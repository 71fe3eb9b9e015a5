//! The tagging API lists listeners and rules too, which moto leaves out.

use serde_json::{Value, json};

use crate::aws::AwsError;
use crate::elbv2::Usages;
use crate::forward::Upstream;
use crate::xml::Element;
use crate::{Request, Response};

/// As many as `DescribeTags` takes.
const ARNS_MAX: usize = 20;

/// Answers a call as AWS would.
pub(crate) async fn answer(request: &Request, moto: &Upstream, usages: &Usages) -> Result<Response, AwsError> {
    let response = moto.send(request).await;
    if request.action != "GetResources" || !response.status.is_success() {
        return Ok(response);
    }
    let input = request.json();
    let Ok(mut answer) = serde_json::from_slice::<Value>(&response.body) else { return Ok(response) };
    // They come behind moto's last page.
    let more = answer.get("PaginationToken").and_then(Value::as_str).is_some_and(|token| !token.is_empty());
    if more || input.get("ResourceARNList").is_some() {
        return Ok(response);
    }
    let usage = usages.of(request, moto).await?;
    let mut arns: Vec<&String> = Vec::new();
    if wants(&input, "elasticloadbalancing:listener") {
        arns.extend(&usage.listeners);
    }
    if wants(&input, "elasticloadbalancing:listener-rule") {
        arns.extend(&usage.rules);
    }
    let Some(list) = answer.get_mut("ResourceTagMappingList").and_then(Value::as_array_mut) else {
        return Ok(response);
    };
    let aws = moto.aws(request);
    for arns in arns.chunks(ARNS_MAX) {
        let names: Vec<String> = (1..=arns.len()).map(|index| format!("ResourceArns.member.{index}")).collect();
        let parameters: Vec<(&str, &str)> =
            names.iter().zip(arns).map(|(name, arn)| (name.as_str(), arn.as_str())).collect();
        let described = aws.query_xml("elasticloadbalancing", "DescribeTags", &parameters).await?;
        let descriptions = described.find("TagDescriptions").map(|list| list.children.as_slice()).unwrap_or_default();
        for description in descriptions {
            let tags = description.items("Tags");
            let arn = description.text_of("ResourceArn");
            let listed = list.iter().any(|one| one.get("ResourceARN").and_then(Value::as_str) == Some(arn));
            if !tags.is_empty() && !listed && filters_match(&input, tags) {
                let tags: Vec<Value> =
                    tags.iter().map(|tag| json!({"Key": tag.text_of("Key"), "Value": tag.text_of("Value")})).collect();
                list.push(json!({"ResourceARN": arn, "Tags": tags}));
            }
        }
    }
    Ok(Response { body: answer.to_string().into(), ..response }.without_length())
}

/// Whether a listing asks for a resource type: for all, for its service, or for itself.
fn wants(input: &Value, kind: &str) -> bool {
    let types = input.get("ResourceTypeFilters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let service = kind.split(':').next();
    types.is_empty() || types.iter().filter_map(Value::as_str).any(|wanted| wanted == kind || Some(wanted) == service)
}

/// All filters have to match; one without values matches any value of its key.
fn filters_match(input: &Value, tags: &[Element]) -> bool {
    let filters = input.get("TagFilters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    filters.iter().all(|filter| {
        let key = filter.get("Key").and_then(Value::as_str).unwrap_or_default();
        let values = filter.get("Values").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        tags.iter().any(|tag| {
            tag.text_of("Key") == key
                && (values.is_empty() || values.iter().any(|value| value.as_str() == Some(tag.text_of("Value"))))
        })
    })
}

//! CloudFormation finds a stack by what is in it, which moto does by a stack's name alone.

use crate::aws::AwsError;
use crate::forward::Upstream;
use crate::{Request, Response};

/// Answers a call as AWS would; `None` where moto does.
pub(crate) async fn answer(request: &Request, moto: &Upstream) -> Result<Option<Response>, AwsError> {
    let form = request.form();
    let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let Some(id) = value("PhysicalResourceId").filter(|_| request.action == "DescribeStackResources") else {
        return Ok(None);
    };
    let aws = moto.aws(request);
    let stacks = aws.query_xml("cloudformation", "DescribeStacks", &[]).await?;
    for stack in stacks.find("Stacks").map(|list| list.children.as_slice()).unwrap_or_default() {
        let named = [("StackName", stack.text_of("StackName"))];
        let resources = aws.query_xml("cloudformation", "DescribeStackResources", &named).await?;
        let all = resources.find("StackResources").map(|list| list.children.as_slice()).unwrap_or_default();
        if all.iter().any(|resource| resource.text_of("PhysicalResourceId") == id) {
            return Ok(Some(Response::xml(resources.document())));
        }
    }
    Ok(Some(Response::error(request, 400, "ValidationError", &format!("Stack for {id} does not exist"))))
}

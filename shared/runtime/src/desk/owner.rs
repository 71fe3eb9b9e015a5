//! Whose something is: the stack of CloudFormation that has it, the role behind an instance profile.

use super::{Desk, Hindrance};
use crate::errors::AwsError;
use crate::signed::{IAM, element};

const RESOURCES: &str = "cloudformation:DescribeStackResources";
const PROFILE: &str = "iam:GetInstanceProfile";

impl Desk {
    /// The stack that has a resource of this ARN, by its name. CloudFormation's tag says so too, but of rules only where it made
    /// them lately.
    ///
    /// # Errors
    /// Where it cannot be asked for.
    pub async fn stack_of(&self, arn: &str) -> Result<Option<String>, Hindrance> {
        let form = format!("Action=DescribeStackResources&Version=2010-05-15&PhysicalResourceId={arn}");
        let answer = match self.query("cloudformation", &form, RESOURCES, arn).await {
            Ok(answer) => answer,
            // As it answers of what no stack has.
            Err(Hindrance::Aws(error))
                if error.is(&["ValidationError"]) && error.message.contains("does not exist") =>
            {
                return Ok(None);
            }
            Err(why) => return Err(why),
        };
        // All of the stack's resources are listed. One that it left behind is nobody's.
        let is_it = |member: &&str| element(member, "PhysicalResourceId") == Some(arn);
        let stands =
            |member: &&str| element(member, "ResourceStatus").is_none_or(|status| !status.starts_with("DELETE_"));
        let found = answer.split("<member>").filter(is_it).find(stands);
        Ok(found.and_then(|member| element(member, "StackName")).map(str::to_owned))
    }

    /// The ARN of the role that servers with an instance profile have, by the profile's name or ARN.
    ///
    /// # Errors
    /// Where the profile cannot be read, or has none.
    pub async fn role_of(&self, profile: &str) -> Result<String, Hindrance> {
        // A form has a space for a plus.
        let name = profile.rsplit('/').next().unwrap_or(profile).replace('+', "%2B");
        let form = format!("Action=GetInstanceProfile&Version=2010-05-08&InstanceProfileName={name}");
        let answer = self.query(IAM, &form, PROFILE, profile).await?;
        let role = answer.split_once("<Roles>").and_then(|(_, roles)| element(roles, "Arn"));
        role.map(str::to_owned).ok_or_else(|| AwsError::incomplete(PROFILE, profile, "role in it").into())
    }
}

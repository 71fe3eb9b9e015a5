//! What the tagging API lists as ours. It lags: what it names is looked at before anything is believed.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_resourcegroupstagging::types::TagFilter;
use domain::id::{GroupArn, ReleaseId};
use domain::tags;

use super::PAGES;
use crate::clients::Clients;
use crate::errors::{AwsError, sdk_error};

const GET: &str = "tag:GetResources";
const GROUPS: &str = "elasticloadbalancing:targetgroup";
const INSTANCES: &str = "ec2:instance";

/// The services that anything of ours is tagged with, and the names of their target groups.
pub(crate) async fn everything(clients: &Clients) -> Result<BTreeMap<String, BTreeSet<String>>, AwsError> {
    let mut services: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (arn, service) in resources(clients, tags::SERVICE, None, &[GROUPS, INSTANCES]).await? {
        let groups = services.entry(service).or_default();
        if arn.contains(":targetgroup/") {
            groups.insert(GroupArn::new(arn).name().to_owned());
        }
    }
    Ok(services)
}

/// The services whose target groups carry a release.
pub(crate) async fn services_of(clients: &Clients, release: &ReleaseId) -> Result<BTreeSet<String>, AwsError> {
    let listed = resources(clients, tags::RELEASE, Some(release.as_str()), &[GROUPS]).await?;
    Ok(listed.into_iter().map(|(_, service)| service).collect())
}

/// The ARNs and services of resources that carry a tag.
async fn resources(
    clients: &Clients,
    key: &str,
    value: Option<&str>,
    kinds: &[&str],
) -> Result<Vec<(String, String)>, AwsError> {
    let filter = TagFilter::builder().key(key).set_values(value.map(|value| vec![value.to_owned()])).build();
    let tagging = aws_sdk_resourcegroupstagging::Client::new(&clients.config);
    let (mut found, mut token) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = tagging
            .get_resources()
            .tag_filters(filter.clone())
            .set_resource_type_filters(Some(kinds.iter().map(|kind| (*kind).to_owned()).collect()))
            .resources_per_page(100)
            .set_pagination_token(token)
            .send()
            .await
            .map_err(|error| sdk_error(GET, "", &error))?;
        for listed in page.resource_tag_mapping_list() {
            let service = listed.tags().iter().find(|tag| tag.key() == tags::SERVICE).map(|tag| tag.value().to_owned());
            if let (Some(arn), Some(service)) = (listed.resource_arn(), service) {
                found.push((arn.to_owned(), service));
            }
        }
        token = page.pagination_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    Ok(found)
}

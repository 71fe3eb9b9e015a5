//! Report: notices to people, by SNS.

use aws_sdk_sns::types::MessageAttributeValue;
use domain::notice::Notice;

use crate::clients::Clients;
use crate::errors::{AwsError, sdk_error};
use crate::lease::Lease;

/// Publishes a notice: mail gets its text, chat the schema that Amazon Q Developer shows, filter policies the attributes.
pub(crate) async fn publish(clients: &Clients, topic: Option<&str>, notice: &Notice) -> Result<(), AwsError> {
    let Some(topic) = topic else {
        tracing::warn!(headline = notice.headline, "nobody is told: NOTIFY_TOPIC_ARN is not set");
        return Ok(());
    };
    let action = "sns:Publish";
    let attribute = |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build();
    let mut request = clients
        .sns
        .publish()
        .topic_arn(topic)
        .subject(notice.subject())
        .message_structure("json")
        .message(notice.message());
    let attributes =
        [("service", notice.service.as_str()), ("event", &notice.event), ("status", notice.status.as_str())];
    for (name, value) in attributes.into_iter().filter(|(_, value)| !value.is_empty()) {
        let value =
            attribute(value).map_err(|_| AwsError::incomplete(action, topic, "attribute that AWS would take"))?;
        request = request.message_attributes(name, value);
    }
    request.send().await.map(|_| ()).map_err(|error| sdk_error(action, topic, &error))
}

/// Gives the lease back and tells people, side by side. Neither keeps the call from its answer; what went wrong with
/// the telling is given back, to be said in it.
pub(crate) async fn close(
    clients: &Clients,
    lease: Option<Lease>,
    topic: Option<&str>,
    notice: Option<&Notice>,
) -> Option<String> {
    let (_, told) = tokio::join!(
        async {
            if let Some(lease) = lease {
                lease.release(clients).await;
            }
        },
        async {
            match notice {
                Some(notice) => publish(clients, topic, notice).await,
                None => Ok(()),
            }
        },
    );
    told.err().map(|error| {
        tracing::error!(%error, "people could not be told");
        format!("People could not be told: {error}.")
    })
}

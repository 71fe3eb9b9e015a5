//! The environment of a function's process: the template's variables, and those that Lambda adds.

use std::collections::BTreeMap;

use crate::template::FunctionSpec;

/// Lambda allows so much for all variables of a function together.
const VARIABLES_MAX_BYTES: usize = 4096;

/// Names that belong to Lambda; a function with one of them is not created.
const RESERVED: [&str; 17] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// Why Lambda would not take the variables of a function, in its own words.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EnvironmentError {
    #[error(
        "{function}: Lambda was unable to configure your environment variables because the environment \
         variables you have provided exceeded the 4KB limit. String measured: {measured}"
    )]
    TooLarge { function: String, measured: String },
    #[error(
        "{function}: Lambda was unable to configure your environment variables because the environment \
         variables you have provided contains reserved keys that are currently not supported for \
         modification. Reserved keys used in this request: {keys}"
    )]
    Reserved { function: String, keys: String },
}

/// Checks the template's variables as Lambda does when a function is made or changed.
pub fn check(function: &FunctionSpec) -> Result<(), EnvironmentError> {
    let keys = function.environment.keys().map(String::as_str);
    let reserved: Vec<&str> = keys.filter(|key| RESERVED.contains(key)).collect();
    if !reserved.is_empty() {
        return Err(EnvironmentError::Reserved { function: function.name.clone(), keys: reserved.join(", ") });
    }
    let measured = serde_json::to_string(&function.environment).unwrap_or_default();
    if measured.len() > VARIABLES_MAX_BYTES {
        return Err(EnvironmentError::TooLarge { function: function.name.clone(), measured });
    }
    Ok(())
}

/// What one process is given beside what its function says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub region: &'a str,
    /// Where AWS is, for the process: the gateway.
    pub endpoint_url: &'a str,
    /// Where the Runtime API is.
    pub runtime_api: &'a str,
    /// The folder of the `bootstrap`.
    pub task_root: &'a str,
    pub log_stream: &'a str,
    /// Names this one process in the calls it makes, among others of its function.
    pub session: &'a str,
}

/// All variables of a process. Nothing of our own environment is handed on.
pub(crate) fn variables(function: &FunctionSpec, place: Place) -> BTreeMap<String, String> {
    let memory = function.memory_mb.to_string();
    let access_key = access_key(function);
    let added = [
        ("_HANDLER", function.handler.as_str()),
        ("AWS_REGION", place.region),
        ("AWS_DEFAULT_REGION", place.region),
        ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &function.log_group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", place.log_stream),
        ("AWS_ACCESS_KEY_ID", &access_key),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_SESSION_TOKEN", place.session),
        ("AWS_LAMBDA_RUNTIME_API", place.runtime_api),
        ("LAMBDA_TASK_ROOT", place.task_root),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("TZ", ":UTC"),
        // The one that Lambda does not set: it makes the SDK call the gateway.
        ("AWS_ENDPOINT_URL", place.endpoint_url),
    ];
    let mut variables: BTreeMap<String, String> =
        added.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    variables.extend(function.environment.clone());
    variables
}

/// The access key of a function's processes: callers are told apart by it (`PROMOTE`).
#[must_use]
pub fn access_key(function: &FunctionSpec) -> String {
    function.short_name().to_uppercase()
}

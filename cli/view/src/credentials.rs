//! Whose credentials: what the environment and the two files of AWS's tools say, and what remains to be asked for.

use std::collections::BTreeMap;

use serde_json::Value;

/// Keys as AWS gives them.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    pub id: String,
    pub secret: String,
    pub token: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (secret not shown)", self.id)
    }
}

/// Where credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// They are here.
    Keys(Keys),
    /// This command prints them.
    Process(String),
    /// AWS's own command-line tool has to be asked: single sign-on, roles, the instance's role.
    AwsCli,
    /// The profile that was named is in neither file.
    NoProfile(String),
}

/// A profile, read from both files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    settings: BTreeMap<String, String>,
    is_there: bool,
}

impl Profile {
    /// Reads a profile from the texts of `~/.aws/config` and `~/.aws/credentials`.
    #[must_use]
    pub fn read(name: &str, config: &str, credentials: &str) -> Self {
        let in_config = if name == "default" { "default".to_owned() } else { format!("profile {name}") };
        let mut profile = Self::default();
        // What stands in the credentials file counts before the config.
        for (text, section) in [(config, in_config.as_str()), (credentials, name)] {
            if let Some(found) = section_of(text, section) {
                profile.is_there = true;
                profile.settings.extend(found);
            }
        }
        profile
    }

    fn value(&self, key: &str) -> Option<String> {
        self.settings.get(key).filter(|value| !value.is_empty()).cloned()
    }

    /// The region that it names.
    #[must_use]
    pub fn region(&self) -> Option<String> {
        self.value("region")
    }
}

/// Where the credentials come from: a profile that was named on the command line counts before the environment's keys, these
/// before any other profile.
#[must_use]
pub fn way(variable: impl Fn(&str) -> Option<String>, named: Option<&str>, name: &str, profile: &Profile) -> Way {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    if named.is_none()
        && let (Some(id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
    {
        return Way::Keys(Keys { id, secret, token: variable("AWS_SESSION_TOKEN") });
    }
    let is_named = named.is_some() || variable("AWS_PROFILE").is_some();
    if is_named && !profile.is_there {
        return Way::NoProfile(name.to_owned());
    }
    if profile.value("role_arn").is_some() {
        return Way::AwsCli;
    }
    if let (Some(id), Some(secret)) = (profile.value("aws_access_key_id"), profile.value("aws_secret_access_key")) {
        return Way::Keys(Keys { id, secret, token: profile.value("aws_session_token") });
    }
    profile.value("credential_process").map_or(Way::AwsCli, Way::Process)
}

/// Reads what a credential process prints.
#[must_use]
pub fn printed(output: &[u8]) -> Option<Keys> {
    let json: Value = serde_json::from_slice(output).ok()?;
    let text = |key: &str| json.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    Some(Keys { id: text("AccessKeyId")?, secret: text("SecretAccessKey")?, token: text("SessionToken") })
}

/// The reason in what AWS's tool or a credential process says when it gives none.
#[must_use]
pub fn reason(stderr: &str) -> &str {
    if stderr.contains("aws: error: argument") && stderr.contains("Invalid choice") {
        return "this `aws` knows no `configure export-credentials`: a recent version 2 is needed";
    }
    stderr.trim().lines().last().unwrap_or("it printed no credentials").trim_end_matches('.')
}

fn section_of(text: &str, wanted: &str) -> Option<BTreeMap<String, String>> {
    let (mut found, mut inside) = (None::<BTreeMap<String, String>>, false);
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
        if let Some(name) = line.trim().strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            let name: Vec<&str> = name.split_whitespace().collect();
            inside = name.join(" ") == wanted;
            if inside {
                found.get_or_insert_default();
            }
        } else if inside
            // What is indented belongs to the setting above it.
            && !line.starts_with([' ', '\t'])
            && let Some((key, value)) = line.split_once('=')
            && let Some(found) = &mut found
        {
            found.insert(key.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[default]\nregion = eu-west-1\n\n[profile  ops]\nregion=eu-central-1\ncredential_process = /bin/keys --for ops\n\
        s3 =\n  max_queue_size = 1\n[profile sso]\nsso_session = x\n[profile role]\nrole_arn = arn:r\nsource_profile = plain\n";
    const CREDENTIALS: &str = "# mine\n[plain]\naws_access_key_id = AKIA1\naws_secret_access_key = s=1\n";

    fn of(environment: &[(&str, &str)], named: Option<&str>) -> Way {
        let find = |key: &str| environment.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        let name = named.map(str::to_owned).or_else(|| find("AWS_PROFILE")).unwrap_or_else(|| "default".to_owned());
        way(find, named, &name, &Profile::read(&name, CONFIG, CREDENTIALS))
    }

    fn keys(id: &str, secret: &str) -> Way {
        Way::Keys(Keys { id: id.to_owned(), secret: secret.to_owned(), token: None })
    }

    #[test]
    fn credentials_come_from_where_awss_tools_take_them() {
        let environment = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_PROFILE", "plain")];
        for (environment, named, want) in [
            (&environment[..], None, keys("ENV", "x")),
            (&environment[..], Some("plain"), keys("AKIA1", "s=1")),
            (&[("AWS_PROFILE", "plain")][..], None, keys("AKIA1", "s=1")),
            (&[][..], Some("ops"), Way::Process("/bin/keys --for ops".to_owned())),
            (&[][..], Some("sso"), Way::AwsCli),
            (&[][..], Some("role"), Way::AwsCli),
            (&[][..], Some("none"), Way::NoProfile("none".to_owned())),
            (&[][..], None, Way::AwsCli),
        ] {
            assert_eq!(of(environment, named), want, "{named:?}");
        }
        assert_eq!(Profile::read("ops", CONFIG, CREDENTIALS).region().as_deref(), Some("eu-central-1"));
    }

    #[test]
    fn what_a_process_prints_is_read() {
        let read = printed(br#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"S","SessionToken":"T"}"#);
        assert_eq!(read, Some(Keys { id: "A".to_owned(), secret: "S".to_owned(), token: Some("T".to_owned()) }));
        assert_eq!(printed(b"Error: no session"), None);
        assert_eq!(format!("{:?}", read.unwrap()), "A (secret not shown)");
    }

    #[test]
    fn why_there_are_none_is_one_sentence() {
        for (said, want) in [
            (
                "\nError loading SSO Token: Token for x does not exist\n",
                "Error loading SSO Token: Token for x does not exist",
            ),
            (
                "aws: error: argument subcommand: Invalid choice, valid choices are:\n\nset | get",
                "this `aws` knows no `configure export-credentials`: a recent version 2 is needed",
            ),
            ("", "it printed no credentials"),
        ] {
            assert_eq!(reason(said), want);
        }
    }
}

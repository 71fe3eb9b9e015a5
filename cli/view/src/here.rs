//! What the functions say to whoever calls them, as one asks this tool for it.

/// A sentence or several, with the calls in them as this tool's commands.
#[must_use]
pub fn here(text: &str, service: &str) -> String {
    let text = text.replace(r#"promote with "despite_alarms":true"#, "promote with --despite-alarms");
    stuck(&text, service).or_else(|| frozen(&text, service)).or_else(|| keep(&text, service)).unwrap_or(text)
}

/// A promotion that nobody goes on with, by the two calls that end it.
fn stuck(text: &str, service: &str) -> Option<String> {
    let (before, rest) = text.split_once("by promote ")?;
    let (release, rest) = rest.split_once(" or by teardown ")?;
    let (_, after) = rest.split_once(r#" with "action":"rollback""#)?;
    Some(format!(
        "{before}by `pointsman promote {service} {release}` or `pointsman rollback {service} {release}`{after}"
    ))
}

/// Weights that stay where they are until people decide, by the two calls that do.
fn frozen(text: &str, service: &str) -> Option<String> {
    let (before, rest) = text.split_once("go on with promote ")?;
    let (go_on, rest) = rest.split_once(", or go back with teardown ")?;
    let (release, after) = rest.split_once(r#" and "action":"rollback""#)?;
    let when = go_on.strip_prefix(release)?.strip_prefix(r#" and "despite_alarms":true"#)?;
    Some(format!(
        "{before}go on with `pointsman promote {service} {release} --despite-alarms`{when}, or go back with `pointsman rollback \
         {service} {release}`{after}"
    ))
}

/// What to do after a promote.
fn keep(text: &str, service: &str) -> Option<String> {
    let (before, rest) = text.split_once(r#"Keep it with teardown ({"action":"finish"})"#)?;
    let keep = format!("{before}`pointsman finish {service}` keeps it");
    Some(match rest.split_once(r#" with {"action":"rollback"}"#) {
        Some((_, after)) => format!("{keep}, `pointsman rollback {service}` goes back to what was before{after}"),
        None => format!("{keep}{rest}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_functions_become_commands() {
        for (said, want) in [
            (
                r#"Keep it with teardown ({"action":"finish"}), or go back to r1 with {"action":"rollback"}."#,
                "`pointsman finish web` keeps it, `pointsman rollback web` goes back to what was before.",
            ),
            (r#"Keep it with teardown ({"action":"finish"})."#, "`pointsman finish web` keeps it."),
            ("The next release is the way forward.", "The next release is the way forward."),
        ] {
            assert_eq!(here(said, "web"), want);
        }
    }
}

//! Which release is meant: the one that the verb is about, or the one whose name begins so.

use domain::id::ReleaseId;
use domain::request::Verb;
use plans::Standing;

use crate::exit::Fault;

/// The release that a call is about.
///
/// # Errors
/// Where none is, no name begins so, or several do.
pub fn meant(given: Option<&str>, verb: &Verb, standing: &Standing<'_>) -> Result<ReleaseId, Fault> {
    let service = &standing.service.name;
    let Some(given) = given else { return without(verb, standing) };
    let all: Vec<&ReleaseId> = standing.releases.keys().collect();
    if let Some(exact) = all.iter().find(|id| id.as_str() == given) {
        return Ok((*exact).clone());
    }
    // A provision makes one, so its name is taken as it is.
    if *verb == Verb::Provision {
        return ReleaseId::new(given).map_err(|wrong| Fault::new(crate::exit::USAGE, wrong));
    }
    let alike: Vec<&&ReleaseId> = all.iter().filter(|id| id.as_str().starts_with(given)).collect();
    match alike.as_slice() {
        [one] => Ok((**one).clone()),
        [] => Err(Fault::refused(format!("There is no release {given} of {service}. {}", known(&all)))),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Fault::refused(format!(
                "{} releases of {service} begin with {given}: {}. Write more of the name.",
                several.len(),
                names.join(", ")
            )))
        }
    }
}

fn without(verb: &Verb, standing: &Standing<'_>) -> Result<ReleaseId, Fault> {
    let service = &standing.service.name;
    let product = || standing.promoting().or_else(|| standing.product_release());
    let (found, what) = match verb {
        Verb::Promote => (standing.promoting().or_else(|| standing.pre_product_release()), "no release is pre-product"),
        Verb::Register => (standing.pre_product_release(), "no release is pre-product"),
        Verb::Rollback { .. } | Verb::Finish | Verb::Remove => (product(), "no release is product"),
        Verb::Provision | Verb::Sweep => (None, "a new release has the name that you give it"),
    };
    let all: Vec<&ReleaseId> = standing.releases.keys().collect();
    found.cloned().ok_or_else(|| Fault::refused(format!("Name a release of {service}: {what}. {}", known(&all))))
}

/// So much of an execution's id is shown, as of commits: a release may be named by it.
const BRIEF: usize = 8;
const UUID: usize = 36;

/// A text for people, with the ids of executions, which releases have for names, shortened to their beginnings.
#[must_use]
pub fn brief(text: &str) -> String {
    let (mut short, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(first) = rest.chars().next() {
        // Within a longer word it is part of another name.
        let free = !short.ends_with(|before: char| before.is_ascii_alphanumeric() || before == '-');
        if free && let Some((id, after)) = rest.split_at_checked(UUID).filter(|(id, after)| is_uuid(id) && ends(after))
        {
            short.extend(id.chars().take(BRIEF));
            rest = after;
        } else {
            short.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    short
}

fn is_uuid(text: &str) -> bool {
    let groups = || text.split('-');
    groups().map(str::len).eq([8, 4, 4, 4, 12])
        && groups().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn ends(after: &str) -> bool {
    !after.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-')
}

fn known(all: &[&ReleaseId]) -> String {
    if all.is_empty() {
        return "Nothing of it is there.".to_owned();
    }
    format!("There are {}.", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

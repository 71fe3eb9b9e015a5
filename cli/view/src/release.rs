//! Which release is meant: the one that the verb is about, or the one whose name begins so.

use domain::id::ReleaseId;
use domain::request::Verb;
use plans::{REMOVED, Standing, Who};

use crate::exit::{self, Fault};

/// The release that a call is about.
///
/// # Errors
/// Where none is, no name begins so, or several do.
pub fn meant(given: Option<&str>, verb: &Verb, standing: &Standing<'_>) -> Result<ReleaseId, Fault> {
    let service = &standing.service.name;
    let Some(given) = given else { return without(verb, standing) };
    if given.is_empty() {
        // Every name begins so; it is a variable of a script that was not set.
        return Err(Fault::new(exit::USAGE, "The release has an empty name."));
    }
    let all: Vec<&ReleaseId> = standing.releases.keys().collect();
    if let Some(exact) = all.iter().find(|id| id.as_str() == given) {
        return Ok((*exact).clone());
    }
    // A provision makes one, so its name is taken as it is: all but what executions are shown by.
    if *verb == Verb::Provision {
        let shown = all.iter().find(|id| brief(id.as_str()) == given);
        let new = || ReleaseId::new(given).map_err(|wrong| Fault::new(exit::USAGE, wrong));
        return shown.map_or_else(new, |id| Ok((*id).clone()));
    }
    let mut alike: Vec<&ReleaseId> = all.into_iter().filter(|id| id.as_str().starts_with(given)).collect();
    // What is gone is remembered for an hour, and is hardly meant beside what stands.
    if alike.iter().any(|id| standing.stands(id)) {
        alike.retain(|id| standing.stands(id));
    }
    match alike.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Fault::refused(format!("There is no release {given} of {service}. {}", known(standing)))),
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

/// That a rollback names what it is to take away, and not what one goes back to: whoever names the way back means the other thing.
///
/// # Errors
/// Where the release is the way back.
pub fn is_left(release: &ReleaseId, standing: &Standing<'_>) -> Result<(), Fault> {
    let is_way_back = standing.behind().is_some_and(|share| share.who == Who::Release(release.clone()));
    if !is_way_back || standing.product_release().is_none() {
        return Ok(());
    }
    let service = &standing.service.name;
    Err(Fault::refused(format!(
        "{release} is the way back, and a rollback takes away what it names. To go back to it: `pointsman rollback {service}`. To \
         keep what is product and have the way back go: `pointsman finish {service}`."
    )))
}

fn without(verb: &Verb, standing: &Standing<'_>) -> Result<ReleaseId, Fault> {
    let service = &standing.service.name;
    let product = || standing.promoting().or_else(|| standing.product_release());
    let (found, what) = match verb {
        Verb::Promote => (standing.promoting().or_else(|| standing.pre_product_release()), "no release is pre-product"),
        Verb::Register => (standing.pre_product_release(), "no release is pre-product"),
        Verb::Rollback { .. } | Verb::Finish => (product(), "no release is product"),
        // One that was cut off goes on.
        Verb::Remove => (product().or_else(|| going(standing)), "no release is product"),
        Verb::Provision | Verb::Freeze { .. } | Verb::Sweep => (None, "a new release has the name that you give it"),
    };
    found.cloned().ok_or_else(|| Fault::refused(format!("Name a release of {service}: {what}. {}", known(standing))))
}

/// A release that a removal of its service has said to go: one that stands, as long as anything does.
fn going<'s>(standing: &'s Standing<'_>) -> Option<&'s ReleaseId> {
    let mut goes = standing.releases.keys().filter(|id| standing.reason(id).as_deref() == Some(REMOVED));
    let nothing_stands = standing.releases.keys().all(|id| !standing.stands(id));
    goes.find(|id| nothing_stands || standing.stands(id))
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

/// Whether this is the form of an execution's id.
#[must_use]
pub fn is_uuid(text: &str) -> bool {
    let groups = || text.split('-');
    groups().map(str::len).eq([8, 4, 4, 4, 12])
        && groups().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn ends(after: &str) -> bool {
    !after.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-')
}

fn known(standing: &Standing<'_>) -> String {
    let stand = standing.releases.keys().filter(|id| standing.stands(id));
    let names: Vec<String> = stand.map(ToString::to_string).collect();
    match names.as_slice() {
        [] => "Nothing of it stands.".to_owned(),
        [one] => format!("There is {one}."),
        several => format!("There are {}.", several.join(", ")),
    }
}

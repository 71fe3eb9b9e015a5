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

fn known(all: &[&ReleaseId]) -> String {
    if all.is_empty() {
        return "Nothing of it is there.".to_owned();
    }
    format!("There are {}.", all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

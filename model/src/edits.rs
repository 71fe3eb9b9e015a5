//! What a person does to the rules behind everybody's back.

use crate::account::Account;
use crate::apply;
use crate::aws::{Forward, STRANGER, Weight};
use crate::caller::Caller;
use crate::happens::{Action, State};

/// What a person does to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edit {
    /// The product rule forwards to this alone.
    Only(usize),
    /// Half of the weight for this, the rest stays.
    Half(usize),
    FixedResponse,
    DeleteProduct,
    DeletePreProduct,
    /// The product rule loses its tags.
    Untag,
    /// The pre-product rule forwards to this.
    PreProduct(usize),
    /// A rule of somebody's forwards to this group too; or no more.
    Stranger(usize),
}

impl Account {
    pub fn edits(&self, state: &State, actions: &mut Vec<Action>) {
        let aws = &state.aws;
        let groups = (0..self.releases).filter(|r| aws.groups[*r].is_some());
        if aws.product.is_some() {
            for group in groups.clone() {
                actions.push(Action::Edits(Edit::Only(group)));
                actions.push(Action::Edits(Edit::Half(group)));
            }
            actions.push(Action::Edits(Edit::FixedResponse));
            actions.push(Action::Edits(Edit::DeleteProduct));
            // Moved by a change of the config too, it would be nobody's rule at nobody's priority.
            if aws.product.is_some_and(|rule| rule.ours && rule.variant == aws.config) {
                actions.push(Action::Edits(Edit::Untag));
            }
        }
        if aws.pre_product.is_some() {
            actions.push(Action::Edits(Edit::DeletePreProduct));
            for group in groups.clone() {
                actions.push(Action::Edits(Edit::PreProduct(group)));
            }
        }
        for group in groups {
            actions.push(Action::Edits(Edit::Stranger(group)));
        }
    }

    pub fn edit(state: &mut State, edit: Edit) -> Option<()> {
        let before = state.aws;
        let aws = &mut state.aws;
        match edit {
            Edit::Only(group) => aws.product.as_mut()?.forward = Forward::only(group),
            Edit::Half(group) => {
                let rule = aws.product.as_mut()?;
                let other = (0..=STRANGER).find(|g| *g != group && rule.forward.serves(*g))?;
                rule.forward = rule.forward.with(group, Weight::Half).with(other, Weight::Half);
            }
            Edit::FixedResponse => aws.product.as_mut()?.forward = Forward::Other,
            Edit::DeleteProduct => aws.product = None,
            Edit::DeletePreProduct => aws.pre_product = None,
            Edit::Untag => {
                let rule = aws.product.as_mut()?;
                (rule.ours, rule.since, rule.told) = (false, None, 0);
                state.budget.configs = 0;
            }
            Edit::PreProduct(group) => aws.pre_product.as_mut()?.forward = Forward::only(group),
            Edit::Stranger(group) => {
                aws.stranger = match aws.stranger {
                    None => Some(u8::try_from(group).ok()?),
                    Some(_) => None,
                };
            }
        }
        for rule in [before.product, before.pre_product].into_iter().flatten() {
            apply::let_go(aws, rule.forward);
        }
        if *aws == before {
            return None;
        }
        state.history.edited(&state.aws);
        for caller in &mut state.callers {
            if let Caller::Works(work) = caller {
                work.glance.outdated = true;
            }
        }
        Some(())
    }
}

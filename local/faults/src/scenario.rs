//! The scenarios: what stands before, and the calls that are cut off, one after the other.

use crate::ask::Ask::{
    self, ApprovalRejected, ExecutionFailed, Finish, Promote, Provision, Register, Remove, Rollback, Sweep,
};

/// What stands before, and which calls are cut off. Several may be one row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub row: &'static str,
    /// Asked directly, one after the other.
    pub before: &'static [Ask],
    /// Each is cut off everywhere; then it is made in peace, and the next one's turn comes.
    pub calls: &'static [Ask],
}

/// All of them, in the order of the table.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        row: "first release",
        before: NOTHING,
        calls: &[Provision("r1"), Register("r1"), Promote("r1"), Finish("r1")],
    },
    Scenario { row: "second", before: R1, calls: &[Provision("r2"), Register("r2"), Promote("r2")] },
    Scenario { row: "rejected before promote", before: R2_PRE, calls: &[ApprovalRejected("r2"), Sweep] },
    Scenario { row: "rejected before promote", before: R2_PRE, calls: &[Rollback("r2")] },
    Scenario { row: "rejected after promote", before: R2, calls: &[ApprovalRejected("r2"), Sweep] },
    Scenario { row: "rejected after promote", before: R2, calls: &[Rollback("r2")] },
    Scenario { row: "kept", before: R2, calls: &[Finish("r2")] },
    Scenario { row: "superseded", before: R2_PRE, calls: &[Provision("r3"), Register("r3"), Sweep] },
    Scenario { row: "deploy failed", before: R2_PROVISIONED, calls: &[ExecutionFailed("r2"), Sweep] },
    Scenario { row: "sweep", before: R3, calls: &[Sweep] },
    Scenario { row: "removed", before: R2, calls: &[Remove("r2")] },
];

pub(crate) const NOTHING: &[Ask] = &[];
pub(crate) const R1: &[Ask] = &[Provision("r1"), Register("r1"), Promote("r1")];
pub(crate) const R2_PROVISIONED: &[Ask] = &[Provision("r1"), Register("r1"), Promote("r1"), Provision("r2")];
pub(crate) const R2_PRE: &[Ask] = &[Provision("r1"), Register("r1"), Promote("r1"), Provision("r2"), Register("r2")];
pub(crate) const R2: &[Ask] =
    &[Provision("r1"), Register("r1"), Promote("r1"), Provision("r2"), Register("r2"), Promote("r2")];
/// `r1` is out of the rule: nothing goes back to it any more.
pub(crate) const R3: &[Ask] = &[
    Provision("r1"),
    Register("r1"),
    Promote("r1"),
    Provision("r2"),
    Register("r2"),
    Promote("r2"),
    Provision("r3"),
    Register("r3"),
    Promote("r3"),
];

impl Scenario {
    /// Whether sweeps belong to what a call comes to: an event leaves the rest to them.
    #[must_use]
    pub fn swept_after(ask: Ask) -> bool {
        matches!(ask, ApprovalRejected(_) | ExecutionFailed(_) | Sweep)
    }
}

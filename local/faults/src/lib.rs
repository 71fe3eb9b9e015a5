//! The functions' real binaries, cut off everywhere: at each call of AWS that they make, in every way, whoever comes next.
//!
//! What the model checker (`model`) shows of the plans, this shows of the whole: processes that are killed, connections
//! that are reset, a lease that nobody gives back, the SDK's own retries, Lambda's and CodePipeline's second calls.
//!
//! A stack is brought to where a call begins. Then copies of it are made, as many as there are points: in each the call is
//! made, cut off once, followed up, and the end compared with that of a run in peace. A copy costs milliseconds: moto forks.

pub mod ask;
pub mod cut;
pub mod ends;
pub mod jobs;
pub mod load;
pub mod names;
pub mod points;
pub mod run;
pub mod scenario;
pub mod stopped;
pub mod together;

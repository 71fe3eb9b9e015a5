//! The functions' real binaries, cut off everywhere: at each call of AWS that they make, in every way, whoever comes next.
//!
//! What the model checker (`model`) shows of the plans, this shows of the whole: processes that are killed, connections
//! that are reset, a lease that nobody gives back, the SDK's own retries, Lambda's and CodePipeline's second calls.

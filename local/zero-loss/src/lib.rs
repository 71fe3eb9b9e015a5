//! The proof that no request is lost: the real functions move releases of several services, over and over, while a load
//! whose every request's fate is known goes through the load balancer's nodes to real servers.
//!
//! [`run::run`] is what `make zero-loss` does. Beside the services that are released by Pointsman it releases others as
//! people do without it ([`baselines`]), under the same load: they lose requests, which shows that a loss would be seen.

pub mod alarm;
pub mod baselines;
pub mod book;
pub mod clicks;
pub mod drive;
pub mod fleet;
pub mod follow;
pub mod journal;
pub mod judge;
pub mod knife;
pub mod load;
pub mod outcome;
pub mod pictures;
pub mod run;
pub mod server;

//! The shares of the customers: what the product rule sends them to, noted whenever a function has changed it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use crate::stack::Stack;
use crate::standing::Standing;

/// What the product rule sends customers to from a moment on: AWS's answer to the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    pub at: SystemTime,
    /// The releases behind the rule, and their weights.
    pub weights: Vec<(String, u32)>,
}

/// The shares of the first service's releases. They are followed while this lives.
#[derive(Debug)]
pub struct Shares {
    shares: Arc<Mutex<Vec<Share>>>,
    _following: JoinSet<()>,
}

impl Shares {
    /// Follows them from now on.
    #[must_use]
    pub fn follow(stack: &Stack) -> Self {
        let shares: Arc<Mutex<Vec<Share>>> = Arc::default();
        let (noted, mut calls) = (Arc::clone(&shares), stack.gateway().subscribe());
        // The simulator itself is asked: a look is none of the functions' calls.
        let (moto, account, service) = (stack.moto(), stack.account(), stack.options().service.clone());
        let (listener, zone) = (account.listener_arn.clone(), account.zone_id.clone());
        let mut following = JoinSet::new();
        following.spawn(async move {
            let mut at = SystemTime::now();
            loop {
                if let Ok(standing) = Standing::look(&moto, &listener, &zone).await {
                    let weights = standing.weights(&service, "product");
                    noted.lock().unwrap_or_else(PoisonError::into_inner).push(Share { at, weights });
                }
                at = loop {
                    match calls.recv().await {
                        Ok(call) if call.ok() && matches!(&*call.action, "CreateRule" | "ModifyRule") => {
                            break call.at + call.elapsed;
                        }
                        Ok(_) | Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return,
                    }
                };
            }
        });
        Self { shares, _following: following }
    }

    /// What was noted so far.
    #[must_use]
    pub fn so_far(&self) -> Vec<Share> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

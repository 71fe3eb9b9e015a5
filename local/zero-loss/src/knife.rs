//! Cuts a call off: kills the function's process at a given call of AWS's that it makes for one service.

use std::sync::{Arc, Mutex, PoisonError};

use gateway::fault::RuleId;
use gateway::{Request, Rule, What};
use local::Stack;

/// The header by which a function's process is known.
const SESSION: &str = "x-amz-security-token";

#[derive(Debug, Default)]
struct Aim {
    /// The process that took the service's lease.
    session: Option<String>,
    /// So many calls of it pass.
    left: u32,
    cut: bool,
}

/// A knife that waits for its moment; it is gone when it is dropped.
pub struct Knife<'a> {
    stack: &'a Stack,
    rule: RuleId,
    aim: Arc<Mutex<Aim>>,
}

impl<'a> Knife<'a> {
    /// Will kill, with signal 9, the next process of `promote` that takes this service's lease, when it makes the call after
    /// so many more: AWS does not see that one.
    #[must_use]
    pub fn for_promote(stack: &'a Stack, service: &str, calls: u32) -> Self {
        let aim = Arc::new(Mutex::new(Aim { session: None, left: calls, cut: false }));
        let (functions, service, aimed) = (stack.functions().clone(), service.to_owned(), Arc::clone(&aim));
        let hook: gateway::fault::Hook = Arc::new(move |request: Request| {
            let (functions, session) = (functions.clone(), request.header(SESSION).unwrap_or_default().to_owned());
            let strikes = {
                let mut aim = aimed.lock().unwrap_or_else(PoisonError::into_inner);
                aim.strikes(&request, &service, &session)
            };
            let aimed = Arc::clone(&aimed);
            Box::pin(async move {
                if strikes && functions.kill_session(&session) {
                    aimed.lock().unwrap_or_else(PoisonError::into_inner).cut = true;
                }
            })
        });
        let rule = stack.gateway().faults().add(Rule::new(What::Before(hook)).caller("PROMOTE"));
        Self { stack, rule, aim }
    }

    /// Whether it has cut.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.aim.lock().unwrap_or_else(PoisonError::into_inner).cut
    }
}

impl Aim {
    fn strikes(&mut self, request: &Request, service: &str, session: &str) -> bool {
        let lease = request.service == "dynamodb" && request.resources.iter().any(|name| name == service);
        if self.session.is_none() && lease {
            self.session = Some(session.to_owned());
        }
        if self.cut || self.session.as_deref() != Some(session) {
            return false;
        }
        let strikes = self.left == 0;
        self.left = self.left.saturating_sub(1);
        strikes
    }
}

impl Drop for Knife<'_> {
    fn drop(&mut self) {
        self.stack.gateway().faults().remove(self.rule);
    }
}

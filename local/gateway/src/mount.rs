//! Services that a handler answers in place of moto.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use crate::{BoxFuture, Request, Response};

/// Answers every call of a mounted service.
pub type Handler = Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// Handlers by the signing name of the service.
#[derive(Default)]
pub(crate) struct Mounts(RwLock<HashMap<String, Handler>>);

impl Mounts {
    pub(crate) fn add(&self, service: &str, handler: Handler) {
        if let Ok(mut mounts) = self.0.write() {
            mounts.insert(service.to_owned(), handler);
        }
    }

    pub(crate) fn find(&self, service: &str) -> Option<Handler> {
        self.0.read().ok()?.get(service).map(Arc::clone)
    }
}

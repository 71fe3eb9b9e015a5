//! Waiting for many futures side by side, on one thread.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// A future behind a pointer, as abilities are reached.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs futures side by side and gives their results in the same order.
///
/// There are never more than a few dozen, so each is polled again whenever any of them wakes; dropping it drops all.
pub async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Running<F>> = futures.into_iter().map(|future| Running::Still(Box::pin(future))).collect();
    poll_fn(|context| {
        let mut waiting = false;
        for running in &mut running {
            if let Running::Still(future) = running {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *running = Running::Ended(output),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    let ended = |running| match running {
        Running::Ended(output) => Some(output),
        Running::Still(_) => None,
    };
    running.into_iter().filter_map(ended).collect()
}

enum Running<F: Future> {
    Still(Pin<Box<F>>),
    Ended(F::Output),
}

/// As [`all`], for futures that may fail: the results, or the first failure in order.
pub(crate) async fn try_all<F, T, E>(futures: impl IntoIterator<Item = F>) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    all(futures).await.into_iter().collect()
}

/// Runs a future if there is one.
pub(crate) async fn maybe<F, T, E>(future: Option<F>) -> Result<Option<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    match future {
        Some(future) => future.await.map(Some),
        None => Ok(None),
    }
}

//! Waiting for many futures side by side, on one thread.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Runs futures side by side and gives their results in the same order.
///
/// There are never more than a few dozen, so each is polled again whenever any of them wakes; dropping it drops all.
pub(crate) async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<(Option<Pin<Box<F>>>, Option<F::Output>)> =
        futures.into_iter().map(|future| (Some(Box::pin(future)), None)).collect();
    poll_fn(|context| {
        let mut waiting = false;
        for (slot, result) in &mut running {
            if let Some(future) = slot {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => {
                        *result = Some(output);
                        *slot = None;
                    }
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, result)| result).collect()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_run_side_by_side_and_answer_in_order() {
        let start = tokio::time::Instant::now();
        let waits = [30_u64, 10, 20].map(|seconds| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            seconds
        });
        assert_eq!(all(waits).await, [30, 10, 20]);
        assert_eq!(start.elapsed(), Duration::from_secs(30));
    }
}

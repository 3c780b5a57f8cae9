//! A small runtime under a synchronous face.

use std::future::Future;
use std::io;

use tokio::runtime::Builder;

/// Does the work on a thread of its own, so that callers inside another runtime may call, too.
/// Whatever the work left behind (a look-up of a name that hangs) is not waited for.
pub(crate) fn block<F>(work: F) -> io::Result<F::Output>
where
    F: Future + Send,
    F::Output: Send,
{
    let done = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let output = runtime.block_on(work);
            runtime.shutdown_background();
            Ok(output)
        });
        worker.join()
    });
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Ends when `stop` says so; looks ten times a second.
pub(crate) async fn until(stop: &(dyn Fn() -> bool + Sync)) {
    while !stop() {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

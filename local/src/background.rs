//! What nobody waits for, on a thread of its own: event sources, schedules, the sweep.
//!
//! A batch of clicks keeps a thread busy for longer than a redirect may take, and there is always a
//! next batch while many redirects are answered. So this thread yields to those of the requests: while
//! these need all cores it gets a small part of one, and the backlog grows; it is on the disk, and is
//! worked off when there are fewer.

use std::future::Future;
use std::io;

use futures_util::future::BoxFuture;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How far it steps back, of 19 steps. With all of them it would hardly run beside busy requests; so
/// it has about a tenth of what each of their threads has.
#[cfg(target_os = "linux")]
const STEPS: i32 = 10;

/// Runs `tasks` on a thread of their own. The answer is done when all of them are; when it is dropped
/// before, they are cut off.
pub(crate) fn run(
    tasks: Vec<BoxFuture<'static, ()>>,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (ended, end) = oneshot::channel();
    let (wanted, mut unwanted) = oneshot::channel::<()>();
    let run = move || {
        step_back();
        runtime.block_on(async {
            let mut running: JoinSet<()> = tasks.into_iter().collect();
            let all = async { while running.join_next().await.is_some() {} };
            tokio::select! {
                () = all => {}
                _ = &mut unwanted => {}
            }
        });
        // A task that is inside a call may still hold a thread; nobody waits for it.
        runtime.shutdown_background();
        let _ = ended.send(());
    };
    std::thread::Builder::new().name("background".to_owned()).spawn(run)?;
    Ok(async move {
        let _wanted = wanted;
        let _ = end.await;
    })
}

/// Threads that this one starts do the same.
#[cfg(target_os = "linux")]
fn step_back() {
    // Of a process Linux takes this for the thread that asks.
    if let Err(error) = rustix::process::setpriority_process(None, STEPS) {
        tracing::warn!(%error, "the work in the background has the priority of requests");
    }
}

/// Elsewhere a priority is the whole process's.
#[cfg(not(target_os = "linux"))]
fn step_back() {}

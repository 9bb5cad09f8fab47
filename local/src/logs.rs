//! The lines of the log, and of which invocation each is.

use std::fmt;
use std::future::Future;

use tokio::task::futures::TaskLocalFuture;
use tokio::task_local;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};

task_local! {
    /// Of the invocation that is under way. A span would say the same, for a tenth of what a redirect
    /// computes: it is written down for each invocation, and lines are few.
    static INVOCATION: String;
}

/// Work whose lines say that they are of the invocation of this id.
pub(crate) fn of_invocation<W: Future>(id: String, work: W) -> TaskLocalFuture<String, W> {
    INVOCATION.scope(id, work)
}

/// The same for work that does not wait.
pub(crate) fn within<T>(id: String, work: impl FnOnce() -> T) -> T {
    INVOCATION.sync_scope(id, work)
}

/// A line's fields as they are, and the invocation behind them. It is named as Lambda's own is, so
/// that one search finds a request in both.
#[derive(Debug)]
pub(crate) struct WithInvocation;

impl<'w> FormatFields<'w> for WithInvocation {
    fn format_fields<R: RecordFields>(&self, mut out: Writer<'w>, fields: R) -> fmt::Result {
        DefaultFields::new().format_fields(out.by_ref(), fields)?;
        // Most of what is logged is of none.
        INVOCATION.try_with(|id| write!(out, " requestId={id}")).unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::prelude::*;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_line_says_of_which_invocation_it_is() {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .fmt_fields(WithInvocation);
        let log = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines));
        tracing::warn!(a = 1, "before");
        of_invocation("one".to_owned(), async {
            tracing::warn!(a = 1, "at once");
            tokio::task::yield_now().await;
            tracing::warn!("later");
        })
        .await;
        within("two".to_owned(), || tracing::warn!("another"));
        drop(log);
        let lines = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let expected = [
            " WARN before a=1",
            " WARN at once a=1 requestId=one",
            " WARN later requestId=one",
            " WARN another requestId=two",
            "",
        ];
        assert_eq!(lines, expected.join("\n"));
    }
}

//! How much is logged, and by whom.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Whose crates say no more than `info`, by the beginnings of their names, although `RUST_LOG` asks
/// for more in general. Asked for by name, as in `RUST_LOG=aws_smithy_runtime=debug`, they say it.
///
/// Below `info` the AWS SDKs and the runtime tell of whole requests, events and rows, and so of
/// passwords, tokens, and the addresses of people. Who looks for a bug wants our own `debug` and
/// `trace`, which tell nothing of these.
const HUSHED: [&str; 8] =
    ["aws_", "dynoxide", "h2", "hyper", "lambda_http", "lambda_runtime", "openidconnect", "s3s"];

/// What `RUST_LOG` asks for, or else `default`.
pub fn log_filter(default: &str) -> EnvFilter {
    hushed(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default)))
}

fn hushed(asked: EnvFilter) -> EnvFilter {
    // Whoever wants errors only gets no more of these either.
    if asked.max_level_hint().is_some_and(|most| most <= LevelFilter::INFO) {
        return asked;
    }
    HUSHED
        .iter()
        .filter_map(|name| format!("{name}=info").parse().ok())
        .fold(asked, EnvFilter::add_directive)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(asked: &str) -> String {
        hushed(EnvFilter::new(asked)).to_string()
    }

    #[test]
    fn what_others_log_of_requests_takes_their_name() {
        let filter = of("trace");
        for name in HUSHED {
            assert!(filter.contains(&format!("{name}=info")), "{filter}");
        }
        assert!(of("debug,aws_smithy_runtime=debug").contains("aws_smithy_runtime=debug"));
        assert_eq!(of("error"), "error");
        assert_eq!(of("info,lambda=warn").matches("=info").count(), 0);
    }
}

//! How a test is run over several adapters.

use std::pin::Pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// No test takes longer, however busy the machine is and whoever has to take turns.
const PATIENCE: Duration = Duration::from_secs(300);

/// Makes a module of tests of each function: one for each adapter, which the caller knows as an `Adapter` of its own.
#[macro_export]
macro_rules! over_all_adapters {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            use super::Adapter;
            use $crate::Runtime;

            $crate::over! { $test:
                over_tokio(Adapter::Async(Runtime::Tokio)),
                over_async_std(Adapter::Async(Runtime::AsyncStd)),
                over_smol(Adapter::Async(Runtime::Smol)),
                over_postgres(Adapter::Postgres),
                over_sqlx(Adapter::Sqlx),
            }
        }
    )* };
}

/// The same without sqlx, which is told by a pool where to connect to, for tests of what a URL and a connector say.
#[macro_export]
macro_rules! over_adapters_of_a_url {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            use super::Adapter;
            use $crate::Runtime;

            $crate::over! { $test:
                over_tokio(Adapter::Async(Runtime::Tokio)),
                over_async_std(Adapter::Async(Runtime::AsyncStd)),
                over_smol(Adapter::Async(Runtime::Smol)),
                over_postgres(Adapter::Postgres),
            }
        }
    )* };
}

/// The same without the other runtimes, for tests that take long and are about what all adapters of `tokio-postgres`
/// share.
#[macro_export]
macro_rules! over_each_driver {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            use super::Adapter;
            use $crate::Runtime;

            $crate::over! { $test:
                over_tokio(Adapter::Async(Runtime::Tokio)),
                over_postgres(Adapter::Postgres),
                over_sqlx(Adapter::Sqlx),
            }
        }
    )* };
}

#[doc(hidden)]
#[macro_export]
macro_rules! over {
    ($test:ident: $($over:ident($adapter:expr)),* $(,)?) => { $(
        #[test]
        fn $over() {
            $crate::run(super::$test($adapter));
        }
    )* };
}

/// Runs a test on a runtime that leaves threads behind if they hang.
///
/// # Panics
/// When the test does not end.
pub fn run(test: impl Future<Output = ()>) {
    run_boxed(Box::pin(test));
}

fn run_boxed(test: Pin<Box<dyn Future<Output = ()> + '_>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4_096)
        .enable_all()
        .build()
        .expect("a runtime");
    let done = runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await });
    runtime.shutdown_background();
    done.expect("a test that ends");
}

/// Runs what blocks on a thread of its own.
///
/// # Panics
/// When the work does.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("work that does not panic")
}

/// Works on a thread of its own, and leaves it behind if it hangs.
///
/// # Panics
/// When the work does, or does not end.
pub fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, done) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    done.recv_timeout(PATIENCE).expect("work that ends")
}

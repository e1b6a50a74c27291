//! What every benchmark stands on: the kind of error that it returns, and the thread that it runs on.

/// What went wrong, in words for the person who runs the benchmark.
pub(crate) type Problem = Box<dyn std::error::Error + Send + Sync>;

/// A runtime with one thread, as the functions have it.
pub(crate) fn single_threaded() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

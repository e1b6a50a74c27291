//! Two SQS queues: does what others left for later, and delivers to large channels.

fn main() -> std::process::ExitCode {
    functions::handlers::fanout::main()
}

//! pusher-js's HTTP transports.

fn main() -> std::process::ExitCode {
    functions::handlers::session::main()
}

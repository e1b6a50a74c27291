//! The Pusher HTTP API.

fn main() -> std::process::ExitCode {
    functions::handlers::publisher::main()
}

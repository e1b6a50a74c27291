//! `GET /stream/{key}`: server-sent events.

fn main() -> std::process::ExitCode {
    functions::handlers::stream::main()
}

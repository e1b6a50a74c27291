//! `GET /status/{key}`: polls.

fn main() -> std::process::ExitCode {
    functions::handlers::status::main()
}

//! `$disconnect`: forgets a connection and all its subscriptions.

fn main() -> std::process::ExitCode {
    functions::handlers::disconnect::main()
}

//! The queue of webhooks: posts them to the apps' servers.

fn main() -> std::process::ExitCode {
    functions::handlers::webhook::main()
}

//! Every minute: finishes what nobody else has finished.

fn main() -> std::process::ExitCode {
    functions::handlers::reaper::main()
}

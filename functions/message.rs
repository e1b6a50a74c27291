//! `$default`: does what one frame of a client asks for.

fn main() -> std::process::ExitCode {
    functions::handlers::message::main()
}

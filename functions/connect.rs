//! `$connect`: admits a connection, and greets it after the response.

fn main() -> std::process::ExitCode {
    functions::handlers::connect::main()
}

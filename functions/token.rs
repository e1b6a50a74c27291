//! `POST /apps/{app_id}/tokens`: issues a token.

fn main() -> std::process::ExitCode {
    functions::handlers::token::main()
}

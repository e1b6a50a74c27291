//! What the function binaries have in common: the shapes of API Gateway's events, the way a
//! result becomes a response, and the greeting that follows one.

/// The name of each function: its binary, its Lambda, its row in the template.
pub const FUNCTIONS: [&str; 6] = [
    "connect",
    "disconnect",
    "message",
    "publisher",
    "status",
    "token",
];

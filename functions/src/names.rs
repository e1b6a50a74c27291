//! The names of the functions.

/// The name of each function: its binary, its Lambda, its row in the template.
pub const FUNCTIONS: [&str; 11] = [
    "connect",
    "disconnect",
    "fanout",
    "message",
    "publisher",
    "reaper",
    "session",
    "status",
    "stream",
    "token",
    "webhook",
];

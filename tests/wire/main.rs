//! The real binaries on a port of their own, spoken to over sockets and HTTP.

/// What each operation costs.
mod budgets {
    mod large_channels;
    mod sessions;
    mod sockets;
}
/// Joining and leaving channels, and what is told of them.
mod channels {
    mod cache;
    pub(crate) mod endpoints;
    mod subscribing;
    mod subscription_counts;
    mod thousands;
}
/// Who may connect, and what becomes of a connection.
mod connections {
    mod admission;
    mod forgetting;
    mod reaping;
}
/// What goes through the queues.
mod delivery {
    mod large_channels;
}
/// What was published before: polls, streams, resuming.
mod history {
    mod cursors;
    mod polling;
    mod resuming;
    mod streams;
}
mod hostile_requests;
/// The local gateway, queues and faults.
mod local {
    mod command;
    mod faults;
    mod gateway;
    mod queues;
}
/// Logs, metrics and secrets.
mod operations {
    mod logs;
    mod secrets;
}
/// Who is on a presence channel.
mod presence {
    mod members;
}
/// Who may publish what, and whom it reaches.
mod publishing {
    mod batches;
    mod client_events;
    mod direct_invocation;
    mod events;
    mod idempotency;
    mod progress;
}
mod rejections;
/// pusher-js without a socket.
mod sessions {
    mod transports;
}
mod tokens;
/// Signing in, watchlists, and ending a user's connections.
mod users {
    mod sign_in;
    mod terminating;
    mod watchlists;
}
/// What an app's own server is told.
mod webhooks {
    mod events;
}

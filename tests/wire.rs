//! The real binaries on a port of their own, spoken to over sockets and HTTP.

#[path = "wire/asking.rs"]
mod asking;
#[path = "wire/batches.rs"]
mod batches;
#[path = "wire/budgets.rs"]
mod budgets;
#[path = "wire/connecting.rs"]
mod connecting;
#[path = "wire/counting.rs"]
mod counting;
#[path = "wire/cursors.rs"]
mod cursors;
#[path = "wire/faults.rs"]
mod faults;
#[path = "wire/gateway.rs"]
mod gateway;
#[path = "wire/hostile.rs"]
mod hostile;
#[path = "wire/invoking.rs"]
mod invoking;
#[path = "wire/keeping.rs"]
mod keeping;
#[path = "wire/large.rs"]
mod large;
#[path = "wire/large_costs.rs"]
mod large_costs;
#[path = "wire/leaving.rs"]
mod leaving;
#[path = "wire/many.rs"]
mod many;
#[path = "wire/messages.rs"]
mod messages;
#[path = "wire/observing.rs"]
mod observing;
#[path = "wire/polling.rs"]
mod polling;
#[path = "wire/presence.rs"]
mod presence;
#[path = "wire/progressing.rs"]
mod progressing;
#[path = "wire/publishing.rs"]
mod publishing;
#[path = "wire/queues.rs"]
mod queues;
#[path = "wire/reaping.rs"]
mod reaping;
#[path = "wire/rejections.rs"]
mod rejections;
#[path = "wire/repeating.rs"]
mod repeating;
#[path = "wire/resuming.rs"]
mod resuming;
#[path = "wire/secrets.rs"]
mod secrets;
#[path = "wire/session_costs.rs"]
mod session_costs;
#[path = "wire/sessions.rs"]
mod sessions;
#[path = "wire/starting.rs"]
mod starting;
#[path = "wire/streaming.rs"]
mod streaming;
#[path = "wire/talking.rs"]
mod talking;
#[path = "wire/terminating.rs"]
mod terminating;
#[path = "wire/tokens.rs"]
mod tokens;
#[path = "wire/users.rs"]
mod users;
#[path = "wire/watching.rs"]
mod watching;
#[path = "wire/webhooks.rs"]
mod webhooks;

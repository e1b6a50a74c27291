//! The real binaries on a port of their own, spoken to over sockets and HTTP. A rule is tested in the folder
//! of its subject:
//!
//! | folder | what is tested |
//! | --- | --- |
//! | [`connections`], [`tokens`] | who may connect, and how a connection ends |
//! | [`channels`], [`presence`], [`users`] | joining, members, signing in |
//! | [`publishing`], [`delivery`] | who may publish; large channels |
//! | [`history`], [`sessions`], [`webhooks`] | polls, streams and resuming; clients without a socket; webhooks |
//! | [`rejections`], [`hostile_requests`] | what a caller is told for each broken rule; requests no library makes |
//! | [`pressure`] | failing posts, a throttled account, clients that vanish |
//! | [`operations`], [`budgets`] | logs, metrics and secrets; what each operation costs |
//! | [`local`] | the local system itself |

mod budgets;
mod channels;
mod connections;
mod delivery;
mod history;
mod hostile_requests;
mod local;
mod operations;
mod presence;
mod pressure;
mod publishing;
mod rejections;
mod sessions;
mod tokens;
mod users;
mod webhooks;

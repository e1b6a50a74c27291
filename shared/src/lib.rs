//! Everything the functions do: the Channels protocol, the state model and the delivery path.
//!
//! # Layout
//!
//! | layer | modules | may use |
//! | --- | --- | --- |
//! | pure | [`limits`], [`time`], [`error`], [`secret`], [`app`], [`settings`], [`channel`], [`socket_id`], [`frame`], [`hold`], [`metrics`], [`signature`], [`event`], [`api`], [`user`], [`presence`], [`rate`], [`pace`], [`shard`], [`task`], [`token`], [`cursor`], [`reading`], [`session`], [`webhook`] | values only: no AWS, no async, no clock (`now` is an argument), no environment |
//! | use cases | [`kept`], [`deployment`], [`admission`], [`lifecycle`], `deliver`, [`pickup`], [`message`], [`reply`], [`subscribe`], `attend`, `announce`, [`users`], [`relay`], [`answer`], `once`, [`publish`], [`occupancy`], [`terminate`], [`fanout`], [`subscription_count`], [`later`], [`replay`], `resume`, [`follow`], [`stream`], [`issue`], [`reap`], [`notify`] | the pure modules and the edge |
//! | edge | [`config`] (the environment), [`aws`] (DynamoDB, `@connections`, Lambda, Secrets Manager, SQS), [`receiver`] (those who get webhooks), `tls`, [`schema`] (names other programs need) | the AWS crates, in [`aws`] alone |
//!
//! A rule has one home: a prefix, a limit, a code or a key format is a literal in one file.
//! `tests/architecture.rs` fails when these boundaries are broken.

pub mod admission;
mod announce;
pub mod answer;
pub mod api;
pub mod app;
mod attend;
pub mod aws;
pub mod channel;
pub mod config;
pub mod cursor;
mod deliver;
pub mod deployment;
pub mod error;
pub mod event;
pub mod fanout;
pub mod follow;
pub mod frame;
pub mod hold;
pub mod issue;
pub mod kept;
pub mod later;
pub mod lifecycle;
pub mod limits;
pub mod message;
pub mod metrics;
pub mod notify;
pub mod occupancy;
mod once;
pub mod pace;
pub mod pickup;
pub mod presence;
pub mod publish;
pub mod rate;
pub mod reading;
pub mod reap;
pub mod receiver;
pub mod relay;
pub mod replay;
pub mod reply;
mod resume;
pub mod schema;
pub mod secret;
pub mod session;
pub mod settings;
pub mod shard;
pub mod signature;
pub mod socket_id;
pub mod stream;
pub mod subscribe;
pub mod subscription_count;
pub mod task;
pub mod terminate;
pub mod time;
mod tls;
pub mod token;
pub mod user;
pub mod users;
pub mod webhook;

//! The whole system on one machine: a gateway that plays CloudFront and API Gateway, a host that
//! runs the real function binaries over the Lambda Runtime API, and an embedded DynamoDB.
//!
//! # Layout
//!
//! | module | owns |
//! | --- | --- |
//! | [`args`] | the command line |
//! | [`binaries`] | building the functions and finding them |
//! | [`system`] | starting and stopping all of it |
//! | [`banner`] | what is said at the start |
//! | [`table`] | the embedded DynamoDB |
//! | [`settings`] | what the functions are started with |
//! | [`host`], [`function`], [`environment`], [`runtime_api`] | the functions: their queues, their processes, and what those speak |
//! | [`routes`], [`gateway`], [`http_api`], [`upgrade`], [`websocket`] | the public port |
//! | [`connections`], [`internal`] | `@connections` and the Invoke API, for the functions alone |
//! | [`queue`], [`fifo`], [`queues`], [`sqs`], [`mapping`] | SQS: the queues and what one of each kind does (pure), using them, sending, and what Lambda does with what was sent |
//! | [`schedule`] | EventBridge: what is done every minute |
//! | [`faults`] | what can go wrong on AWS, on demand |
//! | [`events`] | the shapes of the events, pure |
//! | [`serve`], [`stop`] | listening, and when to end: what all servers share |
//!
//! Limits are enforced rather than forgiven: what fails on AWS fails here.

pub mod args;
pub mod banner;
pub mod binaries;
pub mod connections;
pub mod environment;
pub mod events;
pub mod faults;
pub mod fifo;
pub mod function;
pub mod function_url;
pub mod gateway;
pub mod host;
pub mod http_api;
pub mod internal;
pub mod mapping;
pub mod queue;
pub mod queues;
pub mod routes;
pub mod runtime_api;
pub mod schedule;
pub mod serve;
pub mod settings;
pub mod sqs;
pub mod stop;
pub mod system;
pub mod table;
pub mod upgrade;
pub mod websocket;

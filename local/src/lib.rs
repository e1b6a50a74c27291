//! The whole system on one machine: a gateway that plays CloudFront and API Gateway, a host that
//! runs the real function binaries over the Lambda Runtime API, and an embedded DynamoDB.
//!
//! Limits are enforced rather than forgiven: what fails on AWS fails here.

/// The command line, and what is printed at the start.
pub mod command_line {
    pub mod args;
    pub mod banner;
}
pub mod events;
/// What goes wrong on AWS, made to happen here.
pub mod faults {
    mod batch;
    mod call;
    pub mod in_force;
    pub mod proxy;
    pub mod rules;
}
/// The public port: CloudFront and API Gateway.
pub mod gateway {
    pub mod connections;
    pub mod function_url;
    pub mod http_api;
    pub mod routes;
    pub mod state;
    pub mod upgrade;
    pub mod websocket;
}
/// The functions: their processes, and what those speak.
pub mod host {
    pub mod binaries;
    pub mod dispatch;
    pub mod environment;
    pub mod function;
    pub mod runtime_api;
    pub mod settings;
}
pub mod internal;
/// SQS: the queues, and its API for those who send.
pub mod queues {
    pub mod fifo;
    pub mod live;
    mod refusal;
    pub mod sqs;
    pub mod standard;
}
/// What all servers share: listening, answering, and when to end.
pub mod serving {
    pub mod listening;
    pub mod stop;
}
pub mod system;
pub mod table;
/// What invokes a function without a client: a queue's messages, and the schedule.
pub mod triggers {
    pub mod mapping;
    pub mod schedule;
}

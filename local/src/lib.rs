//! The whole system on one machine: the real functions, and around them what AWS would be. AWS's
//! limits are enforced: what fails on AWS fails here. A folder uses only those listed before it.
//!
//! | folder | what it is |
//! | --- | --- |
//! | [`account`], [`time`] | the account and the region that all names contain; points in time |
//! | [`command_line`] | the arguments, and the text that is printed at the start |
//! | [`serving`] | what every server here shares: listening, answering, stopping |
//! | [`table`] | DynamoDB, embedded |
//! | [`queues`] | SQS: the queues, and the API through which functions send to them |
//! | [`events`] | the JSON that functions are invoked with, and the JSON that they return |
//! | [`host`] | Lambda: the function processes, the Runtime API, the Invoke API |
//! | [`faults`] | the proxy between the functions and AWS, which fails requests by rules |
//! | [`gateway`] | CloudFront and API Gateway: the public port, sockets, `@connections` |
//! | [`internal_port`] | the port of `@connections`, the Invoke API and SQS |
//! | [`triggers`] | what invokes functions without a client: queues and the schedule |
//! | [`system`], [`command`] | starts and stops all of the above; the command that does so |

pub mod account;
pub mod command;
pub mod command_line;
pub mod events;
pub mod faults;
pub mod gateway;
pub mod host;
pub mod internal_port;
pub mod queues;
pub mod serving;
pub mod system;
pub mod table;
pub mod time;
pub mod triggers;

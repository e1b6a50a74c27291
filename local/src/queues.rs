//! SQS: the queues, their messages, and the API through which functions send to them. It does not
//! know who receives: that is [`crate::triggers::mapping`], as on AWS it is Lambda.

pub mod api;
pub mod declared;
pub mod fifo;
mod limits;
pub mod live;
pub mod message;
mod refusal;
mod request;
pub mod standard;

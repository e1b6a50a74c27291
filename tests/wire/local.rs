//! The local system itself, where it must behave as AWS does: the gateway, the queues, the faults, the
//! command.

mod command;
mod faults;
mod gateway;
mod queues;

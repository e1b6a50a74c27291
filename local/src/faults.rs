//! What goes wrong on AWS, made to happen here. A proxy stands between the functions and AWS, and
//! rules say which request meets which fault. The gateway asks the rules, too, before it invokes a
//! function for a socket. The functions know nothing of it.
//!
//! Tests set the rules and read the requests over HTTP: see [`proxy`].

mod batch;
mod call;
pub mod in_force;
pub mod proxy;
pub mod rules;

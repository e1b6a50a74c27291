//! Everybody who takes part. Each writes down what it does and what it hears. Of these, one uses only those listed
//! before it:
//!
//! | module | owns |
//! | --- | --- |
//! | [`ear`], [`session`], [`link`] | what a connection hears; the HTTP transports; a connection of any kind |
//! | [`position`] | what a client has of a channel; pure |
//! | [`client`], [`asking`], [`act`] | a client: what it minds, what it asks for, what its plan has it do |
//! | [`reader`], [`server`], [`hooks`] | streams and polls; an app's servers; where webhooks go |

mod act;
mod asking;
pub(crate) mod client;
mod ear;
pub(crate) mod hooks;
pub(crate) mod link;
mod position;
pub(crate) mod reader;
pub(crate) mod server;
mod session;

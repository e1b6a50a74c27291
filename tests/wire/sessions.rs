//! Sessions over HTTP, for clients that cannot have a socket.

mod admission;
mod transports;

//! Sessions of the HTTP transports: connections without a socket, which fetch their frames. What a line looks
//! like, the protocol says.

pub mod answer;
pub mod reader;
pub mod stream;

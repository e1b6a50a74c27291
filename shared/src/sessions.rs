//! Sessions of the HTTP transports: connections without a socket, which fetch their frames.

pub mod reader;

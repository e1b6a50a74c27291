//! Everything the functions do.

pub mod app;
pub mod config;
pub mod schema;

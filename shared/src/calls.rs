//! The calls of the HTTP API, each by its use case.

pub mod answer;

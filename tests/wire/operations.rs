//! What an operator relies on: logs, metrics, and secrets that change.

mod logs;
mod secrets;

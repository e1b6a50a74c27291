//! Connections: who may connect, how one ends, and what is left of it. Rules of channels are elsewhere.

mod admission;
mod forgetting;
mod reaping;

//! Webhooks: what an app's own server is told, and how often it is tried.

mod events;
mod receivers;
mod steps;

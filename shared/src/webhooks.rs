//! Posting webhooks to the apps' servers, again until they are taken.

pub mod notifier;

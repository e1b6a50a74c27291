//! What the calls of the HTTP API are answered.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::call::{CallAnswer, CallResult, Counts, KeptEvent};

/// `{}`.
#[derive(Serialize)]
struct Nothing {}

/// What is told of a channel, as far as it was asked for.
#[derive(Serialize)]
struct Channel {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_count: Option<u64>,
}

impl From<&Counts> for Channel {
    fn from(counts: &Counts) -> Self {
        Self {
            user_count: counts.user_count,
            subscription_count: counts.subscription_count,
        }
    }
}

#[derive(Serialize)]
struct Channels<'a> {
    channels: BTreeMap<&'a str, Channel>,
}

#[derive(Serialize)]
struct Batch {
    batch: Vec<Channel>,
}

#[derive(Serialize)]
struct Shown<'a> {
    occupied: bool,
    #[serde(flatten)]
    counts: Channel,
    /// `null` when nothing is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<Option<Kept<'a>>>,
}

/// `ttl` is in seconds.
#[derive(Serialize)]
struct Kept<'a> {
    data: &'a str,
    ttl: u64,
}

#[derive(Serialize)]
struct Users<'a> {
    users: Vec<User<'a>>,
}

#[derive(Serialize)]
struct User<'a> {
    id: &'a str,
}

/// Prints what a call came to.
#[must_use]
pub fn print(result: &CallResult<'_>) -> CallAnswer {
    match result {
        CallResult::Published {
            deprecated,
            channels,
        } => {
            let status = if *deprecated { 202 } else { 200 };
            match channels {
                None => answer(status, &Nothing {}),
                Some(channels) => {
                    let channels = channels.iter();
                    let channels = channels
                        .map(|(channel, counts)| (channel.as_str(), counts.into()))
                        .collect();
                    answer(status, &Channels { channels })
                }
            }
        }
        CallResult::PublishedBatch(None) | CallResult::Terminated => answer(200, &Nothing {}),
        CallResult::PublishedBatch(Some(counts)) => {
            let batch = counts.iter().map(Channel::from).collect();
            answer(200, &Batch { batch })
        }
        CallResult::Channels(channels) => {
            let channels = channels.iter();
            let channels = channels
                .map(|(channel, counts)| (channel.as_str(), counts.into()))
                .collect();
            answer(200, &Channels { channels })
        }
        CallResult::Channel {
            occupied,
            counts,
            kept,
        } => {
            let cache = kept.as_ref().map(|kept| {
                kept.as_ref().map(|KeptEvent { data, ttl_secs }| Kept {
                    data,
                    ttl: *ttl_secs,
                })
            });
            let shown = Shown {
                occupied: *occupied,
                counts: counts.into(),
                cache,
            };
            answer(200, &shown)
        }
        CallResult::Users(ids) => {
            let users = ids.iter().map(|id| User { id }).collect();
            answer(200, &Users { users })
        }
    }
}

fn answer(status: u16, body: &impl Serialize) -> CallAnswer {
    CallAnswer {
        status,
        body: serde_json::to_string(body).expect("strings and numbers always print"),
    }
}

//! Answering the calls of the HTTP API, each by its use case.

use std::collections::BTreeMap;

use crate::aws::Services;
use crate::aws::table::{ChannelKey, UserKey};
use crate::channels::occupancy;
use crate::model::app::App;
use crate::model::call::{
    Attributes, BatchRequest, Call, CallAnswer, CallResult, PrintResult, PublishRequest,
};
use crate::model::channel::{Channel, Kind};
use crate::model::error::Error;
use crate::model::time::UnixMillis;
use crate::publishing::idempotency::{self, Attempt, Known};
use crate::publishing::publish::{self, Publication};
use crate::users::terminate;

/// Does what a call asks for, and prints what it came to. It costs what its use case does.
///
/// # Errors
/// [`Rejection`](crate::model::error::Rejection): nothing has changed.
/// [`Fault`](crate::model::error::Fault): it may or may not be done.
pub async fn answer(
    services: &Services,
    app: &App,
    call: Call,
    print: PrintResult,
    now: UnixMillis,
) -> Result<CallAnswer, Error> {
    let key = |channel: &Channel| ChannelKey::new(app.id(), channel);
    let result = match call {
        Call::Publish(request) => {
            let publishing = Publishing::Event(&request, false);
            return publish(services, app, publishing, print, now).await;
        }
        Call::PublishRaw(request) => {
            let publishing = Publishing::Event(&request, true);
            return publish(services, app, publishing, print, now).await;
        }
        Call::PublishBatch(request) => {
            let publishing = Publishing::Batch(&request);
            return publish(services, app, publishing, print, now).await;
        }
        Call::ListChannels { prefix, attributes } => {
            let listed = occupancy::list(services, app.id(), &prefix, attributes, now).await?;
            CallResult::Channels(listed)
        }
        Call::ShowChannel {
            channel,
            attributes,
        } => occupancy::show(services, &key(&channel), attributes, now).await?,
        Call::ShowStats { channel } => {
            let attributes = Attributes {
                user_count: channel.kind() == Kind::Presence,
                ..Attributes::default()
            };
            occupancy::show(services, &key(&channel), attributes, now).await?
        }
        Call::ListUsers { channel } => {
            CallResult::Users(occupancy::users(services, &key(&channel), now).await?)
        }
        Call::TerminateConnections { user_id } => {
            terminate::terminate(services, &UserKey::new(app.id(), &user_id), now).await?;
            CallResult::Terminated
        }
    };
    Ok(print(&result))
}

/// What is published: one event, and whether by the deprecated endpoint, or several.
#[derive(Clone, Copy)]
enum Publishing<'a> {
    Event(&'a PublishRequest, bool),
    Batch(&'a BatchRequest),
}

/// Publishes one event or several, once under an idempotency key. With a key it costs two writes more
/// than without, and those of [`publish::publish`].
///
/// # Errors
/// A [`Rejection`](crate::model::error::Rejection) of the key, or a [`Fault`](crate::model::error::Fault).
async fn publish(
    services: &Services,
    app: &App,
    publishing: Publishing<'_>,
    print: PrintResult,
    now: UnixMillis,
) -> Result<CallAnswer, Error> {
    let idempotency = match publishing {
        Publishing::Event(request, _) => &request.idempotency,
        Publishing::Batch(request) => &request.idempotency,
    };
    let attempt = match idempotency {
        None => None,
        Some(idempotency) => match idempotency::begin(services, app.id(), idempotency).await? {
            Known::Attempt(attempt) => Some(attempt),
            Known::Answered(answer) => return Ok(answer),
        },
    };
    let outcome = match publishing {
        Publishing::Event(request, deprecated) => {
            publish_event(services, app, request, deprecated, attempt.as_ref(), now).await
        }
        Publishing::Batch(request) => {
            publish_batch(services, app, request, attempt.as_ref(), now).await
        }
    };
    let outcome = outcome.map(|result| print(&result));
    if let Some(attempt) = attempt {
        attempt.end(services, &outcome).await;
    }
    outcome
}

/// Publishes one event, and tells of its channels what was asked for.
async fn publish_event<'a>(
    services: &Services,
    app: &App,
    request: &'a PublishRequest,
    deprecated: bool,
    attempt: Option<&Attempt>,
    now: UnixMillis,
) -> Result<CallResult<'a>, Error> {
    let publications: Vec<Publication<'_>> = request
        .channels
        .iter()
        .map(|channel| Publication {
            channel,
            name: &request.name,
            data: &request.data,
            except: request.except.as_ref(),
        })
        .collect();
    let audiences = publish::publish(services, app, &publications, attempt, now).await?;
    let Some(attributes) = request.info else {
        return Ok(CallResult::Published {
            deprecated,
            channels: None,
        });
    };
    let mut channels = BTreeMap::new();
    for (channel, audience) in request.channels.iter().zip(&audiences) {
        let of = ChannelKey::new(app.id(), channel);
        let counts = occupancy::count(services, &of, audience, attributes, now).await?;
        channels.insert(channel, counts);
    }
    Ok(CallResult::Published {
        deprecated,
        channels: Some(channels),
    })
}

/// Publishes several events, and tells of each one's channel what was asked for with it.
async fn publish_batch<'a>(
    services: &Services,
    app: &App,
    request: &BatchRequest,
    attempt: Option<&Attempt>,
    now: UnixMillis,
) -> Result<CallResult<'a>, Error> {
    let publications: Vec<Publication<'_>> = request
        .events
        .iter()
        .map(|event| Publication {
            channel: &event.channel,
            name: &event.name,
            data: &event.data,
            except: event.except.as_ref(),
        })
        .collect();
    let audiences = publish::publish(services, app, &publications, attempt, now).await?;
    if request.events.iter().all(|event| event.info.is_none()) {
        return Ok(CallResult::PublishedBatch(None));
    }
    let mut batch = Vec::with_capacity(audiences.len());
    for (event, audience) in request.events.iter().zip(&audiences) {
        let of = ChannelKey::new(app.id(), &event.channel);
        let attributes = event.info.unwrap_or_default();
        batch.push(occupancy::count(services, &of, audience, attributes, now).await?);
    }
    Ok(CallResult::PublishedBatch(Some(batch)))
}

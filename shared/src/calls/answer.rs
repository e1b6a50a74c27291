//! Answering the calls of the HTTP API, each by its use case.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::aws::Services;
use crate::aws::table::{ChannelKey, UserKey};
use crate::channels::occupancy::{self, Counts};
use crate::model::app::App;
use crate::model::channel::{Channel, Kind};
use crate::model::error::Error;
use crate::model::time::UnixMillis;
use crate::publishing::idempotency::{self, Attempt, Known};
use crate::publishing::publish::{self, Publication};
use crate::pusher::api::{Answer, ApiCall, Attributes, BatchRequest, PublishRequest};
use crate::users::terminate;

/// `{}`.
#[derive(Serialize)]
struct Nothing {}

/// Does what a call asks for. It costs what its use case does.
///
/// # Errors
/// [`Rejection`](crate::model::error::Rejection): nothing has changed. [`Fault`](crate::model::error::Fault): it may
/// or may not be done.
pub async fn answer(
    services: &Services,
    app: &App,
    call: ApiCall,
    now: UnixMillis,
) -> Result<Answer, Error> {
    let key = |channel: &Channel| ChannelKey::new(app.id(), channel);
    let answer = match call {
        ApiCall::Publish(request) => {
            let publishing = Publishing::Event(&request, 200);
            publish(services, app, publishing, now).await?
        }
        ApiCall::PublishBatch(request) => {
            publish(services, app, Publishing::Batch(&request), now).await?
        }
        ApiCall::PublishRaw(request) => {
            let publishing = Publishing::Event(&request, 202);
            publish(services, app, publishing, now).await?
        }
        ApiCall::ListChannels { prefix, attributes } => {
            Answer::ok(&occupancy::list(services, app.id(), &prefix, attributes, now).await?)
        }
        ApiCall::ShowChannel {
            channel,
            attributes,
        } => Answer::ok(&occupancy::show(services, &key(&channel), attributes, now).await?),
        ApiCall::ShowStats { channel } => {
            let attributes = Attributes {
                user_count: channel.kind() == Kind::Presence,
                ..Attributes::default()
            };
            Answer::ok(&occupancy::show(services, &key(&channel), attributes, now).await?)
        }
        ApiCall::ListUsers { channel } => {
            Answer::ok(&occupancy::users(services, &key(&channel), now).await?)
        }
        ApiCall::TerminateConnections { user_id } => {
            terminate::terminate(services, &UserKey::new(app.id(), &user_id), now).await?;
            Answer::ok(&Nothing {})
        }
    };
    Ok(answer)
}

/// What is published, and the status of its answer.
#[derive(Clone, Copy)]
enum Publishing<'a> {
    Event(&'a PublishRequest, u16),
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
    now: UnixMillis,
) -> Result<Answer, Error> {
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
        Publishing::Event(request, status) => {
            publish_event(services, app, request, status, attempt.as_ref(), now).await
        }
        Publishing::Batch(request) => {
            publish_batch(services, app, request, attempt.as_ref(), now).await
        }
    };
    if let Some(attempt) = attempt {
        attempt.end(services, &outcome).await;
    }
    outcome
}

/// Publishes one event, and tells of its channels what was asked for.
async fn publish_event(
    services: &Services,
    app: &App,
    request: &PublishRequest,
    status: u16,
    attempt: Option<&Attempt>,
    now: UnixMillis,
) -> Result<Answer, Error> {
    #[derive(Serialize)]
    struct Body<'a> {
        channels: BTreeMap<&'a Channel, Counts>,
    }
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
        return Ok(Answer::new(status, &Nothing {}));
    };
    let mut channels = BTreeMap::new();
    for (channel, audience) in request.channels.iter().zip(&audiences) {
        let of = ChannelKey::new(app.id(), channel);
        let counts = occupancy::count(services, &of, audience, attributes, now).await?;
        channels.insert(channel, counts);
    }
    Ok(Answer::new(status, &Body { channels }))
}

/// Publishes several events, and tells of each one's channel what was asked for with it.
async fn publish_batch(
    services: &Services,
    app: &App,
    request: &BatchRequest,
    attempt: Option<&Attempt>,
    now: UnixMillis,
) -> Result<Answer, Error> {
    #[derive(Serialize)]
    struct Body {
        batch: Vec<Counts>,
    }
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
        return Ok(Answer::ok(&Nothing {}));
    }
    let mut batch = Vec::with_capacity(audiences.len());
    for (event, audience) in request.events.iter().zip(&audiences) {
        let of = ChannelKey::new(app.id(), &event.channel);
        let attributes = event.info.unwrap_or_default();
        batch.push(occupancy::count(services, &of, audience, attributes, now).await?);
    }
    Ok(Answer::ok(&Body { batch }))
}

//! One frame from a client: what it asks for is done, and it is answered on its own connection.

use crate::aws::Services;
use crate::channels::counts;
use crate::channels::subscribe::{self, Subscribed};
use crate::history::last_event::acknowledge;
use crate::history::resume;
use crate::log::log_fault;
use crate::model::channel::Channel;
use crate::model::error::{Error, Fault, Rejection};
use crate::model::request::{BadRequest, ClientEvent, Request, SignIn, Subscribe};
use crate::model::said::Said;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::voice::Client;
use crate::publishing::client_events;
use crate::transport::post;
use crate::transport::say::say;
use crate::users::sign_in;

/// Does what a frame asks for, which came at `at` by API Gateway's clock: the time, and the order of one
/// connection's frames. It never fails: a failed invocation makes API Gateway send the client a frame of its
/// own, without an `event`, on which pusher-js throws.
pub async fn receive(services: &Services, client: Client<'_>, text: &str, at: UnixMillis) {
    let request = match services.protocols.of(client.voice) {
        Ok(protocol) => (protocol.parse)(text),
        Err(fault) => return logged(client.id, &fault),
    };
    match request {
        Ok(Request::Ping) => {
            say(services, client, &Said::Pong, at).await;
        }
        Ok(Request::Pong) => {}
        Ok(Request::Subscribe(request)) => join(services, client, request, at).await,
        Ok(Request::Unsubscribe { channel }) => leave(services, client, &channel, at).await,
        Ok(Request::SignIn(request)) => identify(services, client, &request, at).await,
        Ok(Request::ClientEvent(event)) => relay(services, client, event, at).await,
        Err(bad) => refuse(services, client, &bad, at).await,
    }
    services.tell_webhooks().await;
}

async fn join(services: &Services, client: Client<'_>, request: Subscribe, at: UnixMillis) {
    let channel = request.channel.clone();
    match subscribe::subscribe(services, client, request, at).await {
        Ok(Subscribed::Acknowledge {
            of,
            added,
            resuming,
        }) => {
            match resuming {
                None => acknowledge(services, client, &of, at).await,
                Some(resuming) => resume::resume(services, client, &of, resuming, at).await,
            }
            if added {
                counts::changed(services, &of, at).await;
            }
        }
        Ok(Subscribed::Announced { of, resuming }) => {
            if let Some(resuming) = resuming {
                resume::resume(services, client, &of, resuming, at).await;
            }
        }
        Err(Error::Rejected(rejection)) => {
            services.refused(&rejection);
            let refused = Said::NotSubscribed {
                channel: channel.as_str(),
                rejection: &rejection,
            };
            say(services, client, &refused, at).await;
        }
        Err(Error::Fault(fault)) => {
            logged(client.id, &fault);
            let failed = Said::SubscriptionFailed { channel: &channel };
            say(services, client, &failed, at).await;
        }
    }
}

async fn leave(services: &Services, client: Client<'_>, channel: &Channel, at: UnixMillis) {
    match subscribe::unsubscribe(services, client.id, channel, at).await {
        Ok(Some(of)) => counts::changed(services, &of, at).await,
        Ok(None) => {}
        Err(fault) => failed(services, client, &fault, at).await,
    }
}

/// Signs a connection in and answers it, and then tells who wants to know. A client that is refused is told
/// why and closed: what it asked for would be refused again.
async fn identify(services: &Services, client: Client<'_>, request: &SignIn, at: UnixMillis) {
    match sign_in::sign_in(services, client, request, at).await {
        Ok(signed_in) => {
            let answer = Said::SignedIn {
                user_data: &request.user_data,
            };
            say(services, client, &answer, at).await;
            if signed_in.watchlist_cut {
                say(
                    services,
                    client,
                    &Said::Refused(&Rejection::WatchlistCut),
                    at,
                )
                .await;
            }
            sign_in::tell(services, client, signed_in, at).await;
        }
        Err(Error::Rejected(rejection)) => {
            services.refused(&rejection);
            // Whether it hears of it or not, it is closed.
            say(services, client, &Said::Refused(&rejection), at).await;
            if let Err(fault) = post::end(services, client.id, Some(&rejection), at).await {
                logged(client.id, &fault);
            }
        }
        Err(Error::Fault(fault)) => failed(services, client, &fault, at).await,
    }
}

async fn relay(services: &Services, client: Client<'_>, event: ClientEvent, at: UnixMillis) {
    match client_events::relay(services, client.id, event, at).await {
        Ok(()) => {}
        Err(Error::Rejected(rejection)) => {
            services.refused(&rejection);
            say(services, client, &Said::Refused(&rejection), at).await;
        }
        Err(Error::Fault(fault)) => failed(services, client, &fault, at).await,
    }
}

async fn refuse(services: &Services, client: Client<'_>, bad: &BadRequest, at: UnixMillis) {
    let BadRequest {
        rejection,
        subscribing_to,
    } = bad;
    services.refused(rejection);
    let refused = match subscribing_to {
        Some(channel) => Said::NotSubscribed { channel, rejection },
        None => Said::Refused(rejection),
    };
    say(services, client, &refused, at).await;
}

async fn failed(services: &Services, client: Client<'_>, fault: &Fault, at: UnixMillis) {
    logged(client.id, fault);
    say(services, client, &Said::Failed, at).await;
}

fn logged(id: &ConnectionId, fault: &Fault) {
    log_fault!(error, fault, connection_id = %id, "message");
}

//! One frame from a client: what it asks for is done, and it is answered on its own socket.

use bytes::Bytes;

use crate::aws::Services;
use crate::channels::counts;
use crate::channels::subscribe::{self, Subscribe, Subscribed};
use crate::history::last_event::acknowledge;
use crate::history::resume;
use crate::model::error::{Error, Fault, Rejection, chain};
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::publishing::client_events::{self, ClientEvent};
use crate::pusher::frame::{self, BadFrame, ClientFrame};
use crate::transport::post;
use crate::transport::reply::reply;
use crate::users::sign_in::{self, SignIn};

/// A text frame, as API Gateway hands it on.
#[derive(Debug)]
pub struct Message {
    /// Who sent it.
    pub id: ConnectionId,
    /// When API Gateway got it: the time, and the order of one connection's frames.
    pub at: UnixMillis,
    /// The text.
    pub text: String,
}

/// Does what a frame asks for. It never fails: a failed invocation makes API Gateway send the
/// client a frame of its own, without an `event`, on which pusher-js throws.
pub async fn receive(services: &Services, message: Message) {
    let Message { id, at, text } = message;
    let answer = match ClientFrame::parse(&text) {
        Ok(ClientFrame::Ping) => Some(frame::pong()),
        Ok(ClientFrame::Pong) => None,
        Ok(ClientFrame::Subscribe {
            channel,
            auth,
            channel_data,
            after,
        }) => {
            let request = Subscribe {
                channel: channel.clone(),
                auth,
                channel_data,
                after,
            };
            match subscribe::subscribe(services, &id, request, at).await {
                Ok(Subscribed::Acknowledge {
                    of,
                    added,
                    resuming,
                }) => {
                    match resuming {
                        None => acknowledge(services, &id, &of, at).await,
                        Some(resuming) => resume::resume(services, &id, &of, resuming, at).await,
                    }
                    if added {
                        counts::changed(services, &of, at).await;
                    }
                    None
                }
                Ok(Subscribed::Announced { of, resuming }) => {
                    if let Some(resuming) = resuming {
                        resume::resume(services, &id, &of, resuming, at).await;
                    }
                    None
                }
                Err(Error::Rejected(rejection)) => {
                    services.refused(&rejection);
                    Some(frame::subscription_error(channel.as_str(), &rejection))
                }
                Err(Error::Fault(fault)) => {
                    logged(&id, &fault);
                    Some(frame::subscription_failure(&channel))
                }
            }
        }
        Ok(ClientFrame::Unsubscribe { channel }) => {
            match subscribe::unsubscribe(services, &id, &channel, at).await {
                Ok(Some(of)) => {
                    counts::changed(services, &of, at).await;
                    None
                }
                Ok(None) => None,
                Err(fault) => {
                    logged(&id, &fault);
                    Some(frame::failure())
                }
            }
        }
        Ok(ClientFrame::Signin { auth, user_data }) => {
            sign_in(services, &id, SignIn { auth, user_data }, at).await;
            None
        }
        Ok(ClientFrame::ClientEvent {
            name,
            channel,
            data,
        }) => {
            let event = ClientEvent {
                name,
                channel,
                data,
            };
            match client_events::relay(services, &id, event, at).await {
                Ok(()) => None,
                Err(Error::Rejected(rejection)) => {
                    services.refused(&rejection);
                    Some(frame::error(&rejection))
                }
                Err(Error::Fault(fault)) => {
                    logged(&id, &fault);
                    Some(frame::failure())
                }
            }
        }
        Err(BadFrame {
            rejection,
            subscribing_to,
        }) => {
            services.refused(&rejection);
            Some(refusal(&rejection, subscribing_to.as_deref()))
        }
    };
    if let Some(answer) = answer {
        reply(services, &id, answer, at).await;
    }
    services.tell_webhooks().await;
}

/// Signs a connection in and answers it, and then tells who wants to know. Who is refused is told why
/// and closed: what it asked for would be refused again.
async fn sign_in(services: &Services, id: &ConnectionId, request: SignIn, at: UnixMillis) {
    match sign_in::sign_in(services, id, &request, at).await {
        Ok(signed_in) => {
            reply(services, id, frame::signed_in(&request.user_data), at).await;
            if signed_in.watchlist_cut {
                reply(services, id, frame::error(&Rejection::WatchlistCut), at).await;
            }
            sign_in::tell(services, id, signed_in, at).await;
        }
        Err(Error::Rejected(rejection)) => {
            services.refused(&rejection);
            // Whether it hears of it or not, it is closed.
            post::post(services, id, &frame::error(&rejection).into(), None).await;
            if let Err(fault) = post::end(services, id, Some(&rejection), at).await {
                logged(id, &fault);
            }
        }
        Err(Error::Fault(fault)) => {
            logged(id, &fault);
            reply(services, id, frame::failure(), at).await;
        }
    }
}

fn refusal(rejection: &Rejection, subscribing_to: Option<&str>) -> Bytes {
    match subscribing_to {
        Some(channel) => frame::subscription_error(channel, rejection),
        None => frame::error(rejection),
    }
}

fn logged(id: &ConnectionId, fault: &Fault) {
    tracing::error!(connection_id = %id, error_type = fault.error_type(), error = chain(fault), "message");
}

//! Client events: what one subscriber tells the others, without the app's server.
//!
//! (1) one of the sender's turns is taken, (2) the others are posted to, on a large channel by way of
//! the queue. A crash after (1) costs the sender a turn for a second. A client event has no serial, is in no log and in no cache, and
//! changes nothing of its channel; of two that are on their way at once, either may come first.

use futures_util::future::try_join;
use uuid::Uuid;

use crate::aws::Services;
use crate::aws::table::{ChannelKey, ConnectionRows, OwnSubscription};
use crate::delivery::{Dispatch, dispatch};
use crate::model::app::App;
use crate::model::channel::{Channel, Kind};
use crate::model::error::{Error, Fault, Rejection};
use crate::model::event::EventData;
use crate::model::rate::Turns;
use crate::model::request::ClientEvent;
use crate::model::socket_id::{ConnectionId, SocketId};
use crate::model::task::{Content, DeliveryName};
use crate::model::time::UnixMillis;
use crate::model::webhook::Event;

/// Passes a client's event on to all others on a channel, if the app lets clients talk, the channel
/// is one for it, the sender is on it, and has not sent too many in this second. One query, one
/// write and one read, then the fan-out's query and posts, or the queue's request (`fanout`'s `dispatch.rs`). The write is on the sender's own item: a
/// channel is not kept busy by what is said on it.
///
/// # Errors
/// [`Rejection`]: nobody is told. [`Fault`]: nobody was told, which may have cost a turn; or, on a
/// large channel, not everybody.
pub async fn relay(
    services: &Services,
    id: &ConnectionId,
    event: ClientEvent,
    at: UnixMillis,
) -> Result<(), Error> {
    let connection = services
        .table
        .connection(id, at)
        .await?
        .ok_or(Rejection::NotConnected)?;
    let app = services
        .apps
        .by_id(&connection.app_id)
        .ok_or(Rejection::NotConnected)?;
    let ClientEvent {
        name,
        channel,
        data,
    } = event;
    let own = may_send(app, &connection, &channel)?;
    let data = EventData::parse(data, app.settings().max_event_bytes)
        .map_err(|rejection| Rejection::ClientEvent(Box::new(rejection)))?;

    let of = ChannelKey::new(app.id(), &channel);
    let max_per_second = app.settings().max_client_events_per_second;
    let (may, audience) = try_join(
        take_turn(services, id, max_per_second, at),
        services.table.audience(&of),
    )
    .await?;
    if !may {
        return Err(Rejection::ClientEventRate { max_per_second }.into());
    }
    let sender = SocketId::of(id);
    let event = Event::ClientEvent {
        channel: channel.clone(),
        event: name.as_str().to_owned(),
        // Text stands for itself; it is what most receivers would make of it.
        data: serde_json::from_str(data.as_str()).unwrap_or_else(|_| data.as_str().to_owned()),
        socket_id: sender.to_string(),
        user_id: own.user_id.clone(),
    };
    services.happened(&of, event);
    let event = Dispatch {
        of: &of,
        audience,
        name: DeliveryName::ClientEvent(Uuid::now_v7()),
        content: Content::ClientEvent {
            event: name,
            data: data.as_str().to_owned(),
            user_id: own.user_id.clone(),
        },
        except: Some(&sender),
    };
    Ok(dispatch(services, event, at).await?)
}

/// Whether this connection may talk on a channel, and as whom it is there.
fn may_send<'a>(
    app: &App,
    connection: &'a ConnectionRows,
    channel: &Channel,
) -> Result<&'a OwnSubscription, Rejection> {
    if !app.settings().client_events {
        return Err(Rejection::ClientEventsDisabled);
    }
    match channel.kind() {
        Kind::Private | Kind::Presence => {}
        Kind::Public | Kind::Encrypted | Kind::User => {
            return Err(Rejection::ClientEventChannel(channel.to_string()));
        }
    }
    connection
        .joined(channel)
        .ok_or_else(|| Rejection::ClientEventUnsubscribed(channel.to_string()))
}

/// Takes one of a connection's turns; `false` when none is free. One write, and another one for each
/// other event that takes the same turn at the same time.
async fn take_turn(
    services: &Services,
    id: &ConnectionId,
    max_per_second: u64,
    now: UnixMillis,
) -> Result<bool, Fault> {
    let mut turns = Turns::default();
    // Whoever fails so often has seen every turn taken.
    for _ in 0..=max_per_second {
        let random = getrandom::u32().map_err(Fault::Random)?;
        let Some(turn) = turns.free(max_per_second, now, random) else {
            return Ok(false);
        };
        match services.table.take_turn(id, turn, now).await? {
            Ok(()) => return Ok(true),
            Err(known) => turns = known,
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::app::Apps;
    use crate::model::token::Grant;
    use crate::model::voice::Voice;

    fn may(app: &str, name: &str, joined: &[&str]) -> Result<Option<String>, Rejection> {
        let apps =
            Apps::parse(&format!(r#"[{{"id":"1","key":"a","secret":"s"{app}}}]"#)).expect("an app");
        let channel = |name: &str| Channel::parse(name).expect(name);
        let own = |name: &&str| OwnSubscription {
            app_id: "1".to_owned(),
            channel: channel(name),
            shard: 0,
            user_id: (channel(name).kind() == Kind::Presence).then(|| "u".to_owned()),
        };
        let connection = ConnectionRows {
            app_id: "1".to_owned(),
            connected_at: UnixMillis(0),
            expires_at: UnixMillis(0),
            left_authorized: false,
            voice: Voice::default(),
            signed_in: None,
            grant: Grant::default(),
            subscriptions: joined.iter().map(own).collect(),
        };
        let app = apps.by_id("1").expect("the app");
        may_send(app, &connection, &channel(name)).map(|own| own.user_id.clone())
    }

    const ON: &str = r#","client_events":true"#;

    #[test]
    fn clients_talk_only_where_the_app_has_switched_it_on() {
        let joined = ["private-a"];
        assert_eq!(may(ON, "private-a", &joined), Ok(None));
        assert_eq!(
            may("", "private-a", &joined),
            Err(Rejection::ClientEventsDisabled)
        );
    }

    #[test]
    fn only_private_and_presence_channels_are_for_talking() {
        for name in ["private-a", "private-cache-a"] {
            assert_eq!(may(ON, name, &[name]), Ok(None), "{name}");
        }
        for name in ["presence-a", "presence-cache-a"] {
            assert_eq!(may(ON, name, &[name]), Ok(Some("u".to_owned())), "{name}");
        }
        for name in [
            "a",
            "cache-a",
            "private-encrypted-a",
            "private-encrypted-cache-a",
            "#server-to-user-u",
        ] {
            assert_eq!(
                may(ON, name, &[name]),
                Err(Rejection::ClientEventChannel(name.to_owned()))
            );
        }
    }

    #[test]
    fn only_who_is_on_a_channel_talks_on_it() {
        assert_eq!(
            may(ON, "private-a", &["private-b", "presence-a"]),
            Err(Rejection::ClientEventUnsubscribed("private-a".to_owned()))
        );
    }
}

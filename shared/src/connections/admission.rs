//! A connection's beginning: admit, greet.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! *Admit*: (1) use the token, (2) record the connection. After (1) alone the token is spent for a
//! connection that API Gateway then refuses: its bearer asks for another one. After (2) without an
//! answer there is a row of a connection that never was: nothing hangs on it, and it goes by its
//! TTL.
//!
//! A token that admits again displaces the connections that it admitted before: see `tokens/displaced.rs`.

use serde::{Deserialize, Serialize};

use crate::aws::connections::{Payload, Posted};
use crate::aws::table::{NewConnection, Recorded, Socket};
use crate::aws::{Clock, Services, now};
use crate::log::log_fault;
use crate::model::error::{Fault, Rejection};
use crate::model::limits::{GREETING_PATIENCE, GREETING_PAUSES, GREETINGS_BEFORE_LOOK};
use crate::model::metrics::Count;
use crate::model::said::Said;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::token::{Grant, Token};
use crate::model::voice::Voice;
use crate::tokens::displaced::Displaced;
use crate::transport::post::close;
use crate::upkeep::{Forgotten, mark_gone};

/// The protocol versions that are spoken. Clients of 5 and 6 (Pysher) read the frames of 7.
const PROTOCOLS: [&str; 3] = ["5", "6", "7"];

/// A client at the door. No `Debug`: it holds the token.
pub struct Upgrade {
    /// API Gateway's name for the connection.
    pub id: ConnectionId,
    /// When API Gateway took it.
    pub connected_at: UnixMillis,
    /// The app's key, from the path.
    pub app_key: Option<String>,
    /// The protocol's version, from the query.
    pub protocol: Option<String>,
    /// A token, when it brought one.
    pub token: Option<String>,
    /// Where its page is from, when it is one.
    pub origin: Option<String>,
    /// What it speaks.
    pub voice: Voice,
}

/// What is still to be said to a connection once API Gateway has let it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    id: ConnectionId,
    /// The first frame.
    frame: String,
    /// Whether the connection is refused.
    then_close: bool,
    /// Whose place this one takes.
    displaced: Option<Displaced>,
}

impl Greeting {
    fn new(id: ConnectionId, frame: &[u8], then_close: bool) -> Self {
        let frame = String::from_utf8_lossy(frame).into_owned();
        Self {
            id,
            frame,
            then_close,
            displaced: None,
        }
    }
}

/// What became of a client at the door.
pub(crate) enum Admission {
    /// It is in, and takes the place of these.
    In(Option<Displaced>),
    /// It is not let in, and has left no row.
    Refused(Rejection),
    /// It was over before it began.
    Overtaken,
}

/// Admits a client, or decides how to refuse it: either way the upgrade is answered with success,
/// since a client whose upgrade fails learns nothing and comes back for ever. `None`: it has left
/// already. One write, and one more for a token.
///
/// # Errors
/// [`Fault`]: the upgrade must fail, since nothing is known of the connection.
pub async fn admit(
    services: &Services,
    upgrade: Upgrade,
    now: UnixMillis,
) -> Result<Option<Greeting>, Fault> {
    let id = upgrade.id.clone();
    let protocol = services.protocols.of(upgrade.voice)?;
    Ok(match decide(services, upgrade, now).await? {
        Admission::In(displaced) => {
            let greeted = (protocol.print)(&Said::Greeted { id: &id });
            let greeting = Greeting::new(id, &greeted, false);
            Some(Greeting {
                displaced,
                ..greeting
            })
        }
        Admission::Refused(rejection) => {
            services.refused(&rejection);
            let refused = (protocol.print)(&Said::Refused(&rejection));
            Some(Greeting::new(id, &refused, true))
        }
        Admission::Overtaken => None,
    })
}

/// Lets a client in and records it, or does not. A refused client leaves no row. One write, and one
/// more for a token.
///
/// # Errors
/// [`Fault`]: nothing is known of the connection.
pub(crate) async fn decide(
    services: &Services,
    upgrade: Upgrade,
    now: UnixMillis,
) -> Result<Admission, Fault> {
    let Upgrade {
        id,
        connected_at,
        app_key,
        protocol,
        token,
        origin,
        voice,
    } = upgrade;
    let Some(app) = app_key.and_then(|key| services.apps.by_key(&key)) else {
        return Ok(Admission::Refused(Rejection::UnknownKey));
    };
    match protocol.as_deref() {
        None | Some("") => return Ok(Admission::Refused(Rejection::ProtocolMissing)),
        Some(version) if PROTOCOLS.contains(&version) => {}
        Some(_) => return Ok(Admission::Refused(Rejection::ProtocolUnsupported)),
    }
    if !app.settings().admits_origin(origin.as_deref()) {
        return Ok(Admission::Refused(Rejection::OriginRefused));
    }
    let mut grant = Grant::default();
    let mut displaced = None;
    if let Some(token) = token {
        let digest = match Token::parse(&token) {
            Ok(token) => token.digest(),
            Err(rejection) => return Ok(Admission::Refused(rejection)),
        };
        let table = &services.table;
        let Some(used) = table.use_token(&digest, app.id(), &id, now).await? else {
            return Ok(Admission::Refused(Rejection::TokenRefused));
        };
        grant = used.grant;
        displaced = Displaced::of(app.id(), digest, used.displaced);
    }
    let expires_at = connected_at.plus_secs(services.lives.connection_secs);
    let new = NewConnection {
        id: &id,
        app_id: app.id(),
        connected_at,
        expires_at,
        due_at: services
            .lives
            .first_due(id.transport(), app.settings(), connected_at, expires_at),
        grant: &grant,
        voice,
    };
    Ok(match services.table.record_connection(new).await? {
        Recorded::Overtaken => Admission::Overtaken,
        Recorded::Yes => {
            services.metrics.add(Count::Connections, 1);
            Admission::In(displaced)
        }
    })
}

/// Says to a connection what its admission came to: after its `$connect` was answered, because
/// API Gateway has no such connection until then. Repeats a 410 for some seconds; a 410 here
/// never removes anything, because the connection may be about to appear. One that stays ungreeted is closed:
/// its client comes back. Some posts; up to four reads if they find nobody.
pub async fn greet(services: &Services, greeting: Greeting, now: UnixMillis) {
    let Greeting {
        id,
        frame,
        then_close,
        displaced,
    } = greeting;
    let payload = Payload::from(bytes::Bytes::from(frame));
    let is_greeted = is_greeted(services, &id, &payload).await;
    if then_close || !is_greeted {
        let mark = close(services, &id, None).await;
        // A refused connection has no row, and one that is closed needs none.
        if mark.socket == Socket::MayBeOpen || !then_close {
            let marked = mark_gone(services, &id, mark, Forgotten::Promptly, now).await;
            if let Err(fault) = marked {
                log_fault!(error, fault, connection_id = %id, "not served and still open");
            }
        }
    }
    if let Some(displaced) = displaced {
        displaced.end(services, now).await;
    }
}

/// Posts the first frame. `false`: the client has left, or takes nothing in.
async fn is_greeted(services: &Services, id: &ConnectionId, payload: &Payload) -> bool {
    let (mut pause, longest) = GREETING_PAUSES;
    let clock = Clock::start(now(), GREETING_PATIENCE);
    for attempt in 1_u32.. {
        let posted = services.connections.post(id, payload).await;
        if matches!(posted, Posted::Delivered) {
            return true;
        }
        if matches!(posted, Posted::Silent(_)) || clock.is_over() {
            tracing::warn!(connection_id = %id, posted = ?posted, "not greeted");
            return false;
        }
        // A 410 says "not yet" and "no more": after some the mark of `$disconnect` tells which.
        if matches!(posted, Posted::Gone)
            && attempt >= GREETINGS_BEFORE_LOOK
            && attempt.is_power_of_two()
            && matches!(services.table.is_marked_closed(id).await, Ok(true))
        {
            tracing::info!(connection_id = %id, "left before it was greeted");
            return false;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
    false
}

//! Answering a request of a session: it opens one, sends frames, or receives.

use crate::aws::Services;
use crate::aws::table::{SessionRow, Taken};
use crate::connections::admission::{self, Admission, Upgrade};
use crate::connections::receive::receive;
use crate::model::app::App;
use crate::model::error::{Error, Fault, Rejection};
use crate::model::limits::CONNECTION_AGE_MAX_SECS;
use crate::model::said::Said;
use crate::model::secret::OwnKey;
use crate::model::session::{Call, Lines, SessionRequest};
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::voice::{Client, Voice};
use crate::sessions::reader::Reader;
use crate::transport::reach::parting;

/// What a request of a session is answered.
pub enum SessionAnswer {
    /// Nothing: what it said was taken.
    Taken,
    /// These lines.
    Lines(String),
    /// Lines, as they come.
    Stream(Box<Reader>),
}

/// Answers a request of a session. To receive costs one write; to open two more, and one for a token;
/// then one query for each look, at most two a second in the long run; and each frame a write to
/// delete it, each poll that has some one more. To send costs one write, and what each frame costs.
///
/// # Errors
/// A rejection, or a [`Fault`]. Who may not connect is told so in lines.
pub async fn answer(
    services: &Services,
    lines: &'static Lines,
    key: &OwnKey,
    request: SessionRequest,
    body: &[u8],
    origin: Option<&str>,
    at: UnixMillis,
) -> Result<SessionAnswer, Error> {
    let Some(app) = services.apps.by_key(&request.app_key) else {
        return match request.call {
            Call::Poll | Call::Stream => Ok(SessionAnswer::Lines(refusal(
                services,
                lines,
                &Rejection::UnknownKey,
            ))),
            Call::Send => Err(Rejection::UnknownKey.into()),
        };
    };
    let id = request.connection_id(app, key);
    let is_stream = match request.call {
        Call::Send => {
            send(services, &id, (lines.parse)(body)?, at).await?;
            return Ok(SessionAnswer::Taken);
        }
        Call::Poll => false,
        Call::Stream => true,
    };
    let number = request.number;
    let (session, opens) = match services.table.take_session(&id, number, at).await? {
        Taken::Yes(session) => {
            let opens = session.opened_by == session.number;
            (session, opens)
        }
        // Nobody waits for this answer any more.
        Taken::Stale => return Ok(SessionAnswer::Lines(lines.heartbeat.to_owned())),
        Taken::Unknown => match open(services, lines, app, &id, request, origin, at).await? {
            Ok(session) => (session, true),
            Err(refusal) => return Ok(SessionAnswer::Lines(refusal)),
        },
    };
    let mut reader = Reader::new(services.clone(), lines, id, session);
    if opens {
        reader.held = greeting(services, lines, &reader.id);
        if !is_stream {
            return Ok(SessionAnswer::Lines(reader.held));
        }
    }
    if is_stream {
        Ok(SessionAnswer::Stream(Box::new(reader)))
    } else {
        Ok(SessionAnswer::Lines(reader.poll().await?))
    }
}

/// Has a session's frames do what they ask for, one after another.
async fn send(
    services: &Services,
    id: &ConnectionId,
    frames: Vec<String>,
    at: UnixMillis,
) -> Result<(), Error> {
    if !services.table.hear(id, at).await? {
        return Err(Rejection::NotConnected.into());
    }
    let client = Client {
        id,
        voice: Voice::default(),
    };
    let mut at = at;
    for text in frames {
        receive(services, client, &text, at).await;
        // What orders them.
        at = UnixMillis(at.0 + 1);
    }
    Ok(())
}

/// Opens a session; or else the lines that say why not.
async fn open(
    services: &Services,
    lines: &Lines,
    app: &App,
    id: &ConnectionId,
    request: SessionRequest,
    origin: Option<&str>,
    at: UnixMillis,
) -> Result<Result<SessionRow, String>, Fault> {
    let upgrade = Upgrade {
        id: id.clone(),
        connected_at: at,
        app_key: Some(app.key().to_owned()),
        protocol: request.protocol,
        token: request.token,
        origin: origin.map(str::to_owned),
        voice: Voice::default(),
    };
    let displaced = match admission::decide(services, upgrade, at).await? {
        Admission::In(displaced) => displaced,
        Admission::Refused(rejection) => return Ok(Err(refusal(services, lines, &rejection))),
        Admission::Overtaken => {
            let parting = (lines.parting)(&parting(services, None));
            return Ok(Err(format!("{}{parting}", lines.open)));
        }
    };
    let life_secs = services.lives.connection_secs.min(CONNECTION_AGE_MAX_SECS);
    let ends_at = at.plus_secs(life_secs);
    let table = &services.table;
    let session = table.open_session(id, request.number, at, ends_at).await?;
    if let Some(displaced) = displaced {
        displaced.end(services, at).await;
        services.tell_webhooks().await;
    }
    Ok(Ok(session))
}

/// What an open session begins with.
fn greeting(services: &Services, lines: &Lines, id: &ConnectionId) -> String {
    format!(
        "{}{}",
        lines.open,
        frame(services, lines, &Said::Greeted { id })
    )
}

/// A client that may not connect is told why in a frame, as on a socket, and then closed.
fn refusal(services: &Services, lines: &Lines, rejection: &Rejection) -> String {
    services.refused(rejection);
    let told = frame(services, lines, &Said::Refused(rejection));
    let parting = (lines.parting)(&parting(services, Some(rejection)));
    format!("{}{told}{parting}", lines.open)
}

/// The line with one frame in it.
fn frame(services: &Services, lines: &Lines, said: &Said<'_>) -> String {
    let printed = (services.protocols.first().print)(said);
    (lines.frames)(&[&String::from_utf8_lossy(&printed)])
}

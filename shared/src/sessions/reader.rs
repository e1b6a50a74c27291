//! A session of pusher-js's HTTP transports: a connection that has no socket and comes for its frames
//! itself.
//!
//! To all others it is a connection like any other. Where a socket is posted to, it is put into an outbox
//! (see `deliver.rs`), and a request to receive picks up what is there: a poll is answered once there is
//! something, a stream goes on. Each such request takes the session over from the one before, which
//! sees that at its next look and stops: Lambda does not see a client leave.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! *Open*: (1) use the token, (2) record the connection, (3) put the session. A crash after (1) or (2)
//! leaves what it leaves for a socket (see `admission.rs`): the client comes back with another session, and
//! the reaper forgets this one, of which nobody hears. After (3) the same request, repeated, is
//! answered the same.
//!
//! *Poll*: (1) take the session, (2) delete what the answer before had handed out, (3) note what this
//! one hands out, (4) answer. Each request has a number, and one with a higher number says that its
//! client has the answer to the one before.
//!
//! | it dies after | what is left | the same request repeated | the next request |
//! | --- | --- | --- | --- |
//! | (1) | the keys of what was handed out before | passes those over, and deletes them | the same |
//! | (2), or a part of it | the same keys, some without a frame | the same | the same |
//! | (3), or an answer that is lost | the keys of what this one handed out | hands that out again, and what came since | takes it for read, and deletes it |
//!
//! So a client that repeats a request until it is answered, and then makes the next one, gets each frame
//! once. pusher-js does not repeat one: it begins another session, as it does when a socket breaks.
//!
//! *Stream*: (1) take the session, and again and again (2) delete some frames, (3) send them. What is
//! sent is never sent again, not even by the stream after this one. If it dies after (2) those frames are
//! lost, but so is the stream, and its client begins another session: a socket that breaks is the same.
//! pusher-js goes on in the same session only where it has read a line that ends beyond 256 KB. What follows
//! that line would be lost, so nothing does; and where a stream's time is over it is filled up to there,
//! so that the session outlives it.
//!
//! *Close*: whoever closes it puts why; what waited is still picked up, and then the client is told. It
//! stays closed for as long as it could be asked for.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::time::Instant;

use crate::aws::table::{FrameKey, SessionRow, Taken, Waiting};
use crate::aws::{Services, now};
use crate::connections::admission::{self, Admission, Upgrade};
use crate::connections::receive::{self, Message};
use crate::model::app::App;
use crate::model::error::{Error, Fault, Rejection, chain};
use crate::model::limits::{
    CONNECTION_AGE_MAX_SECS, FOLLOW_FAULTS_MAX, FOLLOW_PAUSE, HANDED_FRAMES_MAX, HANDED_MAX_BYTES,
    HEARTBEAT_PAUSE, LOOK_PAUSE_MIN, REOPEN_PATIENCE, REOPEN_PATIENCE_AT_END, SESSION_POLL_WAIT,
};
use crate::model::secret::OwnKey;
use crate::model::socket_id::{ConnectionId, SocketId};
use crate::model::time::UnixMillis;
use crate::pusher::frame;
use crate::pusher::session::{Call, HEARTBEAT, OPEN, Parting, Request, Sent, line, parse_frames};
use crate::transport::post;

/// What a request of a session is answered.
pub enum Answer {
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
    key: &OwnKey,
    request: Request,
    body: &[u8],
    origin: Option<&str>,
    at: UnixMillis,
) -> Result<Answer, Error> {
    let Some(app) = services.apps.by_key(&request.app_key) else {
        return match request.call {
            Call::Poll | Call::Stream => {
                Ok(Answer::Lines(refusal(services, &Rejection::UnknownKey)))
            }
            Call::Send => Err(Rejection::UnknownKey.into()),
        };
    };
    let id = request.connection_id(app, key);
    let is_stream = match request.call {
        Call::Send => {
            send(services, &id, parse_frames(body)?, at).await?;
            return Ok(Answer::Taken);
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
        Taken::Stale => return Ok(Answer::Lines(HEARTBEAT.to_owned())),
        Taken::Unknown => match open(services, app, &id, request, origin, at).await? {
            Ok(session) => (session, true),
            Err(lines) => return Ok(Answer::Lines(lines)),
        },
    };
    let mut reader = Reader::new(services.clone(), id, session);
    if opens {
        reader.held = greeting(&reader.id);
        if !is_stream {
            return Ok(Answer::Lines(reader.held));
        }
    }
    if is_stream {
        Ok(Answer::Stream(Box::new(reader)))
    } else {
        Ok(Answer::Lines(reader.poll().await?))
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
    let mut at = at;
    for text in frames {
        let message = Message {
            id: id.clone(),
            at,
            text,
        };
        receive::receive(services, message).await;
        // What orders them.
        at = UnixMillis(at.0 + 1);
    }
    Ok(())
}

/// Opens a session; or else the lines that say why not.
async fn open(
    services: &Services,
    app: &App,
    id: &ConnectionId,
    request: Request,
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
    };
    let displaced = match admission::decide(services, upgrade, at).await? {
        Admission::In(displaced) => displaced,
        Admission::Refused(rejection) => return Ok(Err(refusal(services, &rejection))),
        Admission::Overtaken => return Ok(Err(format!("{OPEN}{}", Parting::new(None).line()))),
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
fn greeting(id: &ConnectionId) -> String {
    let established = frame::established(&SocketId::of(id));
    format!("{OPEN}{}", line([&*String::from_utf8_lossy(&established)]))
}

/// A client that may not connect is told why in a frame, as on a socket, and then closed.
fn refusal(services: &Services, rejection: &Rejection) -> String {
    services.refused(rejection);
    let error = frame::error(rejection);
    let told = line([&*String::from_utf8_lossy(&error)]);
    format!("{OPEN}{told}{}", Parting::new(Some(rejection)).line())
}

/// A request to receive that has the session.
pub struct Reader {
    services: Services,
    id: ConnectionId,
    session: SessionRow,
    /// What is to be sent before anything else.
    held: String,
    pause: Duration,
}

/// What an outbox shows to a reader.
enum Look {
    /// What waits, and how the session was closed, if nothing else comes before that.
    Has(Vec<Waiting>, Option<Parting>),
    /// A later request has the session.
    Stale,
}

impl Reader {
    fn new(services: Services, id: ConnectionId, session: SessionRow) -> Self {
        Self {
            services,
            id,
            session,
            held: String::new(),
            pause: LOOK_PAUSE_MIN,
        }
    }

    async fn rest(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(FOLLOW_PAUSE);
    }

    /// Looks what waits, and deletes what the client has by now.
    async fn look(&mut self) -> Result<Look, Fault> {
        let table = &self.services.table;
        let outbox = table.outbox(&self.id).await?;
        match &outbox.session {
            Some(session) if session.epoch != self.session.epoch => return Ok(Look::Stale),
            Some(_) => {}
            None => return Ok(Look::Has(Vec::new(), Some(Parting::new(None)))),
        }
        let is_read = self.session.handed_by < self.session.number;
        let has = |waiting: &Waiting| is_read && self.session.handed.contains(&waiting.key);
        let (read, mut waiting): (Vec<_>, Vec<_>) = outbox.waiting.into_iter().partition(has);
        if !read.is_empty() {
            table.delete_frames(&self.id, keys(&read)).await?;
        }
        let fit = fit(&waiting);
        let cut = fit < waiting.len();
        waiting.truncate(fit);
        let mut parting = outbox.parting;
        if parting.is_none() && self.session.ends_at <= now() {
            let now = now();
            post::end(&self.services, &self.id, None, now).await?;
            self.services.tell_webhooks().await;
            parting = Some(Parting::new(None));
        }
        Ok(Look::Has(waiting, parting.filter(|_| !cut)))
    }

    /// Waits for something to be there, and hands it out.
    async fn poll(mut self) -> Result<String, Fault> {
        let until = Instant::now() + SESSION_POLL_WAIT;
        loop {
            match self.look().await? {
                Look::Stale => return Ok(HEARTBEAT.to_owned()),
                Look::Has(waiting, None) if waiting.is_empty() => {
                    if Instant::now() >= until {
                        return Ok(HEARTBEAT.to_owned());
                    }
                    self.rest().await;
                }
                Look::Has(waiting, parting) => {
                    let table = &self.services.table;
                    let handed = keys(&waiting).collect::<Vec<_>>();
                    let hands = !handed.is_empty();
                    if hands && !table.hand_out(&self.id, &self.session, &handed).await? {
                        return Ok(HEARTBEAT.to_owned());
                    }
                    return Ok(print(&waiting, parting.as_ref()));
                }
            }
        }
    }

    /// What its client is sent, bit by bit, until another request has the session, it is closed, or the
    /// stream's time is over and its client does not come back.
    pub fn chunks(mut self, life: Duration) -> impl Stream<Item = Bytes> {
        let begun_at = Instant::now();
        let held = std::mem::take(&mut self.held);
        let mut sent = Sent::default();
        sent.count(&held);
        let flow = Flow {
            reader: self,
            sent,
            sent_at: begun_at,
            ends_at: begun_at + life,
            full_at: None,
            taken: None,
            faults: 0,
            over: false,
        };
        let first = stream::iter((!held.is_empty()).then(|| Bytes::from(held)));
        let others = stream::unfold(flow, |mut flow| async move {
            let chunk = flow.next().await?;
            flow.sent.count(&chunk);
            flow.sent_at = Instant::now();
            Some((Bytes::from(chunk), flow))
        });
        first.chain(others)
    }
}

/// A stream that goes on.
struct Flow {
    reader: Reader,
    sent: Sent,
    sent_at: Instant,
    ends_at: Instant,
    /// Since when it is full.
    full_at: Option<Instant>,
    /// What was read and is not sent yet, because it may not be deleted.
    taken: Option<(Vec<Waiting>, Option<Parting>)>,
    faults: usize,
    over: bool,
}

impl Flow {
    /// What is sent next; `None`: the stream ends.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.over || self.faults >= FOLLOW_FAULTS_MAX {
                return None;
            }
            if self.sent.is_full() {
                return self.wait_for_successor().await;
            }
            if Instant::now() >= self.ends_at && self.taken.is_none() {
                return Some(self.sent.filler());
            }
            match self.advance().await {
                Ok(Some(chunk)) => {
                    self.faults = 0;
                    self.reader.pause = LOOK_PAUSE_MIN;
                    return Some(chunk);
                }
                Ok(None) if self.over => return None,
                Ok(None) => {
                    self.faults = 0;
                    if self.sent_at.elapsed() >= HEARTBEAT_PAUSE {
                        return Some(HEARTBEAT.to_owned());
                    }
                }
                Err(fault) => {
                    tracing::error!(connection_id = %self.reader.id, error_type = fault.error_type(), error = chain(&fault), "stream did not read");
                    self.faults += 1;
                }
            }
            self.reader.rest().await;
        }
    }

    /// Deletes what waits, and gives it to be sent.
    async fn advance(&mut self) -> Result<Option<String>, Fault> {
        if self.taken.is_none() {
            self.taken = match self.reader.look().await? {
                Look::Stale => {
                    self.over = true;
                    return Ok(None);
                }
                Look::Has(waiting, None) if waiting.is_empty() => return Ok(None),
                Look::Has(waiting, parting) => Some((waiting, parting)),
            };
        }
        if let Some((waiting, _)) = &self.taken {
            let table = &self.reader.services.table;
            table.delete_frames(&self.reader.id, keys(waiting)).await?;
        }
        Ok(self.taken.take().map(|(waiting, parting)| {
            self.over = parting.is_some();
            print(&waiting, parting.as_ref())
        }))
    }

    /// Waits until another request has the session. A client that does not come back is closed.
    async fn wait_for_successor(&mut self) -> Option<String> {
        let full_at = *self.full_at.get_or_insert_with(Instant::now);
        let until = (full_at + REOPEN_PATIENCE).min(self.ends_at + REOPEN_PATIENCE_AT_END);
        loop {
            match self.reader.look().await {
                Ok(Look::Stale) => return None,
                Ok(Look::Has(_, _)) => {}
                Err(fault) => {
                    tracing::error!(connection_id = %self.reader.id, error_type = fault.error_type(), error = chain(&fault), "stream did not read");
                }
            }
            if Instant::now() >= until {
                break;
            }
            self.reader.rest().await;
        }
        self.over = true;
        let (services, id) = (&self.reader.services, &self.reader.id);
        if let Err(fault) = post::end(services, id, None, now()).await {
            tracing::error!(connection_id = %id, error_type = fault.error_type(), error = chain(&fault), "not forgotten");
        }
        services.tell_webhooks().await;
        Some(Parting::new(None).line())
    }
}

fn keys(waiting: &[Waiting]) -> impl Iterator<Item = FrameKey> + '_ {
    waiting.iter().map(|waiting| waiting.key)
}

/// How many of the frames are handed out at once: one at least.
fn fit(waiting: &[Waiting]) -> usize {
    let mut bytes = 0;
    let fits = |waiting: &&Waiting| {
        bytes += waiting.frame.len();
        bytes <= HANDED_MAX_BYTES
    };
    let fit = waiting
        .iter()
        .take(HANDED_FRAMES_MAX)
        .take_while(fits)
        .count();
    fit.max(1).min(waiting.len())
}

fn print(waiting: &[Waiting], parting: Option<&Parting>) -> String {
    let mut lines = String::new();
    if !waiting.is_empty() {
        lines += &line(waiting.iter().map(|waiting| waiting.frame.as_str()));
    }
    if let Some(parting) = parting {
        lines += &parting.line();
    }
    lines
}

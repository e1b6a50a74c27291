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

use crate::aws::table::{FrameKey, SessionRow, Waiting};
use crate::aws::{Clock, Services, now};
use crate::model::error::Fault;
use crate::model::limits::{
    FOLLOW_PAUSE, HANDED_FRAMES_MAX, HANDED_MAX_BYTES, LOOK_PAUSE_MIN, SESSION_POLL_WAIT,
};
use crate::model::session::{Lines, Parting};
use crate::model::socket_id::ConnectionId;
use crate::transport::post;
use crate::transport::reach::parting;

/// A request to receive that has the session.
pub struct Reader {
    pub(super) services: Services,
    pub(super) lines: &'static Lines,
    pub(super) id: ConnectionId,
    pub(super) session: SessionRow,
    /// What is to be sent before anything else.
    pub(super) held: String,
    pub(super) pause: Duration,
}

/// What an outbox shows to a reader.
pub(super) enum Look {
    /// What waits, and how the session was closed, if nothing else comes before that.
    Has(Vec<Waiting>, Option<Parting>),
    /// A later request has the session.
    Stale,
}

impl Reader {
    pub(super) fn new(
        services: Services,
        lines: &'static Lines,
        id: ConnectionId,
        session: SessionRow,
    ) -> Self {
        Self {
            services,
            lines,
            id,
            session,
            held: String::new(),
            pause: LOOK_PAUSE_MIN,
        }
    }

    pub(super) async fn rest(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(FOLLOW_PAUSE);
    }

    /// Looks what waits, and deletes what the client has by now.
    pub(super) async fn look(&mut self) -> Result<Look, Fault> {
        let table = &self.services.table;
        let outbox = table.outbox(&self.id).await?;
        match &outbox.session {
            Some(session) if session.epoch != self.session.epoch => return Ok(Look::Stale),
            Some(_) => {}
            None => return Ok(Look::Has(Vec::new(), Some(parting(&self.services, None)))),
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
        let mut parted = outbox.parting;
        if parted.is_none() && self.session.ends_at <= now() {
            let now = now();
            post::end(&self.services, &self.id, None, now).await?;
            self.services.tell_webhooks().await;
            parted = Some(parting(&self.services, None));
        }
        Ok(Look::Has(waiting, parted.filter(|_| !cut)))
    }

    /// Waits for something to be there, and hands it out.
    pub(super) async fn poll(mut self) -> Result<String, Fault> {
        let clock = Clock::start(now(), SESSION_POLL_WAIT);
        loop {
            match self.look().await? {
                Look::Stale => return Ok(self.lines.heartbeat.to_owned()),
                Look::Has(waiting, None) if waiting.is_empty() => {
                    if clock.is_over() {
                        return Ok(self.lines.heartbeat.to_owned());
                    }
                    self.rest().await;
                }
                Look::Has(waiting, parting) => {
                    let table = &self.services.table;
                    let handed = keys(&waiting).collect::<Vec<_>>();
                    let hands = !handed.is_empty();
                    if hands && !table.hand_out(&self.id, &self.session, &handed).await? {
                        return Ok(self.lines.heartbeat.to_owned());
                    }
                    return Ok(self.print(&waiting, parting.as_ref()));
                }
            }
        }
    }

    /// Prints frames, and how the session was closed.
    pub(super) fn print(&self, waiting: &[Waiting], parting: Option<&Parting>) -> String {
        let mut printed = String::new();
        if !waiting.is_empty() {
            let frames: Vec<&str> = waiting
                .iter()
                .map(|waiting| waiting.frame.as_str())
                .collect();
            printed += &(self.lines.frames)(&frames);
        }
        if let Some(parting) = parting {
            printed += &(self.lines.parting)(parting);
        }
        printed
    }
}

pub(super) fn keys(waiting: &[Waiting]) -> impl Iterator<Item = FrameKey> + '_ {
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

//! A stream of server-sent events: what a reader is shown, as it is published.
//!
//! Each message's `id` is the reader's cursor behind it. A browser that comes back sends the last one,
//! so that nothing is lost between two streams and nothing is shown twice.

use bytes::Bytes;
use futures_util::{Stream, stream};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

use crate::aws::{Services, now};
use crate::history::follow::Follower;
use crate::history::log_reader::Read;
use crate::log::log_fault;
use crate::model::limits::{FOLLOW_FAULTS_MAX, FOLLOW_PAUSE, HEARTBEAT_PAUSE, STREAM_RETRY_MILLIS};
use crate::model::time::UnixMillis;

/// What a stream says of itself, besides what was published.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Notice<'a> {
    /// The first message of all.
    Connected,
    /// Something was published on the channel that is not kept any more.
    Truncated { channel: &'a str },
}

struct State {
    services: Services,
    follower: Follower,
    ends_at: Instant,
    sent_at: Instant,
    /// Whether the log is to be read without a pause.
    hurries: bool,
    faults: usize,
}

/// What a reader is sent, bit by bit, until its time is over or what it was granted is taken away. It
/// looks into the log twice a second, and at once while there is more; what it costs,
/// [`Follower::read`] says.
pub fn chunks(
    services: Services,
    mut follower: Follower,
    life: Duration,
) -> impl Stream<Item = Bytes> {
    let mut first = format!("retry: {STREAM_RETRY_MILLIS}\n");
    print(&mut first, &follower, &Notice::Connected);
    for event in follower.take_first() {
        follower.shown(&event);
        print(&mut first, &follower, &event);
    }
    let begun_at = Instant::now();
    let state = State {
        services,
        follower,
        ends_at: begun_at + life,
        sent_at: begun_at,
        // What a reader has missed that comes back, it is shown at once.
        hurries: true,
        faults: 0,
    };
    let others = stream::unfold(state, |mut state| async move {
        let chunk = state.next().await?;
        state.sent_at = Instant::now();
        Some((Bytes::from(chunk), state))
    });
    futures_util::StreamExt::chain(stream::iter([Bytes::from(first)]), others)
}

impl State {
    /// What is sent next; `None`: the stream ends.
    async fn next(&mut self) -> Option<String> {
        loop {
            if !std::mem::take(&mut self.hurries) {
                tokio::time::sleep(FOLLOW_PAUSE).await;
            }
            if Instant::now() >= self.ends_at {
                return None;
            }
            match self.follower.read(&self.services, now()).await {
                Ok(None) => return None,
                Ok(Some(read)) => {
                    self.faults = 0;
                    self.hurries = read.unfinished && !read.events.is_empty();
                    let chunk = self.show(read);
                    if !chunk.is_empty() {
                        return Some(chunk);
                    }
                }
                Err(fault) => {
                    log_fault!(error, fault, "stream did not read");
                    self.faults += 1;
                    if self.faults >= FOLLOW_FAULTS_MAX {
                        return None;
                    }
                }
            }
            if self.sent_at.elapsed() >= HEARTBEAT_PAUSE {
                // It renews the cursor: without data it is no message.
                let cursor = self.follower.cursor(UnixMillis::default());
                return Some(format!("id: {cursor}\n:\n\n"));
            }
        }
    }

    /// Prints what was read, and puts the reader behind it.
    fn show(&mut self, read: Read) -> String {
        let mut chunk = String::new();
        for channel in &read.truncated {
            print(&mut chunk, &self.follower, &Notice::Truncated { channel });
        }
        for event in &read.events {
            self.follower.shown(event);
            print(&mut chunk, &self.follower, event);
        }
        self.follower.advance(read);
        chunk
    }
}

/// Prints a message, which is JSON and so has no line break in it.
fn print(chunk: &mut String, follower: &Follower, message: &impl Serialize) {
    let cursor = follower.cursor(UnixMillis::default());
    let message = serde_json::to_string(message).expect("strings and JSON always print");
    for part in ["id: ", &cursor, "\ndata: ", &message, "\n\n"] {
        chunk.push_str(part);
    }
}

//! What webhooks are to be told: noted while an operation goes on, and queued at its end. Where no
//! webhook wants to know, nothing is noted and nothing is sent.
//!
//! Each handler ends with [`Services::tell_webhooks`]. What happens and is not queued, because a
//! function dies before it or because SQS does not take it, no webhook is told of; from the queue on it
//! is told at least once.

use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::clock::now;
use super::queue::Unsent;
use super::services::Services;
use super::table::ChannelKey;
use crate::model::error::{Fault, chain};
use crate::model::limits::WEBHOOK_QUEUE_PATIENCE;
use crate::model::time::UnixMillis;
use crate::model::webhook::{Event, Happened, Message};

impl Services {
    /// Whether any webhook of the channel's app lets an event through.
    #[must_use]
    pub fn webhooks_want(&self, of: &ChannelKey, event: &Event) -> bool {
        let app = self.apps.by_id(&of.app_id);
        app.is_some_and(|app| {
            let webhooks = &app.settings().webhooks;
            webhooks.iter().any(|webhook| webhook.lets_through(event))
        })
    }

    /// Notes what has just happened on a channel, if a webhook wants it.
    pub fn happened(&self, of: &ChannelKey, event: Event) {
        self.happened_at(of, now(), event);
    }

    /// The same of what happened when the table says that it did.
    pub fn happened_at(&self, of: &ChannelKey, at: UnixMillis, event: Event) {
        if self.webhooks_want(of, &event) {
            self.webhooks.add(&of.app_id, Happened { at, event });
        }
    }

    /// Notes that a channel has no subscriber any more, if it has none.
    pub fn vacated(&self, of: &ChannelKey, vacated_at: Option<UnixMillis>) {
        if let Some(at) = vacated_at {
            let channel = of.channel.clone();
            self.happened_at(of, at, Event::ChannelVacated { channel });
        }
    }

    /// Notes that a channel has its first subscriber, if it has come to that.
    pub fn occupied(&self, of: &ChannelKey, occupied_at: Option<UnixMillis>) {
        if let Some(at) = occupied_at {
            let channel = of.channel.clone();
            self.happened_at(of, at, Event::ChannelOccupied { channel });
        }
    }

    /// Queues what was noted for those whom it concerns: one request for ten messages, none for none.
    /// Nothing fails when this does: then they are not told, which is logged.
    pub async fn tell_webhooks(&self) {
        let mut noted = self.webhooks.take();
        if noted.is_empty() {
            return;
        }
        // Stable: what happens in one app stays in its order.
        noted.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut messages: Vec<(String, Duration)> = Vec::new();
        for of_app in noted.chunk_by(|(one, _), (other, _)| one == other) {
            let Some(app) = self.apps.by_id(&of_app[0].0) else {
                continue;
            };
            let happened: Vec<Happened> = of_app.iter().map(|(_, one)| one.clone()).collect();
            let outgoing = Message::of(app, &happened, Uuid::now_v7);
            messages.extend(
                outgoing
                    .into_iter()
                    .map(|out| (out.message.print(), out.delay)),
            );
        }
        let lost = match &self.webhooks.queue {
            Some(queue) => {
                let sent = queue.send_all(&messages);
                match timeout(WEBHOOK_QUEUE_PATIENCE, sent).await {
                    Ok(Ok(())) => return,
                    Ok(Err(unsent)) => unsent,
                    Err(elapsed) => all_lost(&messages, elapsed.into()),
                }
            }
            None => all_lost(&messages, "this function knows no queue".into()),
        };
        let (error_type, error) = (lost.fault.error_type(), chain(&lost.fault));
        tracing::error!(
            webhooks_lost = lost.places.len(),
            error_type,
            error,
            "webhooks not told"
        );
    }
}

fn all_lost(
    messages: &[(String, Duration)],
    cause: Box<dyn std::error::Error + Send + Sync>,
) -> Unsent {
    Unsent {
        places: (0..messages.len()).collect(),
        fault: Fault::Queue(cause),
    }
}

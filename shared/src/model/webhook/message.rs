//! What is queued for a webhook: one message is one request, unless several are sent together.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event::Event;
use super::target::Webhook;
use crate::model::app::App;
use crate::model::error::unreadable;
use crate::model::limits::{WEBHOOK_HOLD, WEBHOOK_MESSAGE_MAX_BYTES};
use crate::model::time::UnixMillis;

/// The version of the messages. One of another version is not understood: it is handed out again,
/// by when the function may have been replaced, and ends among the dead.
const VERSION: u32 = 1;

/// The first pause before a webhook is tried again; each one is twice the one before.
const FIRST_PAUSE_SECS: u64 = 1;

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// When.
    pub at: UnixMillis,
    /// What.
    pub event: Event,
}

/// How often a message was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// So many times.
    pub times: u32,
    /// When it failed first.
    pub since: UnixMillis,
}

/// Events for one webhook of one app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    v: u32,
    /// Names it, in all its attempts.
    pub id: Uuid,
    /// The app's id.
    pub app_id: String,
    /// The webhook's URL.
    pub to: String,
    /// The events: one, unless the app wants several at once.
    pub events: Vec<Happened>,
    /// How often it was tried; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<Tried>,
    /// Why it is dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A message and when it is to be handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The message.
    pub message: Message,
    /// After so long.
    pub delay: Duration,
}

impl Message {
    /// The messages that tell an app's webhooks of what has happened: of nothing but what they let
    /// through. What may turn out not to have happened waits.
    #[must_use]
    pub fn of(app: &App, happened: &[Happened], mut name: impl FnMut() -> Uuid) -> Vec<Outgoing> {
        let settings = app.settings();
        let mut outgoing = Vec::new();
        for webhook in &settings.webhooks {
            for held in [false, true] {
                let wanted = happened.iter().filter(|happened| {
                    happened.event.kind().is_held() == held && webhook.lets_through(&happened.event)
                });
                let mut message = |events: Vec<Happened>| Outgoing {
                    message: Self::new(app, webhook, events, name()),
                    delay: if held { WEBHOOK_HOLD } else { Duration::ZERO },
                };
                if settings.webhook_batching {
                    outgoing.extend(chunks(wanted).into_iter().map(message));
                } else {
                    outgoing.extend(wanted.map(|happened| message(vec![happened.clone()])));
                }
            }
        }
        outgoing
    }

    fn new(app: &App, webhook: &Webhook, events: Vec<Happened>, id: Uuid) -> Self {
        Self {
            v: VERSION,
            id,
            app_id: app.id().to_owned(),
            to: webhook.url().to_string(),
            events,
            tried: None,
            problem: None,
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let message: Self = serde_json::from_str(text).map_err(|error| unreadable(&error))?;
        if message.v == VERSION {
            Ok(message)
        } else {
            Err(format!("it is of version {}", message.v))
        }
    }

    /// The message as text.
    #[must_use]
    pub fn print(&self) -> String {
        serde_json::to_string(self).expect("names, texts and numbers always print")
    }

    /// What follows when it has failed: it is tried again after a pause that doubles, unless that
    /// would be more than `patience` after it failed first. `None`: it is dead.
    #[must_use]
    pub fn again(mut self, now: UnixMillis, patience: Duration) -> Option<Outgoing> {
        let Tried { times, since } = self.tried.unwrap_or(Tried {
            times: 0,
            since: now,
        });
        let pause_secs = FIRST_PAUSE_SECS.checked_shl(times).unwrap_or(u64::MAX);
        if now.plus_secs(pause_secs).millis_since(since) as u128 > patience.as_millis() {
            return None;
        }
        self.tried = Some(Tried {
            times: times + 1,
            since,
        });
        self.problem = None;
        Some(Outgoing {
            message: self,
            delay: Duration::from_secs(pause_secs),
        })
    }

    /// What is kept of it when it is dead: queued once more, it begins anew.
    #[must_use]
    pub fn dead(mut self, problem: &str) -> Self {
        self.tried = None;
        self.problem = Some(problem.to_owned());
        self
    }
}

/// As few lists as hold the events, each of which fits a message.
fn chunks<'a>(events: impl Iterator<Item = &'a Happened>) -> Vec<Vec<Happened>> {
    let mut chunks: Vec<Vec<Happened>> = Vec::new();
    let mut room = 0;
    for happened in events {
        let bytes = serde_json::to_string(happened).map_or(0, |text| text.len());
        match chunks.last_mut() {
            Some(chunk) if bytes <= room => chunk.push(happened.clone()),
            Some(_) | None => {
                chunks.push(vec![happened.clone()]);
                room = WEBHOOK_MESSAGE_MAX_BYTES;
            }
        }
        room = room.saturating_sub(bytes);
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::app::Apps;
    use crate::model::channel::Channel;
    use crate::model::webhook::Kind;

    fn occupied(name: &str) -> Happened {
        Happened {
            at: UnixMillis(1),
            event: Event::ChannelOccupied {
                channel: Channel::parse(name).expect("a name"),
            },
        }
    }

    fn vacated(name: &str) -> Happened {
        Happened {
            at: UnixMillis(2),
            event: Event::ChannelVacated {
                channel: Channel::parse(name).expect("a name"),
            },
        }
    }

    fn messages(settings: &str, happened: &[Happened]) -> Vec<Outgoing> {
        let json = format!(r#"[{{"id":"1","key":"k","secret":"s"{settings}}}]"#);
        let apps = Apps::parse(&json).expect("an app");
        Message::of(apps.by_id("1").expect("the app"), happened, Uuid::nil)
    }

    /// To whom, how long it waits, and how many events it has.
    fn shape(outgoing: &[Outgoing]) -> Vec<(&str, u64, usize)> {
        outgoing
            .iter()
            .map(|Outgoing { message, delay }| {
                (message.to.as_str(), delay.as_secs(), message.events.len())
            })
            .collect()
    }

    const TWO: &str = r#","webhooks":[{"url":"https://a/"},{"url":"https://b/","events":["channel_vacated"],"filter_by_prefix":"p"}]"#;

    #[test]
    fn each_webhook_has_messages_of_its_own_and_what_may_be_taken_back_waits() {
        let happened = [occupied("p1"), vacated("p2"), vacated("q"), occupied("q2")];
        assert_eq!(messages("", &happened), []);
        assert_eq!(
            shape(&messages(TWO, &happened)),
            [
                ("https://a/", 0, 1),
                ("https://a/", 0, 1),
                ("https://a/", 3, 1),
                ("https://a/", 3, 1),
                ("https://b/", 3, 1),
            ]
        );
        let batching = format!(r#"{TWO},"webhook_batching":true"#);
        let messages = messages(&batching, &happened);
        assert_eq!(
            shape(&messages),
            [
                ("https://a/", 0, 2),
                ("https://a/", 3, 2),
                ("https://b/", 3, 1),
            ]
        );
        assert_eq!(messages[2].message.events, [vacated("p2")]);
    }

    #[test]
    fn a_message_stays_within_its_size() {
        let many: Vec<Happened> = (0..2_000)
            .map(|n| occupied(&format!("channel-{n}")))
            .collect();
        let batching = r#","webhooks":[{"url":"https://a"}],"webhook_batching":true"#;
        let messages = messages(batching, &many);
        assert!((2..=3).contains(&messages.len()), "{}", messages.len());
        let all = |outgoing: &Outgoing| outgoing.message.events.clone();
        assert_eq!(messages.iter().flat_map(all).collect::<Vec<_>>(), many);
        for Outgoing { message, .. } in &messages {
            assert!(message.print().len() < WEBHOOK_MESSAGE_MAX_BYTES + 4_096);
        }
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let message = messages(TWO, &[occupied("a")]).remove(0).message;
        let text = message.print();
        assert_eq!(
            text,
            r#"{"v":1,"id":"00000000-0000-0000-0000-000000000000","app_id":"1","to":"https://a/","events":[{"at":1,"event":{"name":"channel_occupied","channel":"a"}}]}"#
        );
        let tried = message
            .clone()
            .again(UnixMillis(5), Duration::from_secs(9))
            .expect("again")
            .message;
        for message in [message, tried] {
            assert_eq!(Message::parse(&message.print()), Ok(message));
        }
        for text in [
            "",
            "{}",
            &text.replace("\"v\":1", "\"v\":2"),
            &text.replace("channel_occupied", "other"),
            &text.replace("\"channel\":\"a\"", "\"channel\":\"a b\""),
        ] {
            assert!(Message::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_fails_is_tried_again_for_five_minutes_with_a_growing_pause() {
        let message = messages(TWO, &[occupied("a")]).remove(0).message;
        let patience = Duration::from_secs(300);
        // It fails at once, or after the five seconds that a request may take.
        for (takes_secs, expected) in [
            (0, vec![1, 2, 4, 8, 16, 32, 64, 128]),
            (5, vec![1, 2, 4, 8, 16, 32, 64, 128]),
        ] {
            let mut now = UnixMillis(1_000_000);
            let began = now;
            let mut message = message.clone();
            let mut pauses = Vec::new();
            let last = loop {
                now = now.plus_secs(takes_secs);
                let Some(again) = message.clone().again(now, patience) else {
                    break message;
                };
                pauses.push(again.delay.as_secs());
                now = now.plus_secs(again.delay.as_secs());
                message = again.message;
            };
            assert_eq!(pauses, expected);
            let tried_secs = now.millis_since(began) / 1_000;
            assert!((240..=310).contains(&tried_secs), "{tried_secs}");
            let dead = last.dead("answered 500");
            assert_eq!(
                (dead.tried, dead.problem.as_deref()),
                (None, Some("answered 500"))
            );
        }
        // Late messages are not tried for longer, however few attempts they had.
        let late = Message {
            tried: Some(Tried {
                times: 1,
                since: UnixMillis(0),
            }),
            ..message
        };
        assert_eq!(late.again(UnixMillis(299_000), patience), None);
    }

    #[test]
    fn only_an_end_is_held() {
        let held: Vec<Kind> = Kind::ALL
            .into_iter()
            .filter(|kind| kind.is_held())
            .collect();
        assert_eq!(held, [Kind::ChannelVacated, Kind::MemberRemoved]);
    }
}

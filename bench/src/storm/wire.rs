//! What clients and servers say, and what is said to them, as the protocol has it: printed, signed and read.

use md5::Digest as _;
use serde_json::{Value, json};
use shared::model::secret::Secret;

use super::history::Step;

/// The event that servers publish.
pub(crate) const EVENT: &str = "storm";
/// The event that clients send to each other.
pub(crate) const CLIENT_EVENT: &str = "client-storm";
/// Stands in whatever no log may repeat.
pub(crate) const CANARY: &str = "canary-in-what-is-said";

/// An app, as its servers and clients know it.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) id: &'static str,
    pub(crate) key: &'static str,
    pub(crate) secret: &'static str,
}

impl App {
    pub(crate) fn sign(&self, text: &str) -> String {
        Secret::new(self.secret.to_owned()).sign(text.as_bytes())
    }

    /// The name of something of this app in a history.
    pub(crate) fn name(&self, bare: &str) -> String {
        format!("{}/{bare}", self.id)
    }

    /// The path of a signed request, with its query.
    pub(crate) fn signed(
        &self,
        method: &str,
        path: &str,
        parameters: &[(&str, &str)],
        body: &str,
        now_secs: u64,
    ) -> String {
        let path = format!("/apps/{}{path}", self.id);
        let (at, digest) = (now_secs.to_string(), hex::encode(md5::Md5::digest(body)));
        let mut pairs = vec![
            ("auth_key", self.key),
            ("auth_timestamp", &*at),
            ("auth_version", "1.0"),
        ];
        if !body.is_empty() {
            pairs.push(("body_md5", &digest));
        }
        pairs.extend(parameters);
        pairs.sort_unstable();
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let query = pairs.join("&");
        let signature = self.sign(&format!("{method}\n{path}\n{query}"));
        format!("{path}?{query}&auth_signature={signature}")
    }

    /// A subscription to a channel, with the signature that it takes, or with one that is wrong.
    pub(crate) fn subscribe(&self, socket_id: &str, wanted: &Wanted<'_>) -> Value {
        let Wanted {
            channel,
            user,
            after,
            auth,
        } = wanted;
        let mut data = json!({ "channel": channel });
        let channel_data =
            user.map(|user| json!({ "user_id": user, "user_info": { "is": CANARY } }).to_string());
        let signed = match &channel_data {
            Some(user) => format!("{socket_id}:{channel}:{user}"),
            None => format!("{socket_id}:{channel}"),
        };
        match auth {
            Auth::None => {}
            Auth::Good => data["auth"] = json!(format!("{}:{}", self.key, self.sign(&signed))),
            Auth::Bad => data["auth"] = json!(format!("{}:{}", self.key, self.sign("another"))),
        }
        if let Some(channel_data) = channel_data {
            data["channel_data"] = json!(channel_data);
        }
        if let Some(after) = after {
            data["after"] = json!(after);
        }
        json!({ "event": "pusher:subscribe", "data": data })
    }

    /// A sign-in as a user who watches others.
    pub(crate) fn sign_in(
        &self,
        socket_id: &str,
        user: &str,
        watches: &[String],
        good: bool,
    ) -> Value {
        let user_data =
            json!({ "id": user, "user_info": { "is": CANARY }, "watchlist": watches }).to_string();
        let signed = if good {
            format!("{socket_id}::user::{user_data}")
        } else {
            "another".to_owned()
        };
        let auth = format!("{}:{}", self.key, self.sign(&signed));
        json!({ "event": "pusher:signin", "data": { "auth": auth, "user_data": user_data } })
    }

    /// What a frame to one of its clients says.
    pub(crate) fn heard(&self, text: &str) -> Step {
        let strange = || Step::Strange {
            text: text.chars().take(300).collect(),
        };
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            return strange();
        };
        let Some(event) = frame["event"].as_str() else {
            // API Gateway's own, of a function that failed.
            let is_failure = frame["message"].is_string() && frame["connectionId"].is_string();
            return if is_failure { Step::Failed } else { strange() };
        };
        self.of_event(event, &frame).unwrap_or_else(strange)
    }

    fn of_event(&self, event: &str, frame: &Value) -> Option<Step> {
        let channel = || Some(self.name(frame["channel"].as_str()?));
        // JSON in a string, as `data` is on channels.
        let data = || serde_json::from_str::<Value>(frame["data"].as_str()?).ok();
        let users = |list: &Value| -> Option<Vec<String>> {
            list.as_array()?
                .iter()
                .map(|id| Some(self.name(id.as_str()?)))
                .collect()
        };
        let user = || Some(self.name(data()?["user_id"].as_str()?));
        Some(match event {
            "pusher:connection_established" => Step::Greeted {
                socket_id: data()?["socket_id"].as_str()?.to_owned(),
            },
            "pusher:error" => Step::Told {
                code: frame["data"]["code"]
                    .as_u64()
                    .and_then(|code| code.try_into().ok()),
            },
            "pusher:pong" => Step::Ponged,
            "pusher:signin_success" => {
                let user_data: Value =
                    serde_json::from_str(frame["data"]["user_data"].as_str()?).ok()?;
                Step::SignedIn {
                    user: self.name(user_data["id"].as_str()?),
                }
            }
            "pusher:subscription_error" => Step::Refused {
                channel: channel()?,
                status: frame["data"]["status"].as_u64()?.try_into().ok()?,
            },
            "pusher:cache_miss" => Step::CacheMiss {
                channel: channel()?,
            },
            "pusher:resume_failed" => Step::ResumeFailed {
                channel: channel()?,
            },
            "pusher_internal:subscription_succeeded" => {
                let presence = &data()?["presence"];
                let roster = if presence.is_null() {
                    None
                } else {
                    Some(users(&presence["ids"])?)
                };
                Step::Acknowledged {
                    channel: channel()?,
                    roster,
                }
            }
            "pusher_internal:member_added" => Step::Added {
                channel: channel()?,
                user: user()?,
            },
            "pusher_internal:member_removed" => Step::Removed {
                channel: channel()?,
                user: user()?,
            },
            "pusher_internal:subscription_count" => Step::Counted {
                channel: channel()?,
                count: data()?["subscription_count"].as_u64()?,
            },
            "pusher_internal:watchlist_events" => {
                let (mut online, mut offline) = (Vec::new(), Vec::new());
                for event in data()?["events"].as_array()? {
                    let list = match event["name"].as_str()? {
                        "online" => &mut online,
                        "offline" => &mut offline,
                        _ => return None,
                    };
                    list.extend(users(&event["user_ids"])?);
                }
                Step::Watched { online, offline }
            }
            EVENT => Step::Got {
                channel: channel()?,
                event: number(&data()?)?,
                serial: Some(frame["serial"].as_u64()?),
            },
            CLIENT_EVENT => Step::Got {
                channel: channel()?,
                event: number(&frame["data"])?,
                serial: None,
            },
            _ => return None,
        })
    }
}

/// What a client asks for when it subscribes.
pub(crate) struct Wanted<'a> {
    /// Without its app.
    pub(crate) channel: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) after: Option<u64>,
    pub(crate) auth: Auth,
}

/// The signature that it has for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    None,
    Good,
    Bad,
}

/// The data of an event: its number, something that no log may repeat, and so many bytes besides.
pub(crate) fn data_of(event: u32, bytes: usize) -> Value {
    json!({ "n": event, "is": CANARY, "more": "x".repeat(bytes) })
}

/// The number of the event that data is of.
pub(crate) fn number(data: &Value) -> Option<u32> {
    data["n"].as_u64()?.try_into().ok()
}

/// The number of the event that data, printed, is of.
pub(crate) fn number_in(text: &str) -> Option<u32> {
    number(&serde_json::from_str(text).ok()?)
}

/// A frame that leaves a channel.
pub(crate) fn unsubscribe(channel: &str) -> Value {
    json!({ "event": "pusher:unsubscribe", "data": { "channel": channel } })
}

/// An event to the others on a channel.
pub(crate) fn say(channel: &str, event: u32) -> Value {
    json!({ "event": CLIENT_EVENT, "channel": channel, "data": data_of(event, 10) })
}

/// A frame that is answered with a pong.
pub(crate) fn ping() -> Value {
    json!({ "event": "pusher:ping", "data": {} })
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: App = App {
        id: "1",
        key: "k",
        secret: "s",
    };

    #[test]
    fn each_frame_is_read_as_what_it_says() {
        let channel = || "1/a".to_owned();
        for (frame, step) in [
            (
                r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":120}"}"#,
                Step::Greeted {
                    socket_id: "1.2".to_owned(),
                },
            ),
            (
                r#"{"event":"pusher_internal:subscription_succeeded","channel":"a","data":"{}"}"#,
                Step::Acknowledged {
                    channel: channel(),
                    roster: None,
                },
            ),
            (
                r#"{"event":"pusher_internal:subscription_succeeded","channel":"a","data":"{\"presence\":{\"ids\":[\"u\"],\"hash\":{\"u\":null},\"count\":1}}"}"#,
                Step::Acknowledged {
                    channel: channel(),
                    roster: Some(vec!["1/u".to_owned()]),
                },
            ),
            (
                r#"{"event":"storm","channel":"a","data":"{\"n\":7}","serial":9}"#,
                Step::Got {
                    channel: channel(),
                    event: 7,
                    serial: Some(9),
                },
            ),
            (
                r#"{"event":"client-storm","channel":"a","data":{"n":7}}"#,
                Step::Got {
                    channel: channel(),
                    event: 7,
                    serial: None,
                },
            ),
            (
                r#"{"event":"pusher:subscription_error","channel":"a","data":{"type":"AuthError","error":"","status":401}}"#,
                Step::Refused {
                    channel: channel(),
                    status: 401,
                },
            ),
            (
                r#"{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"u\"]}]}"}"#,
                Step::Watched {
                    online: vec!["1/u".to_owned()],
                    offline: Vec::new(),
                },
            ),
            (
                r#"{"event":"pusher:error","data":{"code":null,"message":""}}"#,
                Step::Told { code: None },
            ),
            (
                r#"{"message":"Internal server error","connectionId":"c","requestId":"r"}"#,
                Step::Failed,
            ),
        ] {
            assert_eq!(APP.heard(frame), step, "{frame}");
        }
        for strange in [
            "",
            "[]",
            "{}",
            r#"{"event":"pusher:else"}"#,
            r#"{"event":"storm","channel":"a","data":"x"}"#,
        ] {
            assert!(
                matches!(APP.heard(strange), Step::Strange { .. }),
                "{strange}"
            );
        }
    }

    #[test]
    fn a_request_is_signed_over_what_it_says() {
        let get = APP.signed("GET", "/channels", &[("info", "user_count")], "", 7);
        assert!(get.starts_with("/apps/1/channels?auth_key=k&auth_timestamp=7&auth_version=1.0&info=user_count&auth_signature="));
        let post = APP.signed("POST", "/events", &[], "{}", 7);
        assert!(post.contains("body_md5=99914b932bd37a50b983c5e7c90ae93b"));
        assert_ne!(post, APP.signed("POST", "/events", &[], "{ }", 7));
    }
}

//! Publishing to a channel by the HTTP API, signed.

use std::fmt;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Digest as _;
use serde_json::{Value, json};
use sha2::Sha256;

/// Times that an event is published until it is.
const ATTEMPTS: u32 = 4;
/// The pause before the second one; it doubles.
const PAUSE: Duration = Duration::from_millis(200);
/// How long one may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where to publish, and as whom.
#[derive(Clone)]
pub struct App {
    /// `https://host`, without a path.
    pub url: String,
    /// The app's id.
    pub id: String,
    /// Its key.
    pub key: String,
    /// Its secret.
    pub secret: String,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("url", &self.url)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why something was not published.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The channel keeps nothing.
    #[error(
        "{0} keeps no last event: a task's channel begins with cache-, private-cache- or presence-cache-"
    )]
    Channel(String),
    /// The HTTP API has refused it, for good.
    #[error("refused with {status}: {answer}")]
    Refused {
        /// The status.
        status: u16,
        /// What it says.
        answer: String,
    },
    /// No attempt was answered.
    #[error("not published")]
    Unanswered(#[source] reqwest::Error),
    /// The runtime was stopped meanwhile.
    #[error("the runtime has stopped")]
    Stopped,
}

/// Whether the channel keeps its last event.
pub(crate) fn must_keep(channel: &str) -> Result<(), Error> {
    let keeps = ["cache-", "private-cache-", "presence-cache-"]
        .iter()
        .any(|prefix| channel.starts_with(prefix));
    keeps
        .then_some(())
        .ok_or_else(|| Error::Channel(channel.to_owned()))
}

/// Publishes to one channel, one event after the other.
pub(crate) struct Publishing {
    app: App,
    channel: String,
    client: reqwest::Client,
}

impl Publishing {
    pub(crate) fn new(app: App, channel: &str) -> Self {
        Self {
            app,
            channel: channel.to_owned(),
            client: reqwest::Client::new(),
        }
    }

    /// Publishes an event, repeating what may have been lost on the way: the last word of a task must
    /// be there, and twice does no harm.
    pub(crate) async fn publish(&self, name: &str, data: &Value) -> Result<(), Error> {
        let body = json!({"name": name, "channel": self.channel, "data": data.to_string()});
        let body = body.to_string();
        let mut pause = PAUSE;
        let mut attempt = 1;
        loop {
            let outcome = self.attempt(&body).await;
            let again = match &outcome {
                Ok(()) => return Ok(()),
                Err(Error::Refused { status, .. }) => *status >= 500 || *status == 429,
                Err(Error::Unanswered(_)) => true,
                Err(Error::Channel(_) | Error::Stopped) => false,
            };
            if !again || attempt == ATTEMPTS {
                return outcome;
            }
            attempt += 1;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn attempt(&self, body: &str) -> Result<(), Error> {
        let path = format!("/apps/{}/events", self.app.id);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let query = self.signed(&path, body, now.unwrap_or_default().as_secs());
        let url = format!("{}{path}?{query}", self.app.url.trim_end_matches('/'));
        let request = self
            .client
            .post(url)
            .timeout(TIMEOUT)
            .header("content-type", "application/json")
            .body(body.to_owned());
        let answer = request.send().await;
        // The URL has the signature in it.
        let answer = answer.map_err(|error| Error::Unanswered(error.without_url()))?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(Error::Refused {
            status: answer.status().as_u16(),
            answer: answer.text().await.unwrap_or_default(),
        })
    }

    /// The query that signs a request, as every server SDK signs it.
    fn signed(&self, path: &str, body: &str, at_secs: u64) -> String {
        let App { key, secret, .. } = &self.app;
        let digest = hex::encode(md5::Md5::digest(body.as_bytes()));
        let query =
            format!("auth_key={key}&auth_timestamp={at_secs}&auth_version=1.0&body_md5={digest}");
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes any key");
        mac.update(format!("POST\n{path}\n{query}").as_bytes());
        format!(
            "{query}&auth_signature={}",
            hex::encode(mac.finalize().into_bytes())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_needs_a_channel_that_keeps_its_last_event() {
        for channel in ["cache-a", "private-cache-a", "presence-cache-a"] {
            assert!(must_keep(channel).is_ok(), "{channel}");
        }
        for channel in ["a", "private-a", "my-cache-a"] {
            let error = must_keep(channel).expect_err(channel);
            assert!(error.to_string().contains(channel), "{error}");
        }
    }

    #[test]
    fn a_request_is_signed_as_published() {
        // The example of Pusher's HTTP API, whose parameters are in this order, too.
        let app = App {
            url: String::new(),
            id: "3".to_owned(),
            key: "278d425bdf160c739803".to_owned(),
            secret: "7ad3773142a6692b25b8".to_owned(),
        };
        assert!(!format!("{app:?}").contains("7ad3"));
        let body = r#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
        let publishing = Publishing::new(app, "cache-a");
        let query = publishing.signed("/apps/3/events", body, 1_353_088_179);
        let signature =
            "auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";
        assert!(query.ends_with(signature), "{query}");
    }
}

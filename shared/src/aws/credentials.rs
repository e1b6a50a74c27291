//! What requests to AWS are signed with, as it is at the moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use http::{Request, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;
use tokio::time::timeout;

use super::clock::now;
use super::pool::{Cause, Pool};
use crate::config::{AwsKeys, Config, KeyEndpoint, KeySource};
use crate::model::error::chain;
use crate::model::time::UnixMillis;

/// How long an endpoint may take, which is on this machine or next to it.
const ENDPOINT_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of its answer that are read.
const ANSWER_MAX_BYTES: usize = 65_536;
/// Seconds before their end from which on keys are replaced: AWS has new ones at least five minutes before.
const EARLY_SECS: u64 = 300;
/// Seconds between two questions for as long as those at hand still hold.
const PAUSE_SECS: u64 = 10;

/// A role's keys: the same until they are replaced. Cheap to clone.
#[derive(Clone)]
pub(super) struct Keys(Arc<Source>);

enum Source {
    Given(Arc<AwsKeys>),
    Endpoint(Box<Endpoint>),
}

/// What gives keys, and those that it gave last.
struct Endpoint {
    given: KeyEndpoint,
    pool: Pool,
    held: Mutex<Option<Held>>,
    /// Whoever asks: one at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Held {
    keys: Arc<AwsKeys>,
    /// Without it they hold for good.
    expires_at: Option<UnixMillis>,
    asked_at: UnixMillis,
}

impl Held {
    /// Whether nothing newer is to be asked for.
    fn is_fresh(&self, now: UnixMillis) -> bool {
        let early = |end: UnixMillis| now.plus_secs(EARLY_SECS) < end;
        let asked = now < self.asked_at.plus_secs(PAUSE_SECS);
        self.expires_at.is_none_or(early) || (asked && self.holds(now))
    }

    /// Whether AWS still takes it.
    fn holds(&self, now: UnixMillis) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    fn parse(answer: &[u8], asked_at: UnixMillis) -> Result<Self, Cause> {
        let answer: Answer = serde_json::from_slice(answer)?;
        let at = |text: String| {
            let at = DateTime::from_str(&text, DateTimeFormat::DateTime)?;
            Ok::<_, Cause>(UnixMillis(at.to_millis()?.try_into()?))
        };
        Ok(Self {
            keys: Arc::new(AwsKeys {
                access_key_id: answer.access_key_id,
                secret_access_key: answer.secret_access_key,
                session_token: answer.token,
            }),
            expires_at: answer.expiration.map(at).transpose()?,
            asked_at,
        })
    }
}

/// What an endpoint answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    /// RFC 3339.
    expiration: Option<String>,
}

impl Keys {
    /// Asks nobody yet.
    pub(super) fn new(config: &Config) -> Self {
        let source = match &config.aws_keys {
            KeySource::Given(keys) => Source::Given(Arc::new(keys.clone())),
            KeySource::Endpoint(given) => {
                let roots_pem = config.aws_roots_pem.clone();
                Source::Endpoint(Box::new(Endpoint {
                    pool: Pool::new(given.uri.clone(), roots_pem, ANSWER_MAX_BYTES),
                    given: given.clone(),
                    held: Mutex::default(),
                    asking: tokio::sync::Mutex::default(),
                }))
            }
        };
        Self(Arc::new(source))
    }

    /// The keys to sign with: as long as they are the same, the same `Arc`. Where an endpoint gives them
    /// they are replaced from five minutes before their end on.
    ///
    /// # Errors
    /// There are none that hold, and the endpoint gave none.
    pub(super) async fn get(&self) -> Result<Arc<AwsKeys>, Cause> {
        match &*self.0 {
            Source::Given(keys) => Ok(Arc::clone(keys)),
            Source::Endpoint(endpoint) => Ok(endpoint.get().await?.keys),
        }
    }

    /// The same in the form that the SDK signs with.
    pub(super) async fn credentials(&self) -> Result<Credentials, Cause> {
        let (keys, expires_at) = match &*self.0 {
            Source::Given(keys) => (Arc::clone(keys), None),
            Source::Endpoint(endpoint) => {
                let held = endpoint.get().await?;
                (held.keys, held.expires_at)
            }
        };
        let after_epoch = |at: UnixMillis| SystemTime::UNIX_EPOCH + Duration::from_millis(at.0);
        Ok(Credentials::new(
            &keys.access_key_id,
            &keys.secret_access_key,
            keys.session_token.clone(),
            expires_at.map(after_epoch),
            "the function's role",
        ))
    }
}

impl Endpoint {
    async fn get(&self) -> Result<Held, Cause> {
        if let Some(held) = self.held().clone().filter(|held| held.is_fresh(now())) {
            return Ok(held);
        }
        let _turn = self.asking.lock().await;
        // Whoever was before may have brought them.
        let held = self.held().clone();
        if let Some(held) = held.clone().filter(|held| held.is_fresh(now())) {
            return Ok(held);
        }
        let answer = timeout(ENDPOINT_TIMEOUT, self.ask()).await;
        let new = match (answer.unwrap_or_else(|late| Err(late.into())), held) {
            (Ok(new), _) => new,
            (Err(cause), Some(held)) if held.holds(now()) => {
                tracing::warn!(error = chain(&*cause), "no new credentials yet");
                Held {
                    asked_at: now(),
                    ..held
                }
            }
            (Err(cause), Some(_) | None) => return Err(cause),
        };
        *self.held() = Some(new.clone());
        Ok(new)
    }

    async fn ask(&self) -> Result<Held, Cause> {
        let uri = &self.given.uri;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let mut question = Request::get(path)
            .header(header::HOST, host)
            .header(header::ACCEPT, "application/json");
        if let Some(token) = &self.given.authorization {
            question = question.header(header::AUTHORIZATION, token);
        }
        let asked_at = now();
        let answer = self.pool.send(question.body(Full::default())?).await?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the endpoint of credentials answered {}", answer.status()).into());
        }
        Held::parse(answer.body(), asked_at)
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let given = self.credentials().await;
            given.map_err(CredentialsError::provider_error)
        })
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

#[cfg(test)]
mod tests;

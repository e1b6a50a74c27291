//! Secrets as they are known here: as they were configured, or as Secrets Manager had them a moment
//! ago. One that has changed is known after [`Config::secret_age`], without another deployment.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::aws::secrets::SecretStore;
use crate::config::{Config, Configured};
use crate::model::error::{Fault, chain};
use crate::model::limits::SECRET_PAUSE_SECS;
use crate::model::time::UnixMillis;

/// How a secret's text is read: as itself, or what is wrong with it, which repeats none of it.
type Parse<T> = Box<dyn Fn(&str) -> Result<T, String> + Send + Sync>;

/// Something secret. A value is read when it is first asked for.
pub struct Kept<T> {
    from: From<T>,
}

enum From<T> {
    Given(T),
    Stored(Stored<T>),
}

struct Stored<T> {
    store: SecretStore,
    id: String,
    parse: Parse<T>,
    age_max: Duration,
    known: Mutex<Known<T>>,
}

/// What is known of a secret.
struct Known<T> {
    value: Option<T>,
    read_at: UnixMillis,
    tried_at: UnixMillis,
}

impl<T: Clone> Known<T> {
    const fn nothing() -> Self {
        Self {
            value: None,
            read_at: UnixMillis(0),
            tried_at: UnixMillis(0),
        }
    }

    /// The value, unless the secret is to be read: there is none yet, it is old, or it is not what is
    /// `wanted`. However often that is so, it is read only after a pause.
    fn good(&self, now: UnixMillis, age_max: Duration, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let value = self.value.as_ref()?;
        let age_millis = u64::try_from(age_max.as_millis()).unwrap_or(u64::MAX);
        let is_fresh = now.millis_since(self.read_at) < age_millis && wanted(value);
        let is_paused = now < self.tried_at.plus_secs(SECRET_PAUSE_SECS);
        (is_fresh || is_paused).then(|| value.clone())
    }
}

impl<T: Clone> Kept<T> {
    /// Something secret that is configured so. `parse` reads what Secrets Manager has.
    pub fn new(
        config: &Config,
        configured: &Configured<T>,
        parse: impl Fn(&str) -> Result<T, String> + Send + Sync + 'static,
    ) -> Self {
        let from = match configured {
            Configured::Given(value) => From::Given(value.clone()),
            Configured::Stored(id) => From::Stored(Stored {
                store: SecretStore::new(config),
                id: id.clone(),
                parse: Box::new(parse),
                age_max: config.secret_age,
                known: Mutex::new(Known::nothing()),
            }),
        };
        Self { from }
    }

    /// The value: at most as old as a secret may be, or the last one that could be read. One request
    /// to Secrets Manager when it is older.
    ///
    /// # Errors
    /// [`Fault::Secret`]: it could never be read.
    pub async fn value(&self, now: UnixMillis) -> Result<T, Fault> {
        self.value_where(now, |_| true).await
    }

    /// The same, but read again at once, up to a pause, when it is not what is `wanted`.
    ///
    /// # Errors
    /// [`Fault::Secret`], as above.
    pub async fn value_where(
        &self,
        now: UnixMillis,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<T, Fault> {
        let stored = match &self.from {
            From::Given(value) => return Ok(value.clone()),
            From::Stored(stored) => stored,
        };
        if let Some(good) = stored.known().good(now, stored.age_max, wanted) {
            return Ok(good);
        }
        let read = stored.read().await;
        let mut known = stored.known();
        known.tried_at = now;
        match (read, known.value.clone()) {
            (Ok(value), _) => {
                known.read_at = now;
                Ok(known.value.insert(value).clone())
            }
            (Err(fault), Some(last)) => {
                let error_type = fault.error_type();
                tracing::error!(
                    error_type,
                    error = chain(&fault),
                    "a secret stays what it was"
                );
                Ok(last)
            }
            (Err(fault), None) => Err(fault),
        }
    }
}

impl<T> Stored<T> {
    fn known(&self) -> std::sync::MutexGuard<'_, Known<T>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self) -> Result<T, Fault> {
        let text = self.store.read(&self.id).await?;
        (self.parse)(&text).map_err(|problem| Fault::Secret(problem.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_when_it_is_old_or_not_what_is_wanted_but_not_without_a_pause() {
        let age_max = Duration::from_secs(300);
        let mut known: Known<u8> = Known::nothing();
        let at = |secs: u64| UnixMillis(1_000_000_000).plus_secs(secs);
        assert_eq!(known.good(at(0), age_max, |_| true), None);
        known.value = Some(7);
        (known.read_at, known.tried_at) = (at(0), at(0));
        let good = |known: &Known<u8>, secs, wanted| known.good(at(secs), age_max, |_| wanted);
        assert_eq!(good(&known, 299, true), Some(7));
        assert_eq!(good(&known, 300, true), None);
        assert_eq!(good(&known, 9, false), Some(7));
        assert_eq!(good(&known, 10, false), None);
        // It could not be read again.
        known.tried_at = at(300);
        assert_eq!(good(&known, 309, true), Some(7));
        assert_eq!(good(&known, 310, true), None);
    }
}

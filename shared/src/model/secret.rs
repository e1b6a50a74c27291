//! What is secret: a text, or several of which the first is used and all are good, while one takes
//! another's place.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use crate::model::limits::OWN_KEY_MIN_BYTES;

/// A secret. It has no `Debug` and no `Display`, and compares in constant time, so that it reaches
/// neither a log nor a clock.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Any text is one.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The lower-case hex HMAC-SHA256 of `message`: what shows that the secret is known.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(message);
        hex::encode(mac.finalize().into_bytes())
    }

    /// The secret's bytes, to key a MAC with.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A secret, and what it has been before for whoever still uses that. Cheap to clone. No `Debug`.
#[derive(Clone)]
pub struct Secrets {
    current: Secret,
    all: Arc<[Secret]>,
}

impl Secrets {
    /// A secret and those that are still good.
    #[must_use]
    pub fn new(current: Secret, still_good: impl IntoIterator<Item = Secret>) -> Self {
        let all = std::iter::once(current.clone()).chain(still_good).collect();
        Self { current, all }
    }

    /// Reads keys with white space between them: the first is used, and all are good.
    ///
    /// # Errors
    /// There is none, or one is under 32 bytes.
    fn parse_keys(text: &str) -> Result<Self, String> {
        let mut keys = text.split_ascii_whitespace();
        let current = keys.next().ok_or("is empty")?;
        let still_good: Vec<&str> = keys.collect();
        let mut all = std::iter::once(&current).chain(&still_good);
        if all.any(|key| key.len() < OWN_KEY_MIN_BYTES) {
            return Err(format!("is under {OWN_KEY_MIN_BYTES} bytes"));
        }
        let secret = |key: &str| Secret::new(key.to_owned());
        Ok(Self::new(
            secret(current),
            still_good.into_iter().map(secret),
        ))
    }

    /// The one that is used.
    #[must_use]
    pub const fn current(&self) -> &Secret {
        &self.current
    }

    /// Whether `is` is so of any that is good. All are asked.
    #[must_use]
    pub fn any(&self, is: impl Fn(&Secret) -> Choice) -> bool {
        let all = self.all.iter().map(is);
        all.fold(Choice::from(0), |any, this| any | this).into()
    }
}

/// The key that is this system's own: cursors are signed with it. No `Debug`: it is secret.
#[derive(Clone)]
pub struct OwnKey(Secrets);

impl OwnKey {
    /// Reads keys with white space between them: the first signs, and what any has signed is good.
    ///
    /// # Errors
    /// What is wrong; it repeats no key.
    pub fn parse(text: &str) -> Result<Self, String> {
        Secrets::parse_keys(text).map(Self)
    }

    /// The keys.
    #[must_use]
    pub const fn secrets(&self) -> &Secrets {
        &self.0
    }
}

/// What a request brings that has come by CloudFront. No `Debug`: it is secret.
#[derive(Clone)]
pub struct OriginKey(Secrets);

impl OriginKey {
    /// Reads keys with white space between them: all are good.
    ///
    /// # Errors
    /// What is wrong; it repeats no key.
    pub fn parse(text: &str) -> Result<Self, String> {
        Secrets::parse_keys(text).map(Self)
    }

    /// Whether what a request has brought is one of them, in constant time.
    #[must_use]
    pub fn admits(&self, brought: &str) -> bool {
        self.0.any(|key| key.as_bytes().ct_eq(brought.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_good_and_the_first_is_used() {
        let (first, second) = ("a".repeat(32), "b".repeat(40));
        let keys = format!(" {first}\n{second} ");
        let key = OriginKey::parse(&keys).expect("two keys");
        assert!(key.admits(&first) && key.admits(&second));
        assert!(!key.admits("") && !key.admits(&keys) && !key.admits(&"a".repeat(33)));
        assert_eq!(key.0.current().as_bytes(), first.as_bytes());
    }

    #[test]
    fn a_short_key_is_none() {
        let short = format!("{} {}", "a".repeat(32), "s3cret");
        for text in ["", " \n", "s3cret", &short] {
            let problem = OriginKey::parse(text).map(|_| ()).expect_err(text);
            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }
}

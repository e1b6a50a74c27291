//! Applications: an id, a public key and a secret each.

use std::sync::Arc;

use serde::Deserialize;
use subtle::ConstantTimeEq as _;

/// An app's secret. It has no `Debug` and no `Display`, and compares in constant time, so that it
/// reaches neither a log nor a clock.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret's bytes, to key a MAC with.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// One app, as configured.
#[derive(Clone)]
pub struct App {
    id: String,
    key: String,
    secret: Secret,
}

impl App {
    /// The id, as in `/apps/{id}`. Also the prefix of the app's rows.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public key, as in `/app/{key}`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The secret that both sides sign with.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Whether `key` is this app's, in constant time.
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        self.key.as_bytes().ct_eq(key.as_bytes()).into()
    }
}

/// The apps of a deployment: at least one; ids are unique and so are keys. Cheap to clone.
#[derive(Clone)]
pub struct Apps(Arc<[App]>);

impl Apps {
    /// Reads `[{"id":"1001","key":"…","secret":"…"}]`.
    ///
    /// # Errors
    /// A sentence for the operator, which never repeats the text (it holds secrets).
    pub fn parse(json: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Entry {
            id: String,
            key: String,
            secret: Secret,
        }
        let entries: Vec<Entry> = serde_json::from_str(json).map_err(|error| {
            format!(
                "is not a JSON list of {{id, key, secret}} (line {}, column {})",
                error.line(),
                error.column()
            )
        })?;
        if entries.is_empty() {
            return Err("names no app".to_owned());
        }
        let mut apps: Vec<App> = Vec::with_capacity(entries.len());
        for Entry { id, key, secret } in entries {
            if !is_identifier(&id) || !is_identifier(&key) {
                return Err(format!(
                    "app {}: id and key are 1 to 64 of A-Z a-z 0-9 _ -",
                    apps.len() + 1
                ));
            }
            if secret.as_bytes().is_empty() {
                return Err(format!("app {id}: the secret is empty"));
            }
            if apps.iter().any(|other| other.id == id || other.key == key) {
                return Err(format!("app {id}: id or key is used twice"));
            }
            apps.push(App { id, key, secret });
        }
        Ok(Self(apps.into()))
    }

    /// The app with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&App> {
        self.0.iter().find(|app| app.id == id)
    }

    /// The app with this key.
    #[must_use]
    pub fn by_key(&self, key: &str) -> Option<&App> {
        self.0.iter().find(|app| app.has_key(key))
    }
}

/// Ids and keys stand in paths and in the table's keys, where `/` separates.
fn is_identifier(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> String {
        Apps::parse(json).map(|_| ()).expect_err("must be refused")
    }

    #[test]
    fn apps_are_found_by_id_and_by_key() {
        let apps =
            Apps::parse(r#"[{"id":"1","key":"a","secret":"s"},{"id":"2","key":"b","secret":"t"}]"#)
                .expect("two apps");
        assert_eq!(apps.by_id("2").map(App::key), Some("b"));
        assert_eq!(apps.by_key("a").map(App::id), Some("1"));
        assert!(
            apps.by_key("A").is_none() && apps.by_id("3").is_none() && apps.by_key("").is_none()
        );
    }

    #[test]
    fn a_bad_list_is_explained_without_repeating_it() {
        for (json, said) in [
            ("{}", "JSON list"),
            ("[]", "names no app"),
            (r#"[{"id":"1","key":"a"}]"#, "JSON list"),
            (r#"[{"id":"1/2","key":"a","secret":"s3cret"}]"#, "A-Z"),
            (r#"[{"id":"1","key":"","secret":"s3cret"}]"#, "A-Z"),
            (r#"[{"id":"1","key":"a","secret":""}]"#, "empty"),
            (
                r#"[{"id":"1","key":"a","secret":"s3cret"},{"id":"2","key":"a","secret":"s3cret"}]"#,
                "twice",
            ),
        ] {
            let problem = problem(json);
            assert!(problem.contains(said), "{json}: {problem}");
            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }
}

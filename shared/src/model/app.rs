//! Applications: an id, a public key, a secret and settings each.

use std::fmt;
use std::sync::Arc;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use crate::model::fields::Fields;
use crate::model::secret::{Secret, Secrets};
use crate::model::settings::{self, Settings};
use crate::model::webhook::Webhook;

/// One app, as configured.
#[derive(Clone)]
pub struct App {
    id: String,
    key: String,
    secrets: Secrets,
    settings: Settings,
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

    /// What both sides sign with. What is signed with the one before is good, too.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// What it has switched on, and its limits.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether `key` is this app's, in constant time.
    #[must_use]
    pub fn has_key(&self, key: &str) -> bool {
        self.key.as_bytes().ct_eq(key.as_bytes()).into()
    }
}

/// The apps of a deployment: ids are unique and so are keys. Cheap to clone.
#[derive(Clone)]
pub struct Apps(Arc<[App]>);

/// Apps as JSON: a list of them, or one by itself.
struct OneOrMore(Vec<Map<String, Value>>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Both;
        impl<'de> Visitor<'de> for Both {
            type Value = OneOrMore;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("apps")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OneOrMore, A::Error> {
                Deserialize::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMore)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMore, A::Error> {
                let one = Deserialize::deserialize(MapAccessDeserializer::new(map))?;
                Ok(OneOrMore(vec![one]))
            }
        }
        deserializer.deserialize_any(Both)
    }
}

impl Apps {
    /// None: those of a system that has not been told its apps yet.
    #[must_use]
    pub(crate) fn none() -> Self {
        Self(Arc::new([]))
    }

    /// Reads `[{"id":"1001","key":"…","secret":"…"}]`, with [`Settings`] beside these three, or one
    /// such app by itself. Where a secret takes another's place, the other is `previous_secret`.
    ///
    /// # Errors
    /// All that is wrong, for the operator. No value is repeated but ids: some are secrets.
    pub fn parse(json: &str) -> Result<Self, String> {
        let OneOrMore(entries) = serde_json::from_str(json).map_err(|error| {
            format!(
                "is not a JSON list of {{id, key, secret}} (line {}, column {})",
                error.line(),
                error.column()
            )
        })?;
        if entries.is_empty() {
            return Err("names no app".to_owned());
        }
        let mut problems = Vec::new();
        let mut apps: Vec<App> = Vec::with_capacity(entries.len());
        for fields in entries {
            let mut fields = Fields {
                of: format!("app {}", apps.len() + 1),
                fields,
                problems: &mut problems,
            };
            let secret = fields.text("secret");
            if secret.is_empty() {
                fields.problem("the secret is empty");
            }
            let previous = fields.optional_text("previous_secret");
            let still_good = Some(previous).filter(|previous| !previous.is_empty());
            let app = App {
                id: fields.identifier("id"),
                key: fields.identifier("key"),
                secrets: Secrets::new(Secret::new(secret), still_good.map(Secret::new)),
                settings: settings::read(&mut fields),
            };
            fields.refuse_others();
            if apps
                .iter()
                .any(|other| other.id == app.id || other.key == app.key)
            {
                fields.problem("id or key is used twice");
            }
            apps.push(app);
        }
        if problems.is_empty() {
            Ok(Self(apps.into()))
        } else {
            Err(problems.join("; "))
        }
    }

    /// The app with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&App> {
        self.0.iter().find(|app| app.id == id)
    }

    /// Whether any webhook is sent encrypted.
    #[must_use]
    pub fn have_encrypted_webhooks(&self) -> bool {
        self.0
            .iter()
            .flat_map(|app| &app.settings.webhooks)
            .any(Webhook::is_encrypted)
    }

    /// The ids of the apps that have webhooks which anybody on their way could read.
    pub fn with_plain_webhooks(&self) -> impl Iterator<Item = &str> {
        let plain = |app: &&App| {
            let webhooks = &app.settings.webhooks;
            webhooks.iter().any(|webhook| !webhook.is_encrypted())
        };
        self.0.iter().filter(plain).map(App::id)
    }

    /// The app, if there is but one.
    #[must_use]
    pub fn only(&self) -> Option<&App> {
        match &*self.0 {
            [app] => Some(app),
            _ => None,
        }
    }

    /// The app with this key.
    #[must_use]
    pub fn by_key(&self, key: &str) -> Option<&App> {
        self.0.iter().find(|app| app.has_key(key))
    }
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
    fn an_app_by_itself_is_a_list_of_one_and_may_have_had_another_secret() {
        let apps = Apps::parse(r#"{"id":"1","key":"a","secret":"s","previous_secret":"r"}"#);
        let apps = apps.expect("an app");
        let app = apps.only().expect("one");
        let is = |text: &str| {
            let secrets = app.secrets();
            secrets.any(|secret| secret.as_bytes().ct_eq(text.as_bytes()))
        };
        assert!(is("s") && is("r") && !is("") && !is("t"));
        assert_eq!(app.secrets().current().as_bytes(), b"s");
    }

    #[test]
    fn a_bad_list_is_explained_without_repeating_it() {
        for (json, said) in [
            ("{}", "id is missing"),
            ("7", "JSON list"),
            ("[7]", "JSON list"),
            ("[]", "names no app"),
            (r#"[{"id":"1","key":"a"}]"#, "secret is missing"),
            (
                r#"[{"id":"1","key":"a","secret":"s3cret","clientEvents":true}]"#,
                "no setting clientEvents",
            ),
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

    #[test]
    fn settings_have_pushers_defaults_and_every_problem_is_named() {
        let apps = Apps::parse(
            r#"[{"id":"1","key":"a","secret":"s"},{"id":"2","key":"b","secret":"t","client_events":true,"max_presence_members":7}]"#,
        )
        .expect("two apps");
        let settings = |id: &str| apps.by_id(id).expect("an app").settings().clone();
        assert_eq!(settings("1"), Settings::default());
        assert!(settings("2").client_events);
        assert_eq!(settings("2").max_presence_members, 7);
        let problem = problem(
            r#"[{"id":"","key":"a/b","secret":"s3cret","client_events":1,"watchlist":"yes","max_event_bytes":0,
                "max_presence_members":-1,"allowed_origins":["example.com"],"cache_seconds":"1"}]"#,
        );
        for name in [
            "id is 1 to 64",
            "key is 1 to 64",
            "client_events",
            "watchlist",
            "max_event_bytes",
            "max_presence_members",
            "allowed_origins",
            "cache_seconds",
        ] {
            assert!(problem.contains(name), "{name}: {problem}");
        }
    }
}

//! Apps, as arguments or a file name them. The functions check them; here they are passed on.

use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::model::app::Apps;

use super::choices::WebhooksTo;

/// An app of the command line. The functions check it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppArg {
    /// The id.
    pub id: String,
    /// The key.
    pub key: String,
    /// The secret: a local one, which the banner prints.
    pub secret: String,
    /// Its optional features.
    #[serde(flatten)]
    pub features: Features,
}

/// The features of an app that are off unless they are switched on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Features {
    client_events: bool,
    subscription_count: bool,
    watchlist: bool,
}

impl Features {
    /// Every feature: the default app's.
    pub const ALL: Self = Self {
        client_events: true,
        subscription_count: true,
        watchlist: true,
    };
}

impl FromStr for AppArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(id), Some(key), Some(secret)) => Ok(Self {
                id,
                key,
                secret,
                features: Features::default(),
            }),
            _ => Err("an app is ID:KEY:SECRET".to_owned()),
        }
    }
}

impl AppArg {
    /// Reads the apps from the functions' variable, and ignores further fields.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn list(json: &str) -> Result<Vec<Self>, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }
}

/// The apps in a file, on one line.
pub(super) fn apps_in(file: &Path, to: WebhooksTo) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let apps = Apps::parse(&text)?;
    if to == WebhooksTo::Public
        && let Some(id) = apps.with_plain_webhooks().next()
    {
        return Err(format!("app {id}: the url of a webhook is not https"));
    }
    let apps: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    Ok(apps.to_string())
}

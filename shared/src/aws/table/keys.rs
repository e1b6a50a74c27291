//! What the rows of a channel and of a user are keyed by.

use crate::model::channel::Channel;

/// A channel of an app: what a channel's rows are keyed by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChannelKey {
    /// The app's id.
    pub app_id: String,
    /// The channel.
    pub channel: Channel,
}

impl ChannelKey {
    /// The channel `channel` of the app `app_id`.
    #[must_use]
    pub fn new(app_id: &str, channel: &Channel) -> Self {
        Self {
            app_id: app_id.to_owned(),
            channel: channel.clone(),
        }
    }
}

/// A user of an app: what a user's rows are keyed by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserKey {
    /// The app's id.
    pub app_id: String,
    /// The user's id.
    pub user_id: String,
}

impl UserKey {
    /// The user `user_id` of the app `app_id`.
    #[must_use]
    pub fn new(app_id: &str, user_id: &str) -> Self {
        Self {
            app_id: app_id.to_owned(),
            user_id: user_id.to_owned(),
        }
    }
}

/// A key of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnceKey {
    /// The app's id.
    pub app_id: String,
    /// The digest of its key.
    pub key: String,
}

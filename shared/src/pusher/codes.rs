//! What a rejection is in the protocol's codes.

use crate::model::error::Rejection;

/// Where a code lies says what a client will do when it is greeted with it: 4000 to 4099 stay
/// away, 4100 to 4199 come back after a second, 4200 to 4299 come back at once. From 4300 on a
/// code is only ever a notice in a frame. ("Pusher Channels protocol")
mod code {
    pub(super) const APP_UNKNOWN: u16 = 4001;
    pub(super) const PROTOCOL_UNSUPPORTED: u16 = 4007;
    pub(super) const PROTOCOL_MISSING: u16 = 4008;
    pub(super) const UNAUTHORIZED: u16 = 4009;
    pub(super) const COME_BACK: u16 = 4200;
    pub(super) const CLIENT_EVENT_REJECTED: u16 = 4301;
    pub(super) const WATCHLIST_CUT: u16 = 4302;
}

impl Rejection {
    /// The protocol's code, for those that have one. The others leave a client as it is.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "a rejection has no code unless the protocol gives it one"
        )]
        match self {
            Self::UnknownKey => Some(code::APP_UNKNOWN),
            Self::ProtocolUnsupported => Some(code::PROTOCOL_UNSUPPORTED),
            Self::ProtocolMissing => Some(code::PROTOCOL_MISSING),
            Self::TokenRefused
            | Self::NotConnected
            | Self::OriginRefused
            | Self::AuthorizationOverdue
            | Self::SigninAuth
            | Self::UserData
            | Self::UserId
            | Self::UserInfo
            | Self::SigninTwice
            | Self::Terminated => Some(code::UNAUTHORIZED),
            Self::ClientEventsDisabled
            | Self::ClientEventChannel(_)
            | Self::ClientEventUnsubscribed(_)
            | Self::ClientEventRate { .. }
            | Self::ClientEvent(_) => Some(code::CLIENT_EVENT_REJECTED),
            Self::WatchlistCut => Some(code::WATCHLIST_CUT),
            _ => None,
        }
    }

    /// The code that a connection is closed with, for this reason or for none that its client could
    /// mend: then it is to come back at once.
    #[must_use]
    pub fn close_code(reason: Option<&Self>) -> u16 {
        reason.and_then(Self::code).unwrap_or(code::COME_BACK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_lies_where_its_effect_is() {
        // Whoever is greeted with one of these must not come back by itself.
        for rejection in [
            Rejection::UnknownKey,
            Rejection::ProtocolMissing,
            Rejection::ProtocolUnsupported,
            Rejection::TokenRefused,
            Rejection::OriginRefused,
            Rejection::SigninTwice,
            Rejection::UserInfo,
            Rejection::Terminated,
        ] {
            assert!(matches!(rejection.code(), Some(4000..=4099)), "{rejection}");
        }
        assert_eq!(Rejection::ClientEventsDisabled.code(), Some(4301));
        assert_eq!(Rejection::ChannelName.code(), None);
    }
}

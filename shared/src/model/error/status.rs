//! What a rejection is in the protocol's codes and in HTTP's statuses.

use super::Rejection;

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

/// What a rejection is about, which decides its HTTP status.
enum About {
    Request,
    Authentication,
    Permission,
    Absence,
    Conflict,
    Size,
    Mismatch,
    Rate,
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

    /// The HTTP status: 400, 401, 403, 404, 409, 413, 422 or 429. A refused subscription carries it, too.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.about() {
            About::Request => 400,
            About::Authentication => 401,
            About::Permission => 403,
            About::Absence => 404,
            About::Conflict => 409,
            About::Size => 413,
            About::Mismatch => 422,
            About::Rate => 429,
        }
    }

    /// When it would not be refused any more, in seconds, where that is known.
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u64> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "time mends no other")]
        match self {
            Self::PollTooSoon { retry_after_secs } => Some(*retry_after_secs),
            _ => None,
        }
    }

    fn about(&self) -> About {
        match self {
            Self::ChannelName
            | Self::ChannelReserved
            | Self::ChannelPattern
            | Self::SocketId
            | Self::ProtocolMissing
            | Self::ProtocolUnsupported
            | Self::Frame(_)
            | Self::FrameData { .. }
            | Self::EventUnknown(_)
            | Self::ClientEvent(_)
            | Self::ClientEventChannel(_)
            | Self::ClientEventUnsubscribed(_)
            | Self::ClientEventRate { .. }
            | Self::UserData
            | Self::WatchlistCut
            | Self::ChannelData
            | Self::PresenceUser
            | Self::PresenceFull { .. }
            | Self::PresenceTooLarge
            | Self::TooManySubscriptions { .. }
            | Self::SubscribeAfter
            | Self::QueryDuplicate(_)
            | Self::Body(_)
            | Self::EventName
            | Self::EventReserved
            | Self::PublishTargets
            | Self::PublishChannels
            | Self::ChannelNamed { .. }
            | Self::EventDataUtf8
            | Self::AppUnnamed
            | Self::BatchSize
            | Self::IdempotencyKey
            | Self::IdempotencyKeys
            | Self::UserCount
            | Self::ListTooLong
            | Self::UsersOfPresence
            | Self::ChannelPrefix
            | Self::TokenTtl
            | Self::TokenReconnect
            | Self::TokenChannels
            | Self::UserId
            | Self::UserInfo
            | Self::UserInfoAlone
            | Self::PollChannels
            | Self::PollAfter
            | Self::PollWait
            | Self::SessionNumber
            | Self::SessionFrames(_) => About::Request,
            Self::BatchEvent { problem, .. } => problem.about(),
            Self::TokenRefused
            | Self::NotConnected
            | Self::AuthorizationOverdue
            | Self::SigninAuth
            | Self::SigninTwice
            | Self::Terminated
            | Self::UserChannel
            | Self::AuthMissing
            | Self::AuthInvalid
            | Self::AuthParameterMissing(_)
            | Self::AuthVersion
            | Self::AuthTimestamp
            | Self::AuthExpired { .. }
            | Self::AuthKey
            | Self::AuthSignature
            | Self::BodyDigest
            | Self::CursorRefused => About::Authentication,
            Self::ClientEventsDisabled
            | Self::OriginRefused
            | Self::WrongAddress
            | Self::PollPrivate(_)
            | Self::LogOff => About::Permission,
            Self::UnknownKey | Self::UnknownApp | Self::NotFound => About::Absence,
            Self::IdempotencyUnderWay => About::Conflict,
            Self::IdempotencyOther => About::Mismatch,
            Self::PollTooSoon { .. } => About::Rate,
            Self::FrameTooLong
            | Self::QueryTooLong
            | Self::BodyTooLong { .. }
            | Self::EventDataTooLong { .. } => About::Size,
        }
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

    #[test]
    fn a_status_says_whose_turn_it_is() {
        assert_eq!(Rejection::ChannelName.status(), 400);
        assert_eq!(Rejection::AuthSignature.status(), 401);
        assert_eq!(Rejection::UnknownApp.status(), 404);
        assert_eq!(Rejection::EventDataTooLong { max_bytes: 1 }.status(), 413);
    }
}

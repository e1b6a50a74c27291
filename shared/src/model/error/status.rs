//! What a rejection is in HTTP's statuses.

use super::rejection::Rejection;

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
    fn a_status_says_whose_turn_it_is() {
        assert_eq!(Rejection::ChannelName.status(), 400);
        assert_eq!(Rejection::AuthSignature.status(), 401);
        assert_eq!(Rejection::UnknownApp.status(), 404);
        assert_eq!(Rejection::EventDataTooLong { max_bytes: 1 }.status(), 413);
    }
}

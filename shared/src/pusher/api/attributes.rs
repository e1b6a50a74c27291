//! What a call asks to be told about a channel.

/// The attributes in an `info`. Names that are not known are passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// How many users are on a presence channel.
    pub user_count: bool,
    /// How many connections are on it.
    pub subscription_count: bool,
    /// The event that a cache channel keeps.
    pub cache: bool,
}

impl Attributes {
    /// Reads `user_count,subscription_count`.
    #[must_use]
    pub fn parse(info: &str) -> Self {
        let mut attributes = Self::default();
        for name in info.split(',') {
            match name.trim() {
                "user_count" => attributes.user_count = true,
                "subscription_count" => attributes.subscription_count = true,
                "cache" => attributes.cache = true,
                _ => {}
            }
        }
        attributes
    }

    /// The same for what is published, where asking for nothing is not asking.
    pub(crate) fn asked(info: Option<&str>) -> Option<Self> {
        info.filter(|info| !info.is_empty()).map(Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_known_by_their_names() {
        let both = Attributes {
            user_count: true,
            subscription_count: true,
            cache: false,
        };
        assert_eq!(Attributes::parse("user_count,subscription_count"), both);
        assert_eq!(
            Attributes::parse(" subscription_count, user_count,x,"),
            both
        );
        assert_eq!(Attributes::parse("User_Count"), Attributes::default());
        assert_eq!(Attributes::asked(Some("")), None);
        assert_eq!(Attributes::asked(Some("x")), Some(Attributes::default()));
    }
}

//! What a call asks to be told about a channel.

use crate::model::call::Attributes;

/// Reads `user_count,subscription_count`. Names that are not known are passed over.
pub(super) fn parse(info: &str) -> Attributes {
    let mut attributes = Attributes::default();
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
pub(super) fn asked(info: Option<&str>) -> Option<Attributes> {
    info.filter(|info| !info.is_empty()).map(parse)
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
        assert_eq!(parse("user_count,subscription_count"), both);
        assert_eq!(parse(" subscription_count, user_count,x,"), both);
        assert_eq!(parse("User_Count"), Attributes::default());
        assert_eq!(asked(Some("")), None);
        assert_eq!(asked(Some("x")), Some(Attributes::default()));
    }
}

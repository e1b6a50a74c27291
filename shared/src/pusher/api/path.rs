//! The path of a call, which is not always what its sender signed: server SDKs sign names as they
//! are and leave it to their HTTP client to escape them, and API Gateway's HTTP API hands on a path
//! that it has unescaped.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a path need not escape, as JavaScript's `encodeURIComponent` has it.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// What a path may hold without being escaped (RFC 3986, `pchar`): all that a channel's name can.
const PATH: &AsciiSet = &COMPONENT
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// A path as it may have been signed, and the same as it was then sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form<'a> {
    /// What the signature would be over.
    pub(crate) signed: Cow<'a, str>,
    /// What to read: escaped, once.
    pub(crate) sent: Cow<'a, str>,
}

/// All that the path of a request may have been signed as: as it came, unescaped, and escaped in
/// either way that is usual. For a path with nothing to escape these are one.
pub(crate) fn forms(came: &str) -> impl Iterator<Item = Form<'_>> {
    let as_it_came = Form {
        signed: came.into(),
        sent: came.into(),
    };
    let unescaped = percent_decode_str(came)
        .decode_utf8()
        .ok()
        .map(|signed| Form {
            signed,
            sent: came.into(),
        });
    let escaped = [COMPONENT, PATH].map(|set| {
        let signed: Cow<'_, str> = utf8_percent_encode(came, set).into();
        Form {
            sent: signed.clone(),
            signed,
        }
    });
    let others = unescaped.into_iter().chain(escaped);
    let others = others.filter(move |form| form.signed != came);
    std::iter::once(as_it_came).chain(others)
}

/// The segments of a path that begins with `/`, each unescaped. `None`: one is not UTF-8.
pub(super) fn segments(sent: &str) -> Option<Vec<Cow<'_, str>>> {
    let segments = sent.strip_prefix('/')?.split('/');
    segments
        .map(|segment| percent_decode_str(segment).decode_utf8().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_as(came: &str) -> Vec<(String, String)> {
        forms(came)
            .map(|form| (form.signed.into_owned(), form.sent.into_owned()))
            .collect()
    }

    fn pair(signed: &str, sent: &str) -> (String, String) {
        (signed.to_owned(), sent.to_owned())
    }

    #[test]
    fn a_plain_path_has_one_form() {
        let path = "/apps/1001/channels/presence-a_b.c";
        assert_eq!(signed_as(path), [pair(path, path)]);
    }

    #[test]
    fn what_was_signed_is_found_whether_the_gateway_unescapes_or_not() {
        let (plain, escaped) = ("/users/jos\u{e9}", "/users/jos%C3%A9");
        // It does not: signed as it is by an SDK, or escaped by somebody more careful.
        assert!(signed_as(escaped).contains(&pair(plain, escaped)));
        assert!(signed_as(escaped).contains(&pair(escaped, escaped)));
        // It does.
        assert!(signed_as(plain).contains(&pair(plain, plain)));
        assert!(signed_as(plain).contains(&pair(escaped, escaped)));
        let of_user = signed_as("/channels/#server-to-user-a@b");
        let escaped = "/channels/%23server-to-user-a%40b";
        assert!(of_user.contains(&pair(escaped, escaped)));
        let escaped = "/channels/%23server-to-user-a@b";
        assert!(of_user.contains(&pair(escaped, escaped)));
    }

    #[test]
    fn a_segment_is_unescaped_once_and_stays_one() {
        let read = |path: &str| {
            let segments = segments(path).expect(path);
            segments
                .into_iter()
                .map(Cow::into_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            read("/channels/a%2Fusers/x%2541"),
            ["channels", "a/users", "x%41"]
        );
        assert_eq!(read("/"), [""]);
        assert_eq!(segments("/%ff"), None);
        assert_eq!(segments("channels"), None);
        // Each form is read as what it was signed for.
        for (came, name) in [("/a%2541", "a%41"), ("/a%41", "aA")] {
            let sent = forms(came).next().expect("one").sent.into_owned();
            assert_eq!(read(&sent), [name]);
        }
    }
}

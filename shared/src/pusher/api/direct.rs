//! A publication from inside AWS: the body of `POST …/events`, with the app named in it. Who may
//! make one is IAM's to say, so it has no signature.

use serde::Deserialize;

use super::publish;
use crate::model::app::{App, Apps};
use crate::model::call::Call;
use crate::model::error::Rejection;
use crate::model::event::read_object;
use crate::model::limits::HTTP_BODY_MAX_BYTES;

/// What a function was invoked with.
#[derive(Clone, Copy, Debug)]
pub struct Direct<'a> {
    /// The body, with `app_id` beside the fields of an event.
    pub body: &'a [u8],
    /// The event that it came in: its idempotency key, unless it has one of its own.
    pub event_id: Option<&'a str>,
}

impl Direct<'_> {
    /// Reads what is to be published, and for which app: the one that it names, or the only one
    /// there is.
    ///
    /// # Errors
    /// [`Rejection::AppUnnamed`], [`Rejection::UnknownApp`], or the first rule that it breaks.
    pub fn parse<'a>(&self, apps: &'a Apps) -> Result<(&'a App, Call), Rejection> {
        #[derive(Deserialize)]
        struct Named {
            app_id: Option<String>,
        }
        let named: Named = read_object(self.body, HTTP_BODY_MAX_BYTES)?;
        let app = match named.app_id {
            Some(id) => apps.by_id(&id).ok_or(Rejection::UnknownApp)?,
            None => apps.only().ok_or(Rejection::AppUnnamed)?,
        };
        let request = publish::of_event(self.body, self.event_id, app.settings())?;
        Ok((app, Call::Publish(request)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(apps: &str, body: &str, event_id: Option<&str>) -> Result<(String, bool), Rejection> {
        let apps = Apps::parse(apps).expect("apps");
        let body = body.as_bytes();
        let (app, call) = Direct { body, event_id }.parse(&apps)?;
        let Call::Publish(request) = call else {
            panic!("{call:?}")
        };
        Ok((app.id().to_owned(), request.idempotency.is_some()))
    }

    const ONE: &str = r#"[{"id":"1","key":"a","secret":"s"}]"#;
    const TWO: &str = r#"[{"id":"1","key":"a","secret":"s"},{"id":"2","key":"b","secret":"t"}]"#;

    #[test]
    fn the_app_is_the_one_that_is_named_or_the_only_one() {
        let (of_any, of_two) = (
            r#"{"name":"e","data":"","channel":"a"}"#,
            r#"{"app_id":"2","name":"e","data":"","channel":"a"}"#,
        );
        assert_eq!(parse(ONE, of_any, None), Ok(("1".to_owned(), false)));
        assert_eq!(parse(TWO, of_two, None), Ok(("2".to_owned(), false)));
        assert_eq!(parse(TWO, of_any, None), Err(Rejection::AppUnnamed));
        assert_eq!(parse(ONE, of_two, None), Err(Rejection::UnknownApp));
        for body in ["", "[]", "7", "{}", r#"{"app_id":1}"#, r#"{"app_id":"1"}"#] {
            assert!(
                matches!(parse(ONE, body, None), Err(Rejection::Body(_))),
                "{body}"
            );
        }
    }

    #[test]
    fn an_event_happens_once() {
        let body = r#"{"name":"e","data":"","channel":"a"}"#;
        let own = r#"{"name":"e","data":"","channel":"a","idempotency_key":"k"}"#;
        assert_eq!(parse(ONE, body, Some("id")), Ok(("1".to_owned(), true)));
        // Its own key says more than the event that it happened to come in.
        assert_eq!(parse(ONE, own, Some("id")), Ok(("1".to_owned(), true)));
        let refused = parse(ONE, body, Some("no key"));
        assert_eq!(refused, Err(Rejection::IdempotencyKey));
    }
}

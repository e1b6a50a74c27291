//! What `publisher` is invoked with: a request of the HTTP API, or a publication from inside AWS, as
//! it is or as the detail of an event of EventBridge. They are told apart by their shape.

use lambda_http::request::LambdaRequest;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use shared::pusher::api::Direct;

/// An invocation. No `Debug`: a request's query holds its signature.
pub enum Invocation {
    /// A request.
    Request(Box<LambdaRequest>),
    /// A publication. IAM has decided who may make one.
    Publication(Publication),
}

/// A publication as it came.
pub struct Publication {
    body: Box<RawValue>,
    event_id: Option<String>,
}

impl Publication {
    /// What is to be published.
    #[must_use]
    pub fn direct(&self) -> Direct<'_> {
        Direct {
            body: self.body.get().as_bytes(),
            event_id: self.event_id.as_deref(),
        }
    }
}

/// What tells them apart.
#[derive(Default, Deserialize)]
struct Shape {
    #[serde(rename = "requestContext")]
    request: Option<IgnoredAny>,
    #[serde(rename = "detail-type")]
    event: Option<IgnoredAny>,
}

/// An event of EventBridge, as far as it is read.
#[derive(Deserialize)]
struct BusEvent {
    id: String,
    detail: Box<RawValue>,
}

impl<'de> Deserialize<'de> for Invocation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let body = Box::<RawValue>::deserialize(deserializer)?;
        // What has no shape at all is refused as a publication is that is none.
        let shape: Shape = serde_json::from_str(body.get()).unwrap_or_default();
        if shape.request.is_some() {
            let request = serde_json::from_str(body.get()).map_err(D::Error::custom)?;
            return Ok(Self::Request(Box::new(request)));
        }
        Ok(Self::Publication(if shape.event.is_some() {
            let event: BusEvent = serde_json::from_str(body.get()).map_err(D::Error::custom)?;
            Publication {
                body: event.detail,
                event_id: Some(event.id),
            }
        } else {
            Publication {
                body,
                event_id: None,
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str) -> Invocation {
        let path = format!("{}/../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("it is there");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[test]
    fn an_invocation_is_known_by_its_shape() {
        assert!(matches!(event("publisher"), Invocation::Request(_)));
        let Invocation::Publication(direct) = event("publisher-direct-invocation") else {
            panic!("a publication")
        };
        assert_eq!(direct.direct().event_id, None);
        let Invocation::Publication(from_bus) = event("publisher-event-bridge") else {
            panic!("a publication")
        };
        let id = "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa";
        assert_eq!(from_bus.direct().event_id, Some(id));
        assert!(from_bus.direct().body.starts_with(b"{"));
        for text in ["{}", "[]", "null", "7", r#""text""#] {
            let other: Invocation = serde_json::from_str(text).expect(text);
            assert!(matches!(other, Invocation::Publication(_)), "{text}");
        }
    }
}

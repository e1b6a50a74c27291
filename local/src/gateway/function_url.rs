//! Function URLs with streamed responses: a request becomes an event, and each chunk from the
//! function goes to the client at once.

use std::collections::HashMap;
use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, StatusCode, header, request};
use serde::Deserialize;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::state::Gateway;
use crate::events::http::{self as http_event, HttpContext};
use crate::host::invocation::{Broken, Chunk, FunctionResponse, Outcome};
use crate::serving::responses::message;
use crate::time::Time;

/// What stands between the prelude and the body.
const DELIMITER: [u8; 8] = [0; 8];
/// A prelude that is longer is none.
const PRELUDE_MAX_BYTES: usize = 131_072;

/// What comes before the body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prelude {
    status_code: u16,
    #[serde(default)]
    headers: HashMap<String, Values>,
    #[serde(default)]
    cookies: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

/// Calls a function by its URL.
pub(crate) async fn call(
    gateway: Gateway,
    function: &'static str,
    peer: SocketAddr,
    parts: request::Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Too Large");
        }
        Err(_) => return message(StatusCode::BAD_REQUEST, "Bad Request"),
    };
    let context = HttpContext {
        route: None,
        request_id: &Uuid::now_v7().to_string(),
        at: Time::now(),
        domain: &gateway.domain,
        source_ip: &peer.ip().to_string(),
    };
    let event = http_event::event(&context, &parts, &body).to_string();
    match gateway.host.begin(function, event.into()).await {
        FunctionResponse::Stream(chunks) => answer(chunks)
            .await
            .unwrap_or_else(|| message(StatusCode::BAD_GATEWAY, "Internal Server Error")),
        FunctionResponse::Whole(Outcome::Throttled) => {
            message(StatusCode::TOO_MANY_REQUESTS, "Rate Exceeded.")
        }
        // What is no stream has no prelude.
        FunctionResponse::Whole(Outcome::Answered(_) | Outcome::Failed(_)) => {
            message(StatusCode::BAD_GATEWAY, "Internal Server Error")
        }
    }
}

/// What a function streams, as an answer. `None`: it does not say what it is.
async fn answer(mut chunks: mpsc::Receiver<Chunk>) -> Option<Response> {
    let mut begun = Vec::new();
    let prelude_bytes = loop {
        let found = begun
            .windows(DELIMITER.len())
            .position(|bytes| bytes == DELIMITER);
        if let Some(length) = found {
            break length;
        }
        if begun.len() > PRELUDE_MAX_BYTES {
            return None;
        }
        begun.extend_from_slice(&chunks.recv().await?.ok()?);
    };
    let rest = Bytes::from(begun.split_off(prelude_bytes + DELIMITER.len()));
    let prelude: Prelude = serde_json::from_slice(&begun[..prelude_bytes]).ok()?;
    let (status, headers) = prelude.parts()?;
    let first = stream::iter((!rest.is_empty()).then_some(Ok::<_, Broken>(rest)));
    let others = stream::unfold(chunks, |mut chunks| async move {
        Some((chunks.recv().await?, chunks))
    });
    let mut answer = Response::new(Body::from_stream(first.chain(others)));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Some(answer)
}

impl Prelude {
    fn parts(self) -> Option<(StatusCode, HeaderMap)> {
        let mut headers = HeaderMap::new();
        for (name, values) in self.headers {
            let name: HeaderName = name.parse().ok()?;
            let values = match values {
                Values::One(value) => vec![value],
                Values::Many(values) => values,
            };
            for value in values {
                headers.append(name.clone(), value.parse().ok()?);
            }
        }
        for cookie in self.cookies {
            headers.append(header::SET_COOKIE, cookie.parse().ok()?);
        }
        // Its length is that of what is sent.
        headers.remove(header::CONTENT_LENGTH);
        Some((StatusCode::from_u16(self.status_code).ok()?, headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sent(
        chunks: &[&'static [u8]],
        is_whole: bool,
    ) -> Option<(u16, String, Option<Vec<u8>>)> {
        let (sender, receiver) = mpsc::channel(chunks.len() + 1);
        for chunk in chunks {
            let chunk = Bytes::from_static(chunk);
            sender.send(Ok(chunk)).await.expect("it is taken");
        }
        if !is_whole {
            sender.send(Err(Broken)).await.expect("it is taken");
        }
        drop(sender);
        let answer = answer(receiver).await?;
        let status = answer.status().as_u16();
        let content_type = answer.headers()["content-type"]
            .to_str()
            .expect("text")
            .to_owned();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
        Some((status, content_type, body.ok().map(|body| body.to_vec())))
    }

    #[tokio::test]
    async fn a_prelude_may_come_in_any_pieces() {
        let prelude =
            br#"{"statusCode":201,"headers":{"content-type":"a/b","x":["1","2"]},"cookies":[]}"#;
        let expected = Some((201, "a/b".to_owned(), Some(b"hi".to_vec())));
        assert_eq!(sent(&[prelude, &[0; 8], b"h", b"i"], true).await, expected);
        assert_eq!(sent(&[prelude, &[0; 5], b"\0\0\0hi"], true).await, expected);
        let cut = sent(&[prelude, &[0; 8], b"h"], false).await;
        assert_eq!(cut, Some((201, "a/b".to_owned(), None)));
        assert_eq!(sent(&[prelude], true).await, None);
        assert_eq!(sent(&[b"{}", &[0; 8]], true).await, None);
    }
}

//! The event of an HTTP API in payload format 2.0, and the response to it.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, StatusCode, request};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::headers::{header, query_pairs, text};
use crate::account::{ACCOUNT_ID, API_ID};
use crate::time::Time;

/// The route that a request has taken.
#[derive(Clone, Debug)]
pub struct Route {
    /// The function that it leads to.
    pub function: &'static str,
    /// `POST /apps/{app_id}/events`.
    pub key: String,
    /// The parameters in the path.
    pub parameters: HashMap<String, String>,
}

/// What the HTTP API, or a function URL, adds to a request.
#[derive(Clone, Debug)]
pub struct HttpContext<'a> {
    /// Its route in the HTTP API; `None` for a function URL.
    pub route: Option<&'a Route>,
    /// Names the request.
    pub request_id: &'a str,
    /// When it came.
    pub at: Time,
    /// `host:port` of the gateway.
    pub domain: &'a str,
    /// The client's address.
    pub source_ip: &'a str,
}

/// The event of an HTTP request, payload format 2.0.
#[must_use]
pub fn event(context: &HttpContext<'_>, parts: &request::Parts, body: &[u8]) -> Value {
    // An HTTP API unescapes the path; a function URL does not.
    let path = match context.route {
        Some(_) => percent_decode_str(parts.uri.path()).decode_utf8_lossy(),
        None => parts.uri.path().into(),
    };
    let key = context.route.map_or("$default", |route| &route.key);
    let query = parts.uri.query().unwrap_or_default();
    let mut headers = Map::new();
    for name in parts.headers.keys() {
        let values: Vec<String> = parts.headers.get_all(name).iter().map(text).collect();
        headers.insert(name.to_string(), json!(values.join(",")));
    }
    let mut parameters = Map::new();
    for (name, value) in query_pairs(query) {
        match parameters.get_mut(&name) {
            Some(Value::String(values)) => {
                values.push(',');
                values.push_str(&value);
            }
            Some(_) | None => {
                parameters.insert(name, json!(value));
            }
        }
    }
    let user_agent = header(&parts.headers, http::header::USER_AGENT);
    let mut event = json!({
        "version": "2.0",
        "routeKey": key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": API_ID,
            "domainName": context.domain,
            "domainPrefix": context.domain.split('.').next(),
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": context.source_ip,
                "userAgent": user_agent,
            },
            "requestId": context.request_id,
            "routeKey": key,
            "stage": "$default",
            "time": context.at.text(),
            "timeEpoch": context.at.epoch_ms,
        },
        "isBase64Encoded": false,
    });
    if let Some(route) = context.route {
        event["pathParameters"] = json!(route.parameters);
    }
    if !parameters.is_empty() {
        event["queryStringParameters"] = Value::Object(parameters);
    }
    if !body.is_empty() {
        match std::str::from_utf8(body) {
            Ok(body) if is_text(&parts.headers) => event["body"] = json!(body),
            Ok(_) | Err(_) => {
                event["body"] = json!(STANDARD.encode(body));
                event["isBase64Encoded"] = json!(true);
            }
        }
    }
    event
}

/// Whether the HTTP API passes a body of this type as text.
fn is_text(headers: &HeaderMap) -> bool {
    let content_type = header(headers, http::header::CONTENT_TYPE).to_ascii_lowercase();
    content_type.starts_with("text/")
        || [
            "application/json",
            "application/javascript",
            "application/xml",
        ]
        .iter()
        .any(|text| content_type.starts_with(text))
}

/// A function's response to an HTTP request, payload format 2.0.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpResponse {
    /// The status.
    pub status_code: u16,
    #[serde(default)]
    headers: std::collections::HashMap<String, String>,
    #[serde(default)]
    multi_value_headers: std::collections::HashMap<String, Vec<String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    #[serde(default)]
    cookies: Vec<String>,
}

impl HttpResponse {
    /// The status, the headers and the body. `None`: it cannot be sent.
    #[must_use]
    pub fn parts(self) -> Option<(StatusCode, HeaderMap, Vec<u8>)> {
        let status = StatusCode::from_u16(self.status_code).ok()?;
        let mut headers = HeaderMap::new();
        let single = self
            .headers
            .into_iter()
            .map(|(name, value)| (name, vec![value]));
        let cookies = self
            .cookies
            .into_iter()
            .map(|cookie| ("set-cookie".to_owned(), vec![cookie]));
        for (name, values) in self
            .multi_value_headers
            .into_iter()
            .chain(single)
            .chain(cookies)
        {
            let name: HeaderName = name.parse().ok()?;
            if name != http::header::SET_COOKIE && headers.contains_key(&name) {
                continue;
            }
            for value in values {
                headers.append(name.clone(), value.parse().ok()?);
            }
        }
        let body = self.body.unwrap_or_default();
        let body = if self.is_base64_encoded {
            STANDARD.decode(body).ok()?
        } else {
            body.into_bytes()
        };
        Some((status, headers, body))
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::shape;
    use super::*;

    #[test]
    fn a_body_is_text_when_it_says_so_and_is() {
        let of = |content_type: &str, body: &[u8]| {
            let request = request::Builder::new()
                .uri("/apps/1/%23events?a=1&a=2&b=%23")
                .header("content-type", content_type)
                .body(());
            let (parts, ()) = request.expect("a request").into_parts();
            let context = HttpContext {
                route: Some(&Route {
                    function: "f",
                    key: "r".to_owned(),
                    parameters: HashMap::from([("a".to_owned(), "b".to_owned())]),
                }),
                request_id: "r",
                at: Time { epoch_ms: 0 },
                domain: "d",
                source_ip: "i",
            };
            event(&context, &parts, body)
        };
        let event = of("application/json; charset=utf-8", b"{}");
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!("{}"), &json!(false))
        );
        assert_eq!(event["rawPath"], "/apps/1/#events");
        assert_eq!(event["rawQueryString"], "a=1&a=2&b=%23");
        assert_eq!(event["queryStringParameters"]["a"], "1,2");
        assert_eq!(event["pathParameters"], json!({ "a": "b" }));
        assert_eq!(of("application/json", b"\xff")["body"], "/w==");
        assert_eq!(
            of("application/octet-stream", b"{}")["isBase64Encoded"],
            true
        );
        assert!(of("text/plain", b"").get("body").is_none());
        let recorded = include_str!("../../../events/publisher.json");
        let recorded = serde_json::from_str(recorded).expect("JSON");
        assert_eq!(shape(&event), shape(&recorded));
    }

    #[test]
    fn a_response_keeps_its_status_headers_and_body() {
        let response = json!({
            "statusCode": 201, "headers": { "content-type": "a/b", "x-a": "1" }, "multiValueHeaders": { "x-a": ["1", "2"] },
            "body": "aGk=", "isBase64Encoded": true, "cookies": ["c=d"],
        });
        let response: HttpResponse = serde_json::from_value(response).expect("a response");
        let (status, headers, body) = response.parts().expect("sendable");
        assert_eq!(
            (
                status.as_u16(),
                body.as_slice(),
                headers.get_all("x-a").iter().count()
            ),
            (201, b"hi".as_slice(), 2)
        );
        assert_eq!(headers["set-cookie"], "c=d");
    }
}

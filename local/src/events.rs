//! The events that API Gateway hands to a function, and the responses it takes back. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The account in every event.
const ACCOUNT_ID: &str = "123456789012";
/// The API's id in every event.
const API_ID: &str = "local";

/// A point in time in the two forms of an event.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// Unix milliseconds.
    pub epoch_ms: u64,
}

impl Time {
    /// `24/Nov/2026:01:02:03 +0000`.
    fn text(self) -> String {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let (year, month, day) = civil(self.epoch_ms / 86_400_000);
        let secs = self.epoch_ms / 1_000 % 86_400;
        let month = MONTHS[month - 1];
        format!(
            "{day:02}/{month}/{year}:{:02}:{:02}:{:02} +0000",
            secs / 3_600,
            secs / 60 % 60,
            secs % 60
        )
    }

    /// `2026-11-24T01:02:03.000Z`.
    #[must_use]
    pub fn iso8601(self) -> String {
        let (year, month, day) = civil(self.epoch_ms / 86_400_000);
        let (secs, ms) = (self.epoch_ms / 1_000 % 86_400, self.epoch_ms % 1_000);
        format!(
            "{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z",
            secs / 3_600,
            secs / 60 % 60,
            secs % 60
        )
    }
}

/// The date of a day since the epoch: year, month (from 1), day (from 1).
fn civil(days: u64) -> (u64, usize, u64) {
    let leap = |year: u64| {
        (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
    };
    let (mut year, mut left) = (1970, days);
    while left >= if leap(year) { 366 } else { 365 } {
        left -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

/// A header's value as text, byte for byte.
fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// One header as text; empty when absent.
#[must_use]
pub fn header(headers: &HeaderMap, name: HeaderName) -> String {
    headers.get(name).map(text).unwrap_or_default()
}

/// A segment of a path, decoded.
#[must_use]
pub fn decode(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

fn query_pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

/// What every WebSocket event says of its connection.
#[derive(Clone, Debug)]
pub struct ConnectionContext {
    /// The connection.
    pub id: String,
    /// When it was opened.
    pub connected_at: Time,
    /// `host:port` of the gateway.
    pub domain: String,
    /// The stage.
    pub stage: &'static str,
    /// The client's address.
    pub source_ip: String,
    /// What the client calls itself.
    pub user_agent: String,
}

impl ConnectionContext {
    fn request_context(
        &self,
        route_key: &str,
        event_type: &str,
        request_id: &str,
        at: Time,
    ) -> Map<String, Value> {
        [
            ("routeKey", json!(route_key)),
            ("eventType", json!(event_type)),
            ("extendedRequestId", json!(request_id)),
            ("requestTime", json!(at.text())),
            ("messageDirection", json!("IN")),
            ("stage", json!(self.stage)),
            ("connectedAt", json!(self.connected_at.epoch_ms)),
            ("requestTimeEpoch", json!(at.epoch_ms)),
            (
                "identity",
                json!({ "sourceIp": self.source_ip, "userAgent": self.user_agent }),
            ),
            ("requestId", json!(request_id)),
            ("domainName", json!(self.domain)),
            ("connectionId", json!(self.id)),
            ("apiId", json!(API_ID)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
    }

    /// The event of `$connect`. What the path says stands in the query and overrides what the
    /// client's own query says under those names, as CloudFront's function does it.
    #[must_use]
    pub fn connect(
        &self,
        request_id: &str,
        at: Time,
        headers: &HeaderMap,
        query: &str,
        of_path: &[(&str, String)],
    ) -> Value {
        let mut pairs = query_pairs(query);
        pairs.retain(|(name, _)| of_path.iter().all(|(of_path, _)| name != of_path));
        pairs.extend(
            of_path
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        let (mut single, mut multiple) = (Map::new(), Map::<String, Value>::new());
        for (name, value) in pairs {
            // The last one counts where there is room for one only.
            single.insert(name.clone(), json!(value));
            if let Value::Array(values) = multiple.entry(name).or_insert_with(|| json!([])) {
                values.push(json!(value));
            }
        }
        let (mut headers_single, mut headers_multiple) = (Map::new(), Map::new());
        for name in headers.keys() {
            let values: Vec<String> = headers.get_all(name).iter().map(text).collect();
            headers_single.insert(name.to_string(), json!(values.last()));
            headers_multiple.insert(name.to_string(), json!(values));
        }
        json!({
            "headers": headers_single,
            "multiValueHeaders": headers_multiple,
            "queryStringParameters": single,
            "multiValueQueryStringParameters": multiple,
            "requestContext": self.request_context("$connect", "CONNECT", request_id, at),
            "isBase64Encoded": false,
        })
    }

    /// The event of a text frame.
    #[must_use]
    pub fn message(&self, request_id: &str, at: Time, body: &str) -> Value {
        let mut context = self.request_context("$default", "MESSAGE", request_id, at);
        context.insert("messageId".to_owned(), json!(request_id));
        json!({ "requestContext": context, "body": body, "isBase64Encoded": false })
    }

    /// The event of a connection's end.
    #[must_use]
    pub fn disconnect(&self, request_id: &str, at: Time, code: u16, reason: &str) -> Value {
        let mut context = self.request_context("$disconnect", "DISCONNECT", request_id, at);
        context.insert("disconnectStatusCode".to_owned(), json!(code));
        context.insert("disconnectReason".to_owned(), json!(reason));
        let headers = json!({ "Host": self.domain, "x-api-key": "", "X-Forwarded-For": "" });
        let multiple = json!({ "Host": [self.domain], "x-api-key": [""], "X-Forwarded-For": [""] });
        json!({ "headers": headers, "multiValueHeaders": multiple, "requestContext": context, "isBase64Encoded": false })
    }
}

/// What the HTTP API adds to a request.
#[derive(Clone, Debug)]
pub struct HttpContext<'a> {
    /// `POST /apps/{app_id}/events`.
    pub route_key: &'a str,
    /// The route's parameters.
    pub path_parameters: Vec<(&'static str, String)>,
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
pub fn http(context: &HttpContext<'_>, parts: &request::Parts, body: &[u8]) -> Value {
    let path = parts.uri.path();
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
    let path_parameters: Map<String, Value> = context
        .path_parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let user_agent = header(&parts.headers, http::header::USER_AGENT);
    let mut event = json!({
        "version": "2.0",
        "routeKey": context.route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "pathParameters": path_parameters,
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
            "routeKey": context.route_key,
            "stage": "$default",
            "time": context.at.text(),
            "timeEpoch": context.at.epoch_ms,
        },
        "isBase64Encoded": false,
    });
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

/// Whether the HTTP API hands a body of this type on as text.
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
    use super::*;

    fn context() -> ConnectionContext {
        ConnectionContext {
            id: "L0SM9cOFvHcCIhw=".to_owned(),
            connected_at: Time { epoch_ms: 1 },
            domain: "127.0.0.1:1".to_owned(),
            stage: "live",
            source_ip: "127.0.0.1".to_owned(),
            user_agent: String::new(),
        }
    }

    #[test]
    fn times_are_written_as_api_gateway_writes_them() {
        for (epoch_ms, text, iso) in [
            (0, "01/Jan/1970:00:00:00 +0000", "1970-01-01T00:00:00.000Z"),
            (
                951_782_400_000,
                "29/Feb/2000:00:00:00 +0000",
                "2000-02-29T00:00:00.000Z",
            ),
            (
                1_795_482_123_456,
                "23/Nov/2026:20:22:03 +0000",
                "2026-11-23T20:22:03.456Z",
            ),
            (
                4_107_542_399_000,
                "28/Feb/2100:23:59:59 +0000",
                "2100-02-28T23:59:59.000Z",
            ),
        ] {
            let time = Time { epoch_ms };
            assert_eq!((time.text().as_str(), time.iso8601().as_str()), (text, iso));
        }
    }

    #[test]
    fn the_path_overrides_the_query_and_the_rest_passes() {
        let query = "protocol=7&app_key=forged&a=1&a=2&token=x";
        let event = context().connect(
            "r",
            Time { epoch_ms: 2 },
            &HeaderMap::new(),
            query,
            &[("app_key", "key".to_owned())],
        );
        assert_eq!(
            event["queryStringParameters"],
            json!({ "protocol": "7", "a": "2", "token": "x", "app_key": "key" })
        );
        assert_eq!(
            event["multiValueQueryStringParameters"]["a"],
            json!(["1", "2"])
        );
        assert_eq!(event["requestContext"]["eventType"], "CONNECT");
    }

    #[test]
    fn a_body_is_text_when_it_says_so_and_is() {
        let of = |content_type: &str, body: &[u8]| {
            let request = request::Builder::new()
                .uri("/apps/1/events?a=1&a=2")
                .header("content-type", content_type)
                .body(());
            let (parts, ()) = request.expect("a request").into_parts();
            let context = HttpContext {
                route_key: "r",
                path_parameters: vec![],
                request_id: "r",
                at: Time { epoch_ms: 0 },
                domain: "d",
                source_ip: "i",
            };
            http(&context, &parts, body)
        };
        let event = of("application/json; charset=utf-8", b"{}");
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!("{}"), &json!(false))
        );
        assert_eq!(event["queryStringParameters"]["a"], "1,2");
        assert_eq!(of("application/json", b"\xff")["body"], "/w==");
        assert_eq!(
            of("application/octet-stream", b"{}")["isBase64Encoded"],
            true
        );
        assert!(of("text/plain", b"").get("body").is_none());
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

//! The events of the WebSocket API: `$connect`, `$default`, `$disconnect`.

use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::headers::{query_pairs, text};
use crate::account::API_ID;
use crate::time::Time;

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

    /// The event of `$connect`. Parameters of the path replace those of the same name in the client's
    /// query, as CloudFront's function does it.
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
            // Where an event has room for one value, the last one counts.
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
        let headers =
            json!({ "Host": self.domain, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": "" });
        let multiple = json!({ "Host": [self.domain], "x-api-key": [""], "X-Forwarded-For": [""], "x-restapi": [""] });
        json!({ "headers": headers, "multiValueHeaders": multiple, "requestContext": context, "isBase64Encoded": false })
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::shape;
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
    fn each_event_has_the_shape_of_a_recorded_one() {
        let at = Time { epoch_ms: 2 };
        let of_path = [("app_key", "key".to_owned())];
        for (made, recorded) in [
            (
                context().connect("r", at, &HeaderMap::new(), "protocol=7", &of_path),
                include_str!("../../../events/connect.json"),
            ),
            (
                context().message("r", at, "{}"),
                include_str!("../../../events/message-ping.json"),
            ),
            (
                context().disconnect("r", at, 1001, "Going away"),
                include_str!("../../../events/disconnect.json"),
            ),
        ] {
            let recorded = serde_json::from_str(recorded).expect("JSON");
            assert_eq!(shape(&made), shape(&recorded));
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
}

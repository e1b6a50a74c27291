//! A function's request to AWS, and what the proxy recognises of it before it forwards it.

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::batch;
use super::rules::{Effect, Fault};
use crate::serving::responses::json;

/// A request from a function to AWS.
#[derive(Clone, Debug)]
pub(super) struct AwsCall {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The service that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Table,
    Queue,
    /// `@connections`, or the Invoke API.
    Other,
}

/// What headers and body say of a request.
pub(super) struct Recognised {
    pub(super) service: Service,
    pub(super) operation: String,
    pub(super) effect: Effect,
    pub(super) target: String,
    /// Whether a read asks for the latest.
    pub(super) consistent: bool,
}

impl Recognised {
    /// Recognises a request. A request to DynamoDB is changed so that the answer tells its cost.
    pub(super) fn of(call: &mut AwsCall) -> Self {
        let target = call.headers.get("x-amz-target");
        let named = target.and_then(|target| target.to_str().ok()?.split_once('.'));
        if let Some((service, operation)) = named {
            let (of_queue, operation) = (service == "AmazonSQS", operation.to_owned());
            return if of_queue {
                Self::of_queue(operation, call)
            } else {
                Self::of_table(operation, call)
            };
        }
        let connection = call.path.split_once("/@connections/");
        let (name, target) = match (&call.method, connection) {
            (&Method::POST, Some((_, id))) => ("PostToConnection", id),
            (&Method::GET, Some((_, id))) => ("GetConnection", id),
            (&Method::DELETE, Some((_, id))) => ("DeleteConnection", id),
            _ => ("Invoke", call.path.as_str()),
        };
        Self {
            service: Service::Other,
            operation: name.to_owned(),
            effect: Effect::Other,
            target: target.replace("%3D", "="),
            consistent: false,
        }
    }

    fn of_queue(operation: String, call: &AwsCall) -> Self {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let url = body["QueueUrl"].as_str().unwrap_or_default();
        let name = url.rsplit('/').next().unwrap_or_default();
        Self {
            service: Service::Queue,
            operation,
            effect: Effect::Other,
            target: name.to_owned(),
            consistent: false,
        }
    }

    fn of_table(operation: String, call: &mut AwsCall) -> Self {
        let effect = match operation.as_str() {
            "GetItem" | "Query" | "Scan" | "BatchGetItem" | "TransactGetItems" => Effect::Read,
            _ => Effect::Write,
        };
        let mut body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let partition = [
            "/Key/pk/S",
            "/Item/pk/S",
            "/ExpressionAttributeValues/:pk/S",
        ]
        .into_iter()
        .find_map(|pointer| body.pointer(pointer)?.as_str());
        let partition = partition.or_else(|| batch::first_partition(&body));
        let index = body["IndexName"]
            .as_str()
            .map(|name| format!("index/{name}"));
        let target = index
            .or_else(|| batch::parts(&body))
            .unwrap_or_else(|| partition.unwrap_or_default().to_owned());
        let consistent = body["ConsistentRead"] == true || batch::is_consistent(&body);
        if let Value::Object(fields) = &mut body {
            fields.insert("ReturnConsumedCapacity".to_owned(), json!("TOTAL"));
            call.body = body.to_string().into();
        }
        Self {
            service: Service::Table,
            operation,
            effect,
            target,
            consistent,
        }
    }
}

/// The capacity units that DynamoDB reports in an answer.
pub(super) fn capacity_units(answer: &[u8]) -> f64 {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    // A batch answers with a list of them.
    let consumed = &answer["ConsumedCapacity"];
    let one = std::slice::from_ref(consumed);
    let all = consumed.as_array().map_or(one, Vec::as_slice);
    all.iter()
        .filter_map(|consumed| consumed["CapacityUnits"].as_f64())
        .sum()
}

/// A refusal in the words of the service that would make it.
pub(super) fn refuse(fault: Fault, service: Service) -> Response {
    let (status, name) = match (fault, service) {
        (Fault::Throttle, Service::Table) => (400, "ThrottlingException"),
        (Fault::Throttle, Service::Queue) => (400, "RequestThrottled"),
        (Fault::Throttle, Service::Other) => (429, "LimitExceededException"),
        (Fault::Conflict, _) => (400, "TransactionConflictException"),
        (Fault::Gone, _) => (410, "GoneException"),
        (_, Service::Table) => (500, "InternalServerError"),
        (_, Service::Queue) => (500, "InternalFailure"),
        (_, Service::Other) => (500, "InternalServerErrorException"),
    };
    let status = StatusCode::from_u16(status).unwrap_or_default();
    let body = json!({
        "__type": format!("com.amazonaws#{name}"),
        "message": "a fault was asked for",
    });
    let mut response = json(status, &body);
    let name = HeaderValue::from_static(name);
    response.headers_mut().insert("x-amzn-errortype", name);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(target: Option<&'static str>, path: &str, body: &Value) -> (String, String) {
        let mut headers = HeaderMap::new();
        headers.extend(target.map(|target| {
            let name = http::HeaderName::from_static("x-amz-target");
            (name, HeaderValue::from_static(target))
        }));
        let known = Recognised::of(&mut AwsCall {
            method: Method::POST,
            path: path.to_owned(),
            headers,
            body: body.to_string().into(),
        });
        (known.operation, known.target)
    }

    #[test]
    fn a_request_is_known_by_its_operation_and_its_target() {
        for (target, path, body, operation, about) in [
            (
                Some("DynamoDB_20120810.PutItem"),
                "/",
                json!({ "Item": { "pk": { "S": "conn/a" } } }),
                "PutItem",
                "conn/a",
            ),
            (
                Some("DynamoDB_20120810.Query"),
                "/",
                json!({ "IndexName": "due", "ExpressionAttributeValues": { ":pk": { "S": "7" } } }),
                "Query",
                "index/due",
            ),
            (
                Some("AmazonSQS.SendMessage"),
                "/",
                json!({ "QueueUrl": "http://h/f/e/123456789012/later" }),
                "SendMessage",
                "later",
            ),
            (
                None,
                "/live/@connections/a%3D",
                json!({}),
                "PostToConnection",
                "a=",
            ),
            (
                None,
                "/f/invocations",
                json!({}),
                "Invoke",
                "/f/invocations",
            ),
        ] {
            let expected = (operation.to_owned(), about.to_owned());
            assert_eq!(known(target, path, &body), expected);
        }
    }
}

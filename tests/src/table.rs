//! The embedded table, read and written through DynamoDB's own API, without any code of the project.

use serde_json::{Value, json};

use crate::system::System;

/// A way into a running system's table.
pub struct Table<'a> {
    system: &'a System,
    endpoint: String,
    name: String,
}

impl System {
    /// The table.
    #[must_use]
    pub fn table(&self) -> Table<'_> {
        Table {
            system: self,
            endpoint: self.variable("AWS_ENDPOINT_URL_DYNAMODB"),
            name: self.variable("TABLE_NAME"),
        }
    }
}

impl Table<'_> {
    /// Makes a call of DynamoDB's API, which must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub async fn call(&self, operation: &str, mut body: Value) -> Value {
        body["TableName"] = json!(self.name);
        let request = dynamodb_request(self.system, &self.endpoint, operation, &body);
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{operation}: {status} {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// The rows whose partition key begins so, attributes as plain values.
    ///
    /// # Panics
    /// When there are more than fit one answer.
    pub async fn rows(&self, prefix: &str) -> Vec<Value> {
        let scan = json!({
            "ConsistentRead": true,
            "FilterExpression": "begins_with(pk, :prefix)",
            "ExpressionAttributeValues": { ":prefix": { "S": prefix } },
        });
        let found = self.call("Scan", scan).await;
        assert!(found.get("LastEvaluatedKey").is_none(), "too many rows");
        let rows = found["Items"].as_array().expect("rows").iter();
        rows.map(plain).collect()
    }

    /// Deletes all rows.
    pub async fn clear(&self) {
        for row in self.rows("").await {
            let key = json!({ "pk": typed(&row["pk"]), "sk": typed(&row["sk"]) });
            self.call("DeleteItem", json!({ "Key": key })).await;
        }
    }

    /// Puts a row of strings and numbers.
    pub async fn put(&self, row: &Value) {
        let item: serde_json::Map<String, Value> = row
            .as_object()
            .expect("an object")
            .iter()
            .map(|(name, value)| (name.clone(), typed(value)))
            .collect();
        self.call("PutItem", json!({ "Item": item })).await;
    }
}

impl Table<'_> {
    /// Puts many rows, each an item in DynamoDB's own form.
    ///
    /// # Panics
    /// When some are not taken.
    pub async fn put_all(&self, items: Vec<Value>) {
        for some in items.chunks(25) {
            let puts: Vec<Value> = some
                .iter()
                .map(|item| json!({ "PutRequest": { "Item": item } }))
                .collect();
            let body = json!({ "RequestItems": { self.name.clone(): puts } });
            let request = dynamodb_request(self.system, &self.endpoint, "BatchWriteItem", &body);
            let answer = request.send().await.expect("an answer");
            let text = answer.text().await.expect("a body");
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            let left = answer["UnprocessedItems"].as_object();
            assert!(left.is_some_and(serde_json::Map::is_empty), "{text}");
        }
    }
}

/// A call of DynamoDB's API. Whose signature it has nobody checks here.
pub(crate) fn dynamodb_request(
    system: &System,
    endpoint: &str,
    operation: &str,
    body: &Value,
) -> reqwest::RequestBuilder {
    system
        .client()
        .post(endpoint)
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260101T000000Z")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
        )
        .body(body.to_string())
}

fn typed(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::Bool(_) => json!({ "BOOL": value }),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            json!({ "S": value })
        }
    }
}

fn plain(row: &Value) -> Value {
    let attributes = row.as_object().expect("a row").iter();
    attributes
        .map(|(name, typed)| {
            let value = match typed.as_object().and_then(|typed| typed.iter().next()) {
                Some((kind, value)) if kind == "N" => value
                    .as_str()
                    .and_then(|number| number.parse().ok())
                    .expect("a number"),
                Some((_, value)) => value.clone(),
                None => panic!("no value: {typed}"),
            };
            (name.clone(), value)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

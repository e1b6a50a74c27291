//! Batches and transactions, as the proxy looks into them: `BatchGetItem`, `BatchWriteItem` and
//! `TransactWriteItems` on one table, and `SendMessageBatch`.

use serde_json::{Value, json};

/// The rows that a batch is about, as its body lists them.
fn rows(body: &Value) -> Option<&Vec<Value>> {
    let of_table = body["RequestItems"].as_object()?.values().next()?;
    of_table.as_array().or_else(|| of_table["Keys"].as_array())
}

/// The partition of a batch's first row.
pub(super) fn first_partition(body: &Value) -> Option<&str> {
    let row = rows(body)?.first()?;
    ["/pk/S", "/PutRequest/Item/pk/S", "/DeleteRequest/Key/pk/S"]
        .into_iter()
        .find_map(|pointer| row.pointer(pointer)?.as_str())
}

/// What a transaction does and where: `ConditionCheck chan/1001/a, Update subs/1001/a/0`.
pub(super) fn parts(body: &Value) -> Option<String> {
    let items = body["TransactItems"].as_array()?.iter();
    let parts = items.filter_map(|item| {
        let (action, of) = item.as_object()?.iter().next()?;
        let partition = ["/Key/pk/S", "/Item/pk/S"]
            .into_iter()
            .find_map(|pointer| of.pointer(pointer)?.as_str());
        Some(format!("{action} {}", partition?))
    });
    Some(parts.collect::<Vec<_>>().join(", "))
}

/// Whether a batch that reads asks for the latest.
pub(super) fn is_consistent(body: &Value) -> bool {
    let tables = body["RequestItems"].as_object();
    tables.is_some_and(|tables| tables.values().all(|of| of["ConsistentRead"] == true))
}

/// A batch as two: the first half of its rows, rounded down, if that is any; and the items of the
/// rest. `None`: it is no batch.
pub(super) fn halves(body: &[u8]) -> Option<(Option<Value>, Value)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    if let Some(entries) = body["Entries"].as_array() {
        let (first, rest) = entries.split_at(entries.len() / 2);
        let half = (!first.is_empty()).then(|| {
            let mut body = body.clone();
            body["Entries"] = json!(first);
            body
        });
        return Some((half, json!(rest)));
    }
    let rows = rows(&body)?;
    let (first, rest) = rows.split_at(rows.len() / 2);
    let with = |rows: &[Value]| {
        let mut body = body.clone();
        for of_table in body["RequestItems"].as_object_mut()?.values_mut() {
            if of_table.is_array() {
                *of_table = json!(rows);
            } else {
                of_table["Keys"] = json!(rows);
            }
        }
        Some(body)
    };
    let rest = with(rest)?["RequestItems"].take();
    let half = if first.is_empty() { None } else { with(first) };
    Some((half, rest))
}

/// An answer that hands items back.
pub(super) fn handing_back(mut answer: Value, items: Value) -> Value {
    if let Value::Array(entries) = &items {
        let failed = |entry: &Value| json!({ "Id": entry["Id"], "SenderFault": false, "Code": "InternalError" });
        let failed: Vec<Value> = entries.iter().map(failed).collect();
        let successful = answer["Successful"].as_array().cloned();
        return json!({ "Successful": successful.unwrap_or_default(), "Failed": failed });
    }
    let reads = items
        .as_object()
        .is_some_and(|tables| tables.values().all(Value::is_object));
    let name = if reads {
        "UnprocessedKeys"
    } else {
        "UnprocessedItems"
    };
    if let Value::Object(fields) = &mut answer {
        fields.insert(name.to_owned(), items);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pk: &str) -> Value {
        json!({ "pk": { "S": pk } })
    }

    #[test]
    fn a_batch_is_known_by_its_rows() {
        let read = json!({ "RequestItems": { "t": { "Keys": [key("a"), key("b")], "ConsistentRead": true } } });
        assert_eq!(first_partition(&read), Some("a"));
        assert!(is_consistent(&read));
        let write = json!({ "RequestItems": { "t": [{ "PutRequest": { "Item": key("a") } }, { "DeleteRequest": { "Key": key("b") } }] } });
        assert_eq!(first_partition(&write), Some("a"));
        assert!(!is_consistent(&write));
        for other in [json!({}), json!({ "Key": key("a") })] {
            assert_eq!(first_partition(&other), None);
            assert!(!is_consistent(&other) && halves(other.to_string().as_bytes()).is_none());
        }
    }

    #[test]
    fn a_transaction_is_known_by_its_parts() {
        let transaction = json!({ "TransactItems": [
            { "ConditionCheck": { "Key": key("a") } }, { "Put": { "Item": key("b") } },
        ] });
        assert_eq!(
            parts(&transaction).as_deref(),
            Some("ConditionCheck a, Put b")
        );
        assert_eq!(parts(&json!({ "Key": key("a") })), None);
    }

    #[test]
    fn half_of_a_batch_is_sent_on_and_the_rest_handed_back() {
        let batch = |rows: &[Value]| json!({ "RequestItems": { "t": rows } });
        let delete = |pk: &str| json!({ "DeleteRequest": { "Key": key(pk) } });
        let all = [delete("a"), delete("b"), delete("c")];
        let (half, rest) = halves(batch(&all).to_string().as_bytes()).expect("a batch");
        assert_eq!(half, Some(batch(&all[..1])));
        let answer = handing_back(json!({}), rest);
        assert_eq!(answer, json!({ "UnprocessedItems": { "t": &all[1..] } }));

        let entry = |id: &str| json!({ "Id": id, "MessageBody": "b" });
        let send = |entries: &[Value]| json!({ "QueueUrl": "u", "Entries": entries });
        let both = [entry("0"), entry("1")];
        let (half, rest) = halves(send(&both).to_string().as_bytes()).expect("a batch");
        assert_eq!(half, Some(send(&both[..1])));
        let answer = handing_back(json!({ "Successful": [{ "Id": "0" }] }), rest);
        assert_eq!(answer["Successful"], json!([{ "Id": "0" }]));
        assert_eq!(answer["Failed"][0]["Id"], "1");

        let read = |keys: &[Value]| json!({ "RequestItems": { "t": { "Keys": keys } } });
        let (half, rest) = halves(read(&[key("a")]).to_string().as_bytes()).expect("a batch");
        assert_eq!(half, None);
        let answer = handing_back(json!({ "Responses": {} }), rest);
        let expected =
            json!({ "Responses": {}, "UnprocessedKeys": { "t": { "Keys": [key("a")] } } });
        assert_eq!(answer, expected);
    }
}

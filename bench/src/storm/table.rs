//! The table, looked into from outside. This is the one place of the storm that knows how the system keeps its state:
//! which rows hang on a connection, and how its time is made to pass.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::model::socket_id::{ConnectionId, SocketId};

use super::history::Row;
use super::outside::Outside;
use super::record::unix_secs;
use crate::runtime::Problem;

/// Connections, by their socket ids.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) open: BTreeSet<String>,
    pub(crate) ended: BTreeSet<String>,
}

/// Seconds within which a client knows its socket id, or has given up.
const GREETED_SECS: u64 = 40;
/// Seconds within which a mark goes by itself.
const MARK_SECS: u64 = 900;

impl Outside {
    /// A call of DynamoDB's API, past the proxy.
    async fn table(&self, operation: &str, mut body: Value) -> Result<Value, Problem> {
        body["TableName"] = json!(self.table_name);
        let request = self
            .http
            .post(&self.table)
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-date", "20260101T000000Z")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=storm/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
            );
        let answer = request
            .body(body.to_string())
            .send()
            .await?
            .error_for_status()?;
        Ok(serde_json::from_str(&answer.text().await?)?)
    }

    /// All items of the table.
    async fn items(&self) -> Result<Vec<Value>, Problem> {
        let (mut items, mut start) = (Vec::new(), Value::Null);
        loop {
            let mut body = json!({});
            if start.is_object() {
                body["ExclusiveStartKey"] = start;
            }
            let mut page = self.table("Scan", body).await?;
            if let Value::Array(some) = page["Items"].take() {
                items.extend(some);
            }
            start = page["LastEvaluatedKey"].take();
            if !start.is_object() {
                return Ok(items);
            }
        }
    }

    /// The rows that belong to connections.
    pub(crate) async fn rows(&self) -> Result<Vec<Row>, Problem> {
        let items = self.items().await?;
        Ok(items
            .iter()
            .flat_map(|item| rows_of(item, unix_secs()))
            .collect())
    }

    /// Lets the time of connections pass that have ended, and of those that nobody knows any longer: what is due of
    /// them is due now. Gives how many there are.
    pub(crate) async fn age(&self, known: &Known) -> Result<usize, Problem> {
        let mut aged = 0;
        for item in self.items().await? {
            let Some(id) = text(&item, "pk").strip_prefix("conn/") else {
                continue;
            };
            if text(&item, "sk") != "conn" || item.get("due_shard").is_none() {
                continue;
            }
            let socket_id = socket_id(id);
            let connected_ms: u64 = item["connected_at"]["N"]
                .as_str()
                .and_then(|ms| ms.parse().ok())
                .unwrap_or(0);
            let is_new = connected_ms / 1_000 + GREETED_SECS > unix_secs();
            if known.open.contains(&socket_id) || (is_new && !known.ended.contains(&socket_id)) {
                continue;
            }
            let update = json!({
                "Key": { "pk": item["pk"], "sk": item["sk"] },
                "UpdateExpression": "SET due_at = :past, expires_at = :past",
                "ConditionExpression": "attribute_exists(due_shard)",
                "ExpressionAttributeValues": { ":past": { "N": "1" } },
            });
            // It may have been finished meanwhile.
            let _ = self.table("UpdateItem", update).await;
            aged += 1;
        }
        Ok(aged)
    }
}

fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name]["S"].as_str().unwrap_or_default()
}

fn socket_id(connection_id: &str) -> String {
    SocketId::of(&ConnectionId::new(connection_id.to_owned())).to_string()
}

/// The rows that an item stands for: one for each connection that it names.
fn rows_of(item: &Value, now_secs: u64) -> Vec<Row> {
    let (pk, sk) = (text(item, "pk"), text(item, "sk"));
    let ttl: Option<u64> = item["ttl"]["N"].as_str().and_then(|secs| secs.parse().ok());
    let goes =
        ttl.is_some_and(|secs| secs < now_secs + MARK_SECS) && item.get("due_shard").is_none();
    let row = |id: &str, mark: bool| Row {
        name: format!("{pk} {sk}"),
        socket_id: socket_id(id),
        mark,
    };
    let kind = pk.split('/').next().unwrap_or_default();
    match kind {
        "conn" => {
            let id = pk.trim_start_matches("conn/");
            let is_mark = item["closed"]["BOOL"] == true || item["left"]["BOOL"] == true;
            vec![row(id, goes && is_mark)]
        }
        "rate" => vec![row(pk.trim_start_matches("rate/"), goes)],
        // That a session is over is known for as long as it could be asked for.
        "out" => vec![row(
            pk.trim_start_matches("out/"),
            goes || ["!", "~"].contains(&sk),
        )],
        "watches" => vec![row(pk.trim_start_matches("watches/"), false)],
        "subs" | "watch" => vec![row(sk, false)],
        "memb" | "user" => {
            let names = item.as_object().into_iter().flat_map(|item| item.keys());
            let ids: BTreeSet<&str> = names
                .filter_map(|name| {
                    let asked = name
                        .strip_prefix("j/")
                        .and_then(|rest| rest.rsplit_once('/'));
                    name.strip_prefix("c/").or(asked.map(|(id, _)| id))
                })
                .collect();
            let mut rows: Vec<Row> = ids.into_iter().map(|id| row(id, false)).collect();
            rows.extend(unfinished(item));
            rows
        }
        _ => unfinished(item).into_iter().collect(),
    }
}

/// What is still to be finished on a channel, or of a user: once everything had its time, that is nobody's.
fn unfinished(item: &Value) -> Option<Row> {
    item.get("due_shard").map(|_| Row {
        name: format!(
            "{} {}, which is still due",
            text(item, "pk"),
            text(item, "sk")
        ),
        socket_id: String::new(),
        mark: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "L0SM9cOFvHcCIhw=";

    fn rows(item: &Value) -> Vec<(String, bool)> {
        let rows = rows_of(item, 1_000);
        rows.into_iter()
            .map(|row| (row.socket_id, row.mark))
            .collect()
    }

    #[test]
    fn a_row_is_known_by_the_connection_that_it_hangs_on() {
        let own = socket_id(ID);
        let key = |pk: &str, sk: &str| json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        assert_eq!(
            rows(&key(&format!("conn/{ID}"), "conn")),
            [(own.clone(), false)]
        );
        assert_eq!(rows(&key("subs/1001/a/0", ID)), [(own.clone(), false)]);
        assert_eq!(rows(&key("chan/1001/a", "chan")), []);
        let mut leased = key("chan/1001/a", "chan");
        leased["due_shard"] = json!({ "S": "1" });
        assert_eq!(rows(&leased), [(String::new(), false)]);
        let mut member = key("memb/1001/presence-a", "u");
        member[format!("c/{ID}")] = json!({ "M": {} });
        member[format!("j/{ID}/op")] = json!({ "BOOL": false });
        assert_eq!(rows(&member), [(own.clone(), false)]);
        let mut closed = key(&format!("conn/{ID}"), "conn");
        closed["closed"] = json!({ "BOOL": true });
        closed["ttl"] = json!({ "N": "1600" });
        assert_eq!(rows(&closed), [(own.clone(), true)]);
        closed["due_shard"] = json!({ "S": "1" });
        assert_eq!(rows(&closed), [(own, false)]);
    }
}

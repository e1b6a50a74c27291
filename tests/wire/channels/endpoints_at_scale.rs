//! The same questions about thousands of channels and members.

use serde_json::{Value, json};
use tests::System;

use super::endpoints::{CHANNELS, asked, channel};

/// The item of a channel of the default app, as its first subscriber leaves it.
fn item(name: &str, occupied: bool) -> Value {
    let mut item = json!({
        "pk": {"S": format!("chan/1001/{name}")}, "sk": {"S": "chan"},
        "serial": {"N": "1790000000000"}, "published_at": {"N": "1790000000000"},
        "subscribers": {"N": if occupied { "1" } else { "0" }},
        "members": {"N": "1"}, "ttl": {"N": "9999999999"},
    });
    if occupied {
        let shard = name.bytes().map(u32::from).sum::<u32>() % 8;
        item["occupied_shard"] = json!({"S": format!("1001/{shard}")});
    }
    item
}

#[tokio::test]
async fn ten_thousand_channels_and_members_are_told_in_one_answer() {
    /// What API Gateway waits for, and what Lambda answers.
    const PATIENCE_SECS: u64 = 29;
    const ANSWER_MAX_BYTES: usize = 6_000_000;
    let system = System::start_with(&["--faults", "--quiet"]);
    // Names as long as they may be.
    let name = |n: usize| format!("presence-{n:0>191}");
    let items = (0..10_000).map(|n| item(&name(n), true)).collect();
    system.table().put_all(items).await;
    for (parameters, one) in [
        (&[][..], json!({})),
        (
            &[
                ("info", "user_count,subscription_count"),
                ("filter_by_prefix", "presence-"),
            ][..],
            json!({"user_count": 1, "subscription_count": 1}),
        ),
    ] {
        system.faults().forget().await;
        let started = std::time::Instant::now();
        let body = asked(&system, CHANNELS, parameters).await;
        let elapsed = started.elapsed();
        println!("{} bytes after {elapsed:?}", body.len());
        assert!(elapsed.as_secs() < PATIENCE_SECS, "{elapsed:?}");
        // It is a string in the answer, where each quote takes two bytes.
        assert!(body.len() + body.matches('"').count() < ANSWER_MAX_BYTES);
        let listed: Value = serde_json::from_str(&body).expect("JSON");
        let channels = listed["channels"].as_object().expect("channels");
        assert_eq!(channels.len(), 10_000);
        assert!(channels.values().all(|told| *told == one));
        let made = system.faults().made().await;
        let reads = made.iter().filter(|made| made.function == "publisher");
        let units: f64 = reads.map(|made| made.capacity_units).sum();
        println!("{units} read units");
    }

    let members = (0..10_000).map(|n| {
        json!({
            "pk": {"S": "memb/1001/presence-lobby"}, "sk": {"S": format!("{n:05}")},
            "user": {"S": json!({"id": format!("{n:05}"), "info": {"name": "n".repeat(100)}}).to_string()},
            "announced": {"BOOL": true}, "v": {"N": "1"}, "ttl": {"N": "9999999999"},
            "c/L0SM9cOFvHcCIhw=": {"M": {"e": {"N": "9999999999"}, "a": {"N": "1"}}},
        })
    });
    system.table().put_all(members.collect()).await;
    let started = std::time::Instant::now();
    let body = asked(&system, &channel("presence-lobby/users"), &[]).await;
    let elapsed = started.elapsed();
    println!("{} bytes after {elapsed:?}", body.len());
    assert!(elapsed.as_secs() < PATIENCE_SECS, "{elapsed:?}");
    assert!(body.len() + body.matches('"').count() < ANSWER_MAX_BYTES);
    let told: Value = serde_json::from_str(&body).expect("JSON");
    let users = told["users"].as_array().expect("users");
    assert_eq!(users.len(), 10_000);
    assert_eq!(users[9_999], json!({"id": "09999"}));
}

#[tokio::test]
async fn a_list_costs_what_is_occupied_and_not_what_ever_was() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let mut items: Vec<Value> = (0..2_000)
        .map(|n| item(&format!("old-{n}"), false))
        .collect();
    items.push(item("orders", true));
    system.table().put_all(items).await;
    let listed = r#"{"channels":{"orders":{}}}"#;
    assert_eq!(asked(&system, CHANNELS, &[]).await, listed);
    let made = system.faults().made().await;
    let made: Vec<_> = made
        .iter()
        .filter(|made| made.function == "publisher")
        .collect();
    // One query for each partition, the least that one costs.
    assert_eq!(made.len(), 8);
    assert!(made.iter().all(|made| made.operation == "Query"));
    let units: f64 = made.iter().map(|made| made.capacity_units).sum();
    assert!(units <= 8.0 * 0.5, "{units}");
}

#[tokio::test]
async fn a_batch_that_is_read_by_half_is_read_to_its_end() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let items = (0..250).map(|n| item(&format!("c{n}"), true)).collect();
    system.table().put_all(items).await;
    let rule = json!([{"function": "publisher", "operation": "BatchGetItem", "fault": "partly", "times": 4}]);
    system.faults().set(rule).await;
    let body = asked(&system, CHANNELS, &[("info", "subscription_count")]).await;
    let listed: Value = serde_json::from_str(&body).expect("JSON");
    let channels = listed["channels"].as_object().expect("channels");
    assert_eq!(channels.len(), 250);
}

#[tokio::test]
async fn a_list_that_is_too_long_is_refused_and_says_what_to_do() {
    let system = System::start_with(&["--quiet"]);
    let name = |n: usize| format!("a{n:0>199}");
    let mut items: Vec<Value> = (0..19_000).map(|n| item(&name(n), true)).collect();
    items.push(item("orders", true));
    system.table().put_all(items).await;
    let refused = system.get(CHANNELS, &[]).await;
    assert_eq!(refused.status, 400, "{} bytes", refused.text.len());
    assert!(refused.text.contains("filter_by_prefix"), "{refused:?}");
    let listed = asked(&system, CHANNELS, &[("filter_by_prefix", "o")]).await;
    assert_eq!(listed, r#"{"channels":{"orders":{}}}"#);
}

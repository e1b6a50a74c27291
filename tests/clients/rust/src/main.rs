//! What the official SDK for Rust does, against the system whose `host:port` is in `HOST`. Somebody is
//! on `orders` twice, and on `presence-lobby` as 7 and, twice, as 8.

use std::collections::HashSet;

use pusher::{Pusher, PusherBuilder};
use serde_json::json;

fn query(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let host = std::env::var("HOST").expect("HOST");
    let pusher = PusherBuilder::new("1001", "local-key", "local-secret")
        .host(&host)
        .finalize();

    let answer = pusher.trigger("orders", "created", json!({"id": 1})).await;
    assert!(answer.expect("published").event_ids.is_none());
    pusher
        .trigger_multi(&["orders", "presence-lobby"], "many", "text")
        .await
        .expect("published");
    pusher
        .trigger_exclusive("orders", "exclusive", "text", "1.2")
        .await
        .expect("published");

    let list = pusher.channels().await.expect("channels").channels;
    let names: HashSet<&str> = list.keys().map(String::as_str).collect();
    assert_eq!(names, HashSet::from(["orders", "presence-lobby"]));
    assert!(list.values().all(|channel| channel.user_count.is_none()));
    let counted = query(&[("filter_by_prefix", "presence-"), ("info", "user_count")]);
    let list = pusher.channels_with_options(counted).await;
    let list = list.expect("channels").channels;
    assert_eq!(
        (list.len(), list["presence-lobby"].user_count),
        (1, Some(2))
    );

    let channel = pusher.channel("orders").await.expect("a channel");
    assert_eq!(
        (channel.occupied, channel.subscription_count),
        (Some(true), None)
    );
    let info = query(&[("info", "user_count,subscription_count")]);
    let channel = pusher.channel_with_options("presence-lobby", info.clone());
    let channel = channel.await.expect("a channel");
    assert_eq!(channel.occupied, Some(true));
    assert_eq!(
        (channel.user_count, channel.subscription_count),
        (Some(2), Some(3))
    );
    let nobody = pusher.channel("empty").await.expect("a channel");
    assert_eq!(nobody.occupied, Some(false));

    let users = pusher.channel_users("presence-lobby").await.expect("users");
    let users: Vec<&str> = users.users.iter().map(|user| user.id.as_str()).collect();
    assert_eq!(users, ["7", "8"]);

    refused(pusher.channel_users("orders").await, "400 Bad Request");
    refused(
        pusher.channel_with_options("orders", info).await,
        "400 Bad Request",
    );
    let stranger = PusherBuilder::new("1001", "local-key", "another-secret");
    let stranger: Pusher<_> = stranger.host(&host).finalize();
    refused(stranger.channels().await, "401 Unauthorized");
}

fn refused<T>(answer: Result<T, String>, status: &str) {
    let error = answer.err().expect("it is refused");
    assert!(error.starts_with(&format!("Error: {status}. ")), "{error}");
}

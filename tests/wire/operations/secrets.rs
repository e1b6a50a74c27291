//! Secrets from Secrets Manager that change while the system runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{
    App, PATIENCE, Reply, SecretsManager, Socket, System, hmac_hex, now_secs, signed_query_as,
};

const PATH: &str = "/apps/1001/events";

/// A system whose apps a store has, with more variables.
fn start(store: &SecretsManager, more: &[&str]) -> System {
    let endpoint = format!("AWS_ENDPOINT_URL_SECRETS_MANAGER={}", store.base);
    let variables = ["APPS=", "APPS_SECRET=apps", &endpoint];
    let variables = variables.iter().chain(more);
    // Each environment reads for itself: one of each function, so that what is read can be counted.
    let mut arguments = vec!["--concurrency", "1"];
    arguments.extend(variables.flat_map(|one| ["--env", one]));
    System::start_with(&arguments)
}

async fn publish(system: &System, path: &str, app: App<'_>) -> Reply {
    let body = json!({"name": "e", "channel": "c", "data": ""}).to_string();
    let query = signed_query_as(app, "POST", path, &[], body.as_bytes(), now_secs());
    let target = format!("{path}?{query}");
    system.request("POST", &target, body.into_bytes()).await
}

/// Publishes until it is answered so: what has changed is read again after a while.
async fn until(system: &System, path: &str, app: App<'_>, status: u16) -> Reply {
    let started = Instant::now();
    loop {
        let reply = publish(system, path, app).await;
        if reply.status == status {
            return reply;
        }
        assert!(started.elapsed() < PATIENCE, "{reply:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn subscribes(system: &System, secret: &str) -> Value {
    let mut socket = Socket::connect(system).await;
    let signature = hmac_hex(secret, &format!("{}:private-a", socket.socket_id));
    let subscribe = json!({"channel": "private-a", "auth": format!("local-key:{signature}")});
    socket.send_event("pusher:subscribe", subscribe).await;
    socket.frame().await["event"].clone()
}

#[tokio::test]
async fn a_new_secret_is_good_before_long_and_the_one_before_meanwhile() {
    let store = SecretsManager::start().await;
    // As the template has it made: one app by itself.
    let app = json!({"id": "1001", "key": "local-key", "secret": "old"});
    store.put(Some(&app));
    let system = start(&store, &["SECRET_AGE_SECONDS=1"]);
    let [old, new] = ["old", "new"].map(|secret| ("local-key", secret));
    assert_eq!(publish(&system, PATH, old).await.status, 200);
    assert_eq!(publish(&system, PATH, new).await.status, 401);
    let both = json!({"previous_secret": "old", "id": "1001", "key": "local-key", "secret": "new"});
    store.put(Some(&both));
    until(&system, PATH, new, 200).await;
    assert_eq!(publish(&system, PATH, old).await.status, 200);
    for secret in ["old", "new"] {
        let answer = subscribes(&system, secret).await;
        assert_eq!(answer, "pusher_internal:subscription_succeeded", "{secret}");
    }
    store.put(Some(
        &json!([{"id": "1001", "key": "local-key", "secret": "new"}]),
    ));
    until(&system, PATH, old, 401).await;
    assert_eq!(publish(&system, PATH, new).await.status, 200);
}

#[tokio::test]
async fn a_new_app_is_known_when_it_is_first_asked_for() {
    let store = SecretsManager::start().await;
    let app = |id: &str| json!({"id": id, "key": format!("key-{id}"), "secret": "s"});
    store.put(Some(&json!([app("1001")])));
    let system = start(&store, &[]);
    assert_eq!(publish(&system, PATH, ("key-1001", "s")).await.status, 200);
    let (path, two) = ("/apps/1002/events", ("key-1002", "s"));
    assert_eq!(publish(&system, path, two).await.status, 404);
    store.put(Some(&json!([app("1001"), app("1002")])));
    // Its secrets are good for five minutes more, but it is not what is known that is asked for.
    until(&system, path, two, 200).await;
    let reads = store.reads();
    assert_eq!(publish(&system, path, two).await.status, 200);
    assert_eq!(publish(&system, "/apps/1003/events", two).await.status, 404);
    assert_eq!(store.reads(), reads, "it was read a moment ago");
}

#[tokio::test]
async fn without_its_apps_nothing_is_done_and_with_those_it_had_everything() {
    let store = SecretsManager::start().await;
    let system = start(&store, &["SECRET_AGE_SECONDS=1"]);
    let app = ("local-key", "s3cret");
    assert_eq!(publish(&system, PATH, app).await.status, 500);
    assert!(
        Socket::open(&system, "/app/local-key?protocol=7")
            .await
            .is_err()
    );
    for value in [json!([]), json!({"id": "1001", "key": "local-key"})] {
        store.put(Some(&value));
        assert_eq!(publish(&system, PATH, app).await.status, 500);
    }
    store.put(Some(
        &json!({"id": "1001", "key": "local-key", "secret": "s3cret"}),
    ));
    assert_eq!(publish(&system, PATH, app).await.status, 200);
    let reads = store.reads();
    store.put(None);
    // It asks again, in vain, and goes on.
    let started = Instant::now();
    while store.reads() == reads {
        assert_eq!(publish(&system, PATH, app).await.status, 200);
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(publish(&system, PATH, app).await.status, 200);
    let log = system.log().join("\n");
    assert!(log.contains("SecretUnavailable"));
    assert!(!log.contains("s3cret"));
}

#[tokio::test]
async fn nobody_goes_around_what_is_in_front_of_a_function_url() {
    let key = "k".repeat(32);
    let system = System::start_with(&["--env", &format!("ORIGIN_KEY={key} {}", "l".repeat(32))]);
    let stream = "/stream/local-key?channels=a";
    let poll = "/pusher/app/local-key/7/abcd0123/xhr?n=1&protocol=7";
    for (method, target, body) in [("GET", stream, ""), ("POST", poll, "")] {
        for headers in [vec![], vec![("x-origin-key", "wrong")]] {
            let reply = system
                .request_with(method, target, &headers, body.into())
                .await;
            assert_eq!(reply.status, 403, "{reply:?}");
            assert!(!reply.text.contains(&key));
        }
    }
    for key in [&key, &"l".repeat(32)] {
        let headers = [("x-origin-key", key.as_str())];
        let opened = system.request_with("POST", poll, &headers, vec![]).await;
        assert_eq!(opened.status, 200, "{opened:?}");
    }
}

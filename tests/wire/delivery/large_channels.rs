//! Large channels: a publication goes through the queue, and still arrives in order and once.

use serde_json::json;
use shared::aws::queue::{FifoMessage, FifoQueue};
use shared::config::{Config, variable};
use shared::model::channel::Channel;
use shared::model::task::{Content, Delivery, DeliveryName, Task};
use shared::model::time::UnixMillis;
use tests::{Socket, System};

use super::large_system::{asked, eventually, item, joined, publish, start};

#[tokio::test]
async fn what_follows_one_another_arrives_in_that_order_at_everybody_and_once() {
    let system = start();
    let mut sockets = joined(&system, "orders", 10).await;
    system.faults().forget().await;
    for n in 0..10 {
        publish(&system, "orders", &n.to_string()).await;
    }
    let batch = json!({"batch": [
        {"name": "e", "channel": "orders", "data": "10"}, {"name": "e", "channel": "orders", "data": "11"},
    ]});
    let reply = system
        .post("/apps/1001/batch_events", batch.to_string())
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let mut serials = Vec::new();
    for socket in &mut sockets {
        let mut seen = Vec::new();
        for n in 0..12 {
            let frame = socket.expect("e").await;
            assert_eq!(frame["data"], n.to_string());
            seen.push(frame["serial"].as_u64().expect("a serial"));
        }
        serials.push(seen);
    }
    assert!(serials.iter().all(|seen| *seen == serials[0]));
    for socket in &mut sockets {
        socket.nothing_came().await;
    }
    // It was not the publisher that posted.
    assert_eq!(asked(&system, "publisher", "PostToConnection").await, 0);
    assert_eq!(asked(&system, "publisher", "SendMessageBatch").await, 12);
    assert_eq!(asked(&system, "fanout", "PostToConnection").await, 120);
    let queue = system.faults().queue("fanout.fifo").await;
    assert_eq!(queue["dead"], json!([]));
}

#[tokio::test]
async fn a_small_channel_is_delivered_to_at_once() {
    let system = start();
    let mut sockets = joined(&system, "orders", 2).await;
    system.faults().forget().await;
    publish(&system, "orders", "1").await;
    assert_eq!(asked(&system, "publisher", "PostToConnection").await, 2);
    assert_eq!(asked(&system, "publisher", "SendMessageBatch").await, 0);
    for socket in &mut sockets {
        assert_eq!(socket.expect("e").await["data"], "1");
    }
    assert_eq!(item(&system, "orders").await.get("queued"), None);
}

#[tokio::test]
async fn what_a_client_tells_the_others_takes_its_place_among_what_is_published() {
    let system = start();
    let mut sockets = joined(&system, "private-a", 7).await;
    publish(&system, "private-a", "1").await;
    for n in 0..3 {
        let event = json!({"event": "client-e", "channel": "private-a", "data": {"n": n}});
        sockets[0].send_text(event.to_string()).await;
        // It is answered in order: the event is on its way.
        sockets[0].send_event("pusher:ping", json!({})).await;
        while sockets[0].frame().await["event"] != "pusher:pong" {}
        eventually("it is queued", async || {
            asked(&system, "message", "SendMessageBatch").await > n
        })
        .await;
    }
    publish(&system, "private-a", "2").await;
    for socket in &mut sockets[1..] {
        assert_eq!(socket.expect("e").await["data"], "1");
        for _ in 0..3 {
            socket.expect("client-e").await;
        }
        assert_eq!(socket.expect("e").await["data"], "2");
        socket.nothing_came().await;
    }
    // The sender has what was published, and nothing of its own.
    while sockets[0].expect("e").await["data"] != "2" {}
    sockets[0].nothing_came().await;
    assert_eq!(asked(&system, "message", "SendMessageBatch").await, 3);
    // `socket_id` leaves out whoever has it.
    publish(&system, "private-a", "3").await;
    for socket in &mut sockets {
        assert_eq!(socket.expect("e").await["data"], "3");
    }
}

#[tokio::test]
async fn who_comes_back_while_something_waits_has_it_once_and_in_order() {
    // Five posts a second of each worker: what is published takes a while.
    let arguments = [
        "--faults",
        "--quiet",
        "--inline-max",
        "2",
        "--per-shard",
        "4",
        "--posts-per-second",
        "20",
    ];
    let system = System::start_with(&arguments);
    let mut sockets = joined(&system, "orders", 4).await;
    for n in 0..5 {
        publish(&system, "orders", &n.to_string()).await;
    }
    let mut back = Socket::connect(&system).await;
    let subscribe = json!({"channel": "orders", "after": 0});
    back.send_event("pusher:subscribe", subscribe).await;
    back.acknowledged("orders").await;
    let queue = system.faults().queue("fanout.fifo").await;
    assert_ne!(queue["in_flight"], 0, "something waits");
    publish(&system, "orders", "5").await;
    sockets.push(back);
    for socket in &mut sockets {
        for n in 0..6 {
            assert_eq!(socket.expect("e").await["data"], n.to_string());
        }
        socket.nothing_came().await;
    }
}

#[tokio::test]
async fn what_nobody_understands_dies_and_what_comes_after_it_arrives() {
    let system = start();
    let mut sockets = joined(&system, "orders", 3).await;
    let lookup = |name: &str| match name {
        variable::FUNCTION_NAME => Some("tests".to_owned()),
        variable::LOG => None,
        name => system.find_variable(name),
    };
    let config = Config::from(lookup, &[variable::FANOUT_QUEUE_URL])
        .map_err(|problems| problems.to_string())
        .expect("complete");
    let queue = FifoQueue::fanout(&config).expect("there is a URL");
    let to_the_shard = Delivery {
        app_id: "1001".to_owned(),
        channel: Channel::parse("orders").expect("a name"),
        shard: 0,
        shards: 1,
        subscribers: 3,
        name: DeliveryName::Serial(7),
        at: UnixMillis(0),
        except: None,
        content: Content::Frame(String::new()),
    };
    let newer = Task::Deliver(to_the_shard.clone())
        .print()
        .replace(r#""v":1"#, r#""v":2"#);
    let message = FifoMessage {
        group: to_the_shard.group(),
        deduplication: to_the_shard.deduplication(),
        body: newer.clone(),
    };
    // Known by its name, it is there once.
    for _ in 0..2 {
        queue
            .send_all(std::slice::from_ref(&message))
            .await
            .expect("taken");
    }
    eventually("it was handed out", async || {
        system
            .log()
            .iter()
            .any(|line| line.contains("not understood"))
            || system.faults().queue("fanout.fifo").await["in_flight"] == 0
    })
    .await;
    publish(&system, "orders", "1").await;
    for socket in &mut sockets {
        assert_eq!(socket.expect("e").await["data"], "1");
        socket.nothing_came().await;
    }
    let dead = system.faults().queue("fanout.fifo").await["dead"].clone();
    assert_eq!(dead.as_array().map(Vec::len), Some(1), "{dead}");
    assert_eq!(dead[0]["body"], newer);
}

//! What is done for those who have no socket.

use serde_json::json;
use tests::{Session, System};

use super::steps::{event, live};

/// Takes a session through everything that only one can have to do, and through what others do, too.
pub(crate) async fn over_http(system: &System) {
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let mut session = Session::open(system).await;
        session.subscribe_private("private-cache-http").await;
        session.expect("pusher:cache_miss").await;
        sessions.push(session);
    }
    let said = json!({"event": "client-e", "channel": "private-cache-http", "data": {}});
    sessions[0].say(&[said]).await;
    sessions[1].expect("client-e").await;
    system.publish(event("private-cache-http")).await;
    for session in &mut sessions {
        session.expect("e").await;
        let channel = json!({"channel": "private-cache-http"});
        session.send_event("pusher:unsubscribe", channel).await;
        session.nothing_came().await;
    }
    missed(system, &mut sessions[0]).await;
    // One of whom nobody has heard for a while is looked at.
    for row in system.table().rows("conn/http/").await {
        let due = json!({
            "Key": { "pk": { "S": row["pk"] }, "sk": { "S": "conn" } },
            "UpdateExpression": "SET due_at = :past",
            "ExpressionAttributeValues": { ":past": { "N": "1" } },
        });
        system.table().call("UpdateItem", due).await;
    }
    system.reap().await;
}

/// Has a session be shown what it has missed, a part of it left behind by a publisher that died.
async fn missed(system: &System, session: &mut Session<'_>) {
    let faults = system.faults();
    let (channel, presence) = ("r-http", "presence-r-http");
    system.publish(event(channel)).await;
    let rule = json!([{
        "operation": "PutItem", "containing": format!("log/1001/{channel}"), "fault": "kill", "times": 1,
    }]);
    faults.set(rule).await;
    let lost = event(channel).to_string();
    system.post("/apps/1001/events", lost).await;
    let subscribe = json!({"channel": channel, "after": 0});
    session.send_event("pusher:subscribe", subscribe).await;
    session
        .expect("pusher_internal:subscription_succeeded")
        .await;
    session.expect("e").await;
    let conflict = json!([{"operation": "TransactWriteItems", "fault": "conflict"}]);
    faults.set(conflict).await;
    let mut attending = session.presence(presence, "r");
    attending["after"] = json!(0);
    session.send_event("pusher:subscribe", attending).await;
    live(system, presence).await;
    faults.lift().await;
}

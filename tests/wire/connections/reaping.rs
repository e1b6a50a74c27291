//! The reaper: connections whose `$disconnect` never came, and connections that are overdue.

use serde_json::{Value, json};
use tests::{PATIENCE, Socket, System, inner};

const ROOM: &str = "presence-room";

async fn join(system: &System, user: &str) -> Socket {
    let mut socket = Socket::connect(system).await;
    socket.attend(ROOM, json!(user)).await;
    while socket.frame().await["event"] != "pusher_internal:subscription_succeeded" {}
    socket
}

async fn told(socket: &mut Socket, event: &str) -> Value {
    inner(&socket.expect(&format!("pusher_internal:{event}")).await)["user_id"].clone()
}

/// Lets the time of the only connection of a user pass: its rows say that it was opened long ago.
async fn expire(system: &System, user: &str) -> String {
    let table = system.table();
    let members = table.rows(&format!("memb/1001/{ROOM}")).await;
    let row = members.iter().find(|row| row["sk"] == user).expect("a row");
    let names = row.as_object().expect("a row").keys();
    let id = names
        .filter_map(|name| name.strip_prefix("c/"))
        .next()
        .expect("a connection")
        .to_owned();
    let past = |pk: String, sk: &str, set: &str, names: Value| {
        json!({
            "Key": { "pk": { "S": pk }, "sk": { "S": sk } },
            "UpdateExpression": format!("SET {set} = :past"),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": { ":past": { "N": "1" } },
        })
    };
    let connection = format!("conn/{id}");
    for update in [
        past(
            connection.clone(),
            "conn",
            "#e",
            json!({"#e": "expires_at"}),
        ),
        past(connection, "conn", "#d", json!({"#d": "due_at"})),
        past(
            format!("memb/1001/{ROOM}"),
            user,
            "#c.e",
            json!({"#c": format!("c/{id}")}),
        ),
        past(
            format!("subs/1001/{ROOM}/0"),
            &id,
            "#t",
            json!({"#t": "ttl"}),
        ),
    ] {
        table.call("UpdateItem", update).await;
    }
    id
}

/// Nothing of a connection is left but its mark.
async fn nothing_is_left(system: &System, id: &str, subscribers: u64) {
    let rows = system.table().rows(&format!("conn/{id}")).await;
    assert!(
        rows.iter()
            .all(|row| row["closed"] == true && row.get("due_at").is_none()),
        "{rows:?}"
    );
    let rows = system.table().rows("subs/").await;
    assert!(rows.iter().all(|row| row["sk"] != id), "{rows:?}");
    let item = system.table().rows(&format!("chan/1001/{ROOM}")).await[0].clone();
    assert_eq!(
        (&item["subscribers"], item.get("lease")),
        (&json!(subscribers), None),
        "{item}"
    );
}

#[tokio::test]
async fn whose_time_has_passed_is_on_no_roster_and_gets_nothing() {
    let system = System::start_with(&["--disconnects", "drop", "--reap-every", "0", "--faults"]);
    let mut anna = join(&system, "anna").await;
    let ghost = join(&system, "ghost").await;
    assert_eq!(told(&mut anna, "member_added").await, "ghost");
    ghost.vanish();
    let id = expire(&system, "ghost").await;
    system.faults().forget().await;
    // Nothing has noticed; whoever comes next sees the truth, and everybody else with it.
    let mut carl = Socket::connect(&system).await;
    carl.attend(ROOM, json!("carl")).await;
    assert_eq!(carl.roster(ROOM).await["ids"], json!(["anna", "carl"]));
    assert_eq!(told(&mut anna, "member_removed").await, "ghost");
    assert_eq!(told(&mut anna, "member_added").await, "carl");
    system
        .publish(json!({"name": "e", "channel": ROOM, "data": ""}))
        .await;
    anna.expect("e").await;
    let made = system.faults().made().await;
    assert!(
        made.iter()
            .all(|made| made.operation != "PostToConnection" || made.target != id)
    );
    assert_eq!(system.reap().await, (1, 0));
    nothing_is_left(&system, &id, 2).await;
    assert_eq!(system.reap().await, (0, 0));
    anna.nothing_came().await;
}

#[tokio::test]
async fn the_reaper_tells_of_an_end_that_nobody_told() {
    let system = System::start_with(&["--disconnects", "drop", "--reap-every", "0"]);
    let mut anna = join(&system, "anna").await;
    join(&system, "ghost").await.vanish();
    assert_eq!(told(&mut anna, "member_added").await, "ghost");
    assert_eq!(system.reap().await, (0, 0));
    let id = expire(&system, "ghost").await;
    assert_eq!(system.reap().await, (1, 0));
    assert_eq!(told(&mut anna, "member_removed").await, "ghost");
    nothing_is_left(&system, &id, 1).await;
    anna.nothing_came().await;
}

#[tokio::test]
async fn with_the_probe_a_ghost_is_found_long_before_its_time() {
    let arguments = ["--disconnects", "drop", "--probe", "1", "--reap-every", "1"];
    let system = System::start_with(&arguments);
    let mut anna = join(&system, "anna").await;
    join(&system, "ghost").await.vanish();
    assert_eq!(told(&mut anna, "member_added").await, "ghost");
    assert_eq!(told(&mut anna, "member_removed").await, "ghost");
    // Whoever answers stays.
    let mut carl = join(&system, "carl").await;
    assert_eq!(told(&mut anna, "member_added").await, "carl");
    carl.nothing_came().await;
    anna.nothing_came().await;
}

#[tokio::test]
async fn a_disconnect_that_overtakes_a_subscribe_leaves_nothing() {
    let system = System::start_with(&["--faults", "--reap-every", "1"]);
    let mut anna = join(&system, "anna").await;
    for (skip, channel) in [
        (0, "orders"),
        (1, "orders"),
        (0, ROOM),
        (1, ROOM),
        (2, ROOM),
        (3, ROOM),
    ] {
        let mut ghost = Socket::connect(&system).await;
        let rule = json!([{
            "function": "message", "operation": "write", "skip": skip, "times": 1, "fault": "hold",
        }]);
        system.faults().set(rule).await;
        let subscribe = ghost.presence(channel, &json!({"user_id": "ghost"}));
        system.faults().forget().await;
        ghost.send_event("pusher:subscribe", subscribe).await;
        system.faults().held(1).await;
        ghost.vanish();
        // Its end is told and done with.
        let started = std::time::Instant::now();
        let finished = async || {
            let made = system.faults().made().await;
            let of_disconnect = made
                .iter()
                .filter(|made| made.function == "disconnect" && made.is_write());
            of_disconnect.filter(|made| made.status == 200).count() >= 2
        };
        while !finished().await {
            assert!(started.elapsed() < PATIENCE, "no disconnect");
        }
        system.faults().lift().await;
        // It may be seen for a moment, but it does not stay.
        loop {
            let rows = [
                system.table().rows(&format!("subs/1001/{channel}/")).await,
                system.table().rows(&format!("memb/1001/{channel}")).await,
                system.table().rows("conn/").await,
            ]
            .concat();
            let left = rows.iter().filter(|row| {
                row["sk"] != "conn" && row.get("closed").is_none() && row["sk"] != "anna"
            });
            let theirs = left.filter(|row| row["user"] != "anna").count();
            // Anna's own row and her subscriber's row stay.
            if theirs <= if channel == ROOM { 1 } else { 0 } {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "{skip} {channel}: {rows:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    // Anna's list is right in the end.
    let mut carl = Socket::connect(&system).await;
    carl.attend(ROOM, json!("carl")).await;
    assert_eq!(carl.roster(ROOM).await["ids"], json!(["anna", "carl"]));
    let mut ghosts = 0;
    loop {
        let frame = anna.frame().await;
        let user = inner(&frame)["user_id"].clone();
        match frame["event"].as_str() {
            Some("pusher_internal:member_added") if user == "ghost" => ghosts += 1,
            Some("pusher_internal:member_removed") if user == "ghost" => ghosts -= 1,
            Some("pusher_internal:member_added") if user == "carl" => break,
            _ => panic!("{frame}"),
        }
    }
    assert_eq!(ghosts, 0);
}

#[tokio::test]
async fn whoever_nobody_vouches_for_is_closed_in_time() {
    let settings = json!({"authorized_connections_timeout_seconds": 1});
    let system = System::start_with_app(&settings, &["--reap-every", "1"]);
    let mut known = Socket::connect(&system).await;
    known
        .send_event(
            "pusher:subscribe",
            json!({"channel": "private-a", "auth": known.auth("private-a")}),
        )
        .await;
    known.acknowledged("private-a").await;
    let mut stranger = Socket::connect(&system).await;
    stranger.subscribe("public").await;
    let told = stranger.expect("pusher:error").await;
    assert_eq!(told["data"]["code"], 4009);
    stranger.close_code().await;
    known.nothing_came().await;
    system
        .publish(json!({"name": "e", "channel": "private-a", "data": ""}))
        .await;
    known.expect("e").await;
}

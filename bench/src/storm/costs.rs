//! What single actions ask for, one after another, when nothing is wrong and nobody else does anything: on the app
//! that has no features, whose clients pay for nothing else.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::clients::client::Order;
use super::clients::link::{As, Link};
use super::clients::server::Server;
use super::history::{Cost, Step, What};
use super::outside::Outside;
use super::plan::acts::{Act, Transport};
use super::plan::world::{APPS, CHANNELS, CLIENT_THAT_STAYS, user};
use super::wire::{self, Auth, Wanted};
use crate::runtime::Problem;

/// How long an action may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Measures them all.
pub(super) async fn measure(
    outside: &Arc<Outside>,
    clients: &[mpsc::UnboundedSender<Order>],
) -> Result<(), Problem> {
    let app = &APPS[1];
    begin(outside).await?;
    let who = As {
        client: u32::MAX,
        app,
        key: app.key,
        token: None,
        may: true,
    };
    let mut link = Link::open(outside, Transport::Socket, who).await;
    let Some(socket_id) = greeted(&mut link).await else {
        return Ok(());
    };
    note(outside, "connect", "connect").await?;

    for (action, name) in [
        ("subscribe", "priced"),
        ("subscribe to a presence channel", "presence-priced"),
    ] {
        begin(outside).await?;
        let id = user(0);
        let is_presence = name.starts_with("presence-");
        let auth = if is_presence { Auth::Good } else { Auth::None };
        let wanted = Wanted {
            channel: name,
            user: is_presence.then_some(id.as_str()),
            after: None,
            auth,
        };
        let step = Step::Subscribes {
            channel: app.name(name),
            after: None,
            user: wanted.user.map(|user| app.name(user)),
            may: true,
        };
        link.say(Some(step), &app.subscribe(&socket_id, &wanted))
            .await;
        heard(&mut link, |step| matches!(step, Step::Acknowledged { .. })).await;
        note(outside, action, "message").await?;
    }
    begin(outside).await?;
    link.say(Some(Step::Pings), &wire::ping()).await;
    heard(&mut link, |step| matches!(step, Step::Ponged)).await;
    note(outside, "ping", "message").await?;

    let mut server = Server::new(1, outside, 2);
    for (action, name) in [
        ("publish to nobody", "nobody-is-here"),
        ("publish to one", "priced"),
    ] {
        begin(outside).await?;
        server.publish(&[name], false, 10, None).await;
        note(outside, action, "publisher").await?;
    }
    begin(outside).await?;
    let step = Step::Unsubscribes {
        channel: app.name("presence-priced"),
    };
    link.say(Some(step), &wire::unsubscribe("presence-priced"))
        .await;
    outside.rests(PATIENCE).await?;
    begin(outside).await?;
    link.leave(true).await;
    note(outside, "disconnect from one channel", "disconnect").await?;

    if let Some(client) = clients.get(CLIENT_THAT_STAYS as usize) {
        // It has to leave the channel before it can join it.
        let channel = CHANNELS.len() - 5;
        let _ = client.send(Order::Do(Act::Unsubscribe(channel)));
        tokio::time::sleep(PATIENCE / 10).await;
        begin(outside).await?;
        let _ = client.send(Order::Do(Act::Subscribe(channel)));
        tokio::time::sleep(PATIENCE / 10).await;
        note(
            outside,
            "subscribe on a connection that was there all the time",
            "message",
        )
        .await?;
    }
    Ok(())
}

/// Forgets what was asked, once nothing is asked any more.
async fn begin(outside: &Outside) -> Result<(), Problem> {
    outside.rests(PATIENCE).await?;
    outside.forget().await
}

async fn heard(link: &mut Link, is: impl Fn(&Step) -> bool) -> Option<Step> {
    let waited = async {
        loop {
            let step = link.heard.recv().await?;
            if is(&step) {
                return Some(step);
            }
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.ok()?
}

async fn greeted(link: &mut Link) -> Option<String> {
    match heard(link, |step| matches!(step, Step::Greeted { .. })).await? {
        Step::Greeted { socket_id } => Some(socket_id),
        _ => None,
    }
}

/// Notes what a function has asked for.
async fn note(outside: &Outside, action: &str, function: &str) -> Result<(), Problem> {
    outside.rests(PATIENCE).await?;
    let requests = outside.requests().await?;
    let cost = cost_of(action, function, &requests);
    outside.recorder.note(What::Cost(cost));
    Ok(())
}

fn cost_of(action: &str, function: &str, requests: &[Value]) -> Cost {
    let mut cost = Cost {
        action: action.to_owned(),
        writes: 0,
        reads: 0,
        read_units: 0.0,
        posts: 0,
        asked: Vec::new(),
    };
    for request in requests
        .iter()
        .filter(|request| request["function"] == function)
    {
        let operation = request["operation"].as_str().unwrap_or_default();
        cost.asked.push(format!(
            "{operation} {}",
            request["target"].as_str().unwrap_or_default()
        ));
        match operation {
            "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems" => {
                cost.writes += 1;
            }
            "Query" | "GetItem" | "BatchGetItem" => {
                cost.reads += 1;
                cost.read_units += request["capacity_units"].as_f64().unwrap_or(0.0);
            }
            // A greeting is repeated for as long as the connection is not open yet.
            "PostToConnection" if request["status"] != 410 => cost.posts += 1,
            _ => {}
        }
    }
    cost
}

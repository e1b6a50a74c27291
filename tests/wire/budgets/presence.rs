//! What presence costs.

use serde_json::json;
use tests::{Socket, System};

use super::counting::{asked, of_settled};

#[tokio::test]
async fn presence_costs_what_it_may() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let mut anna = Socket::connect(&system).await;
    system.faults().forget().await;
    anna.attend("presence-a", json!("anna")).await;
    anna.roster("presence-a").await;
    // The lease is in the index while it lasts, and the channel from now on.
    assert_eq!(of_settled(&system, "message").await, asked(6, 2 + 1, 3, 1));
    let mut bob = Socket::connect(&system).await;
    system.faults().forget().await;
    bob.attend("presence-a", json!("bob")).await;
    bob.roster("presence-a").await;
    assert_eq!(of_settled(&system, "message").await, asked(6, 2, 3, 2));
    anna.expect("pusher_internal:member_added").await;
    bob.close().await;
    anna.expect("pusher_internal:member_removed").await;
    // Two for the connection, and six for the channel.
    let left = of_settled(&system, "disconnect").await;
    assert_eq!(left, asked(2 + 6, 3 + 2, 2, 1));
}

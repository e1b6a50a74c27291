//! Connecting, with and without a token, and issuing a token.

use serde_json::{Value, json};
use tests::Socket;

use crate::stage::{Stage, cases};

/// Tries to connect, and says whether it was greeted: `None` when the upgrade was refused.
async fn attempt(stage: &Stage, path: &str) -> Option<(Socket, bool)> {
    let mut socket = Socket::open(stage, path).await.ok()?;
    let frame = socket.frame().await;
    let greeted = frame["event"] == "pusher:connection_established";
    if !greeted {
        assert_eq!(frame["event"], "pusher:error", "{frame}");
        let code = socket.close_code().await;
        assert_eq!(code, Some(1000), "{frame}");
    }
    Some((socket, greeted))
}

#[tokio::test]
async fn a_connection_is_greeted_and_known_or_refused() {
    let stage = Stage::new();
    stage.connect().await;
    assert_eq!(stage.writes_of("connect").await, 1);
    for case in cases(1) {
        stage.fail("connect", case).await;
        let attempted = attempt(&stage, "/app/local-key?protocol=7").await;
        stage.faults().lift().await;
        if let Some((mut socket, greeted)) = attempted {
            assert!(greeted, "{case:?}");
            // Known: it can join.
            socket.subscribe("orders").await;
        }
        Socket::connect(&stage).await.subscribe("orders").await;
    }
}

#[tokio::test]
async fn a_token_never_admits_twice() {
    let stage = Stage::new();
    let body = || json!({"channels": ["private-a"]});
    let path = |token: &str| format!("/token/{token}/app/local-key?protocol=7");
    let token = stage.token(body()).await;
    stage.faults().forget().await;
    attempt(&stage, &path(&token)).await.expect("let in");
    let writes = stage.writes_of("connect").await;
    assert_eq!(writes, 2);
    for case in cases(writes) {
        let token = stage.token(body()).await;
        stage.fail("connect", case).await;
        let mut admitted = Vec::new();
        admitted.extend(attempt(&stage, &path(&token)).await);
        stage.faults().lift().await;
        let used_up = case.write == 1 || ["lose_answer", "kill_after"].contains(&case.fault);
        for _ in 0..2 {
            admitted.extend(attempt(&stage, &path(&token)).await);
        }
        let greeted = admitted.iter().filter(|(_, greeted)| *greeted).count();
        assert!(greeted <= 1, "{case:?}: {greeted}");
        assert!(greeted == 1 || used_up, "{case:?}: a token is lost");
    }
}

#[tokio::test]
async fn of_a_token_that_admits_again_the_newest_wins() {
    let stage = Stage::new();
    let body = || json!({"channels": ["private-a"], "reconnect_seconds": 60});
    let path = |token: &str| format!("/token/{token}/app/local-key?protocol=7");
    // Its use, its record; then the mark of the one that it displaces, and the token's release.
    let writes = 2 + 1 + 1;
    for case in cases(writes) {
        let token = stage.token(body()).await;
        let mut first = Socket::connect_at(&stage, &path(&token)).await;
        first.subscribe("private-a").await;
        stage.faults().forget().await;
        stage.fail("connect", case).await;
        let second = attempt(&stage, &path(&token)).await;
        let met = |made: &tests::Made| made.fault.is_some();
        let started = std::time::Instant::now();
        while !stage.faults().made().await.iter().any(met) {
            assert!(started.elapsed() < tests::PATIENCE, "{case:?}: no fault");
        }
        stage.faults().lift().await;
        let mut third = Socket::connect_at(&stage, &path(&token)).await;
        third.subscribe("private-a").await;
        // Whoever held it before is closed.
        assert!(first.close_code().await.is_some(), "{case:?}");
        if let Some((mut second, true)) = second {
            assert!(second.close_code().await.is_some(), "{case:?}");
        }
        stage.served(&mut third, "private-a", "1").await;
        third.nothing_came().await;
        stage.check_count("private-a", case).await;
    }
}

#[tokio::test]
async fn a_token_that_was_given_out_is_good() {
    let stage = Stage::new();
    stage.token(json!({"channels": []})).await;
    assert_eq!(stage.writes_of("token").await, 1);
    for case in cases(1) {
        stage.fail("token", case).await;
        let body = json!({"channels": ["private-a"]}).to_string();
        let reply = stage.post("/apps/1001/tokens", body).await;
        stage.faults().lift().await;
        if reply.status == 201 {
            let token: Value = reply.json()["token"].clone();
            let token = token.as_str().expect("text");
            let path = format!("/token/{token}/app/local-key?protocol=7");
            Socket::connect_at(&stage, &path)
                .await
                .subscribe("private-a")
                .await;
        } else {
            assert!([500, 503].contains(&reply.status), "{case:?}: {reply:?}");
        }
    }
}

//! Disconnecting: counts and rows are right in the end, whatever write failed.

use crate::stage::{Stage, cases};

#[tokio::test]
async fn what_disconnect_leaves_behind_harms_nobody_and_goes() {
    let stage = Stage::new();
    let (mut steady, steady_id) = stage.connect().await;
    let (mut leaving, _) = stage.connect().await;
    for channel in ["a", "b"] {
        leaving.subscribe(channel).await;
    }
    stage.faults().forget().await;
    leaving.close().await;
    let started = std::time::Instant::now();
    // Its mark, for each channel the subscriber's row, the count and its own row, and that it is
    // finished.
    while stage.writes_of("disconnect").await < 2 + 2 * 3 {
        assert!(started.elapsed() < tests::PATIENCE, "it does not end");
    }
    for (n, case) in cases(2 + 2 * 3).enumerate() {
        let channels = [format!("a{n}"), format!("b{n}")];
        let (mut leaving, leaving_id) = stage.connect().await;
        for channel in &channels {
            steady.subscribe(channel).await;
            leaving.subscribe(channel).await;
        }
        stage.faults().forget().await;
        stage.fail("disconnect", case).await;
        leaving.close().await;
        let started = std::time::Instant::now();
        while !stage
            .faults()
            .made()
            .await
            .iter()
            .any(|made| made.fault.is_some())
        {
            assert!(started.elapsed() < tests::PATIENCE, "{case:?}: no fault");
        }
        for channel in &channels {
            stage.served(&mut steady, channel, "1").await;
            stage.check(channel, case).await;
        }
        stage.faults().lift().await;
        for channel in &channels {
            // Lambda repeats it; and whoever publishes finds out.
            stage.served(&mut steady, channel, "2").await;
            stage.only(channel, &[&steady_id], case).await;
            stage.served(&mut steady, channel, "3").await;
            stage.check(channel, case).await;
        }
        assert!(!stage.connections().await.contains(&leaving_id), "{case:?}");
    }
    steady.nothing_came().await;
}

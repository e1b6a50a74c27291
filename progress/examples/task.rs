//! A task that takes a while and says how far it has come, on the system of `cargo run -p local`.
//!
//! `cargo run -p progress --example task -- [channel] [seconds]`, and open `progress/examples/page.html`.

use std::time::Duration;

use progress::{App, Progress};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let channel = arguments.next().unwrap_or_else(|| "cache-task".to_owned());
    let secs: f64 = arguments.next().map_or(Ok(10.0), |secs| secs.parse())?;
    let variable =
        |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let app = App {
        url: variable("CHANNELS_URL", "http://127.0.0.1:6001"),
        id: variable("CHANNELS_APP_ID", "1001"),
        key: variable("CHANNELS_KEY", "local-key"),
        secret: variable("CHANNELS_SECRET", "local-secret"),
    };
    let progress = Progress::new(app, &channel)?;
    for percent in 0..=100 {
        progress.set(percent);
        tokio::time::sleep(Duration::from_secs_f64(secs / 100.0)).await;
    }
    progress.complete().await?;
    println!("done");
    Ok(())
}

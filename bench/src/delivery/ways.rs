//! The ways that are compared, and how one of them runs in a process of its own.

use clap::ValueEnum;

use super::load::{Load, Taken};
use super::{floor, ours, sdk};
use crate::runtime::{Problem, single_threaded};

/// A way to publish.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Sockets and a signature, and nothing else
    Floor,
    /// The functions' path
    Ours,
    /// AWS's own client for Rust, on one thread
    Sdk,
    /// The same as it is usually written: in `#[tokio::main]`
    SdkThreads,
}

/// Publishes, and prints what that took as JSON.
pub(crate) fn run(way: Way, load: &Load) -> Result<(), Problem> {
    let runtime = match way {
        Way::Floor | Way::Ours | Way::Sdk => single_threaded()?,
        // What that attribute makes: a thread for each core.
        Way::SdkThreads => tokio::runtime::Runtime::new()?,
    };
    let taken = runtime.block_on(publish(way, load))?;
    println!("{}", serde_json::to_string(&taken)?);
    Ok(())
}

async fn publish(way: Way, load: &Load) -> Result<Taken, Problem> {
    match way {
        Way::Floor => floor::publish(load).await,
        Way::Ours => ours::publish(load).await,
        Way::Sdk | Way::SdkThreads => sdk::publish(load).await,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::sink::{self, Posts};

    #[tokio::test]
    async fn every_way_gets_each_of_its_posts_answered() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let posts = Arc::new(Posts::new());
        tokio::spawn(sink::serve(listener, Duration::ZERO, None, posts.clone()));
        let load = Load {
            endpoint: format!("http://127.0.0.1:{port}/live").parse().unwrap(),
            in_flight: 8,
            messages: 100,
            warm_up: 20,
        };
        for &way in Way::value_variants() {
            let taken = publish(way, &load).await.unwrap();
            assert_eq!(taken.failed, 0);
            assert!(taken.cpu_micros > 0 && taken.peak_rss_kb > 0);
        }
        let ways = u64::try_from(Way::value_variants().len()).unwrap();
        assert_eq!(posts.count(), ways * 120);
    }
}

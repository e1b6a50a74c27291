//! What a function asks of DynamoDB and of `@connections`, counted on the wire.

use tests::{PATIENCE, System};

/// What one function has asked for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Asked {
    pub(super) writes: usize,
    pub(super) write_units: f64,
    pub(super) reads: usize,
    pub(super) read_units: f64,
    pub(super) posts: usize,
}

impl Asked {
    /// And so many writes that were refused: a refusal does not say what it costs.
    pub(super) fn and_refused(self, writes: usize) -> Self {
        Self {
            writes: self.writes + writes,
            ..self
        }
    }
}

/// Requests, and what DynamoDB bills for them: a unit for a write of up to 1 KB and for a consistent
/// read of up to 4 KB, and one for each entry of an index that a write makes or removes.
pub(super) fn asked(writes: usize, in_index: usize, reads: usize, posts: usize) -> Asked {
    #[expect(clippy::cast_precision_loss, reason = "few")]
    let units = |requests: usize| requests as f64;
    Asked {
        writes,
        write_units: units(writes + in_index),
        reads,
        read_units: units(reads),
        posts,
    }
}

pub(super) async fn of(system: &System, function: &str) -> Asked {
    let mut asked = Asked::default();
    let started = std::time::Instant::now();
    let made = loop {
        let made = system.faults().made().await;
        // What a request costs is known with its answer, which is later than its effect.
        if made.iter().all(|made| made.status != 0) {
            break made;
        }
        assert!(started.elapsed() < PATIENCE, "unanswered: {made:?}");
    };
    for made in made {
        // A greeting is repeated for as long as the gateway is still opening its connection.
        if made.function != function || (function == "connect" && made.status == 410) {
            continue;
        }
        if made.is_write() {
            asked.writes += 1;
            asked.write_units += made.capacity_units;
        } else if made.is_read() {
            asked.reads += 1;
            asked.read_units += made.capacity_units;
        } else {
            assert_eq!(made.operation, "PostToConnection");
            asked.posts += 1;
        }
    }
    system.faults().forget().await;
    println!("{function}: {asked:?}");
    asked
}

/// The same once nobody announces any more.
pub(super) async fn of_settled(system: &System, function: &str) -> Asked {
    let started = std::time::Instant::now();
    loop {
        let mut rows = system.table().rows("chan/").await;
        rows.extend(system.table().rows("conn/").await);
        rows.extend(system.table().rows("user/").await);
        let closing =
            |row: &serde_json::Value| row["closed"] == true && row.get("due_at").is_some();
        if !rows
            .iter()
            .any(|row| row.get("lease").is_some() || closing(row))
        {
            return of(system, function).await;
        }
        assert!(started.elapsed() < PATIENCE, "it does not end: {rows:?}");
    }
}

/// Waits until a function has made so many writes.
pub(super) async fn written_so_often(system: &System, function: &str, writes: usize) {
    let started = std::time::Instant::now();
    loop {
        let made = system.faults().made().await;
        let of_function = made.iter().filter(|made| made.function == function);
        let written = of_function.filter(|made| made.is_write() && made.status != 0);
        if written.count() >= writes {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{function} does not end");
    }
}

/// Waits until a function has made so many reads: the last one follows its posts.
pub(super) async fn read_so_often(system: &System, function: &str, reads: usize) {
    let started = std::time::Instant::now();
    loop {
        let made = system.faults().made().await;
        let of_function = made.iter().filter(|made| made.function == function);
        let read = of_function.filter(|made| made.is_read() && made.status != 0);
        if read.count() >= reads {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{function} does not end");
    }
}

/// Waits until nothing of a closed connection is left to be done.
pub(super) async fn forgotten(system: &System) {
    let started = std::time::Instant::now();
    loop {
        let mut rows = system.table().rows("conn/").await;
        rows.retain(|row| row["closed"] == true);
        if !rows.is_empty() && rows.iter().all(|row| row.get("due_at").is_none()) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "it does not end: {rows:?}");
    }
}

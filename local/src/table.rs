//! The embedded DynamoDB: one table, in memory or in a file. It knows the names of the keys and
//! indexes, and nothing of what the rows mean.

use std::path::Path;
use std::time::Duration;

use dynoxide::Database;
use serde_json::{Value, json};
use shared::aws::schema::{
    DUE_AT, DUE_INDEX, DUE_SHARD, OCCUPIED_INDEX, OCCUPIED_SHARD, PARTITION_KEY, SORT_KEY, TTL,
};
use tokio::net::TcpListener;

use crate::serving::stop::Stop;

/// The table's name.
pub const TABLE_NAME: &str = "channels";

/// Opens the database and makes the table unless it is there.
///
/// # Errors
/// A sentence that names the file.
pub fn open(file: Option<&Path>) -> Result<Database, String> {
    let database = match file {
        None => Database::memory().map_err(|error| error.to_string()),
        Some(path) => match path.to_str() {
            None => Err("its name is not UTF-8".to_owned()),
            Some(text) => Database::new(text).map_err(|error| error.to_string()),
        },
    };
    let named = |problem: String| match file {
        Some(path) => format!("--data {}: {problem}", path.display()),
        None => problem,
    };
    let database = database.map_err(named)?;
    create(&database).map_err(named)?;
    Ok(database)
}

fn create(database: &Database) -> Result<(), String> {
    if database
        .get_table_metadata(TABLE_NAME)
        .map_err(|error| error.to_string())?
        .is_some()
    {
        return Ok(());
    }
    let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    let keys = |hash: &str, range: &str| {
        json!([
            { "AttributeName": hash, "KeyType": "HASH" },
            { "AttributeName": range, "KeyType": "RANGE" },
        ])
    };
    let index = |name: &str, keys: Value| json!({ "IndexName": name, "KeySchema": keys, "Projection": { "ProjectionType": "KEYS_ONLY" } });
    let table = json!({
        "TableName": TABLE_NAME,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            attribute(PARTITION_KEY),
            attribute(SORT_KEY),
            attribute(DUE_SHARD),
            { "AttributeName": DUE_AT, "AttributeType": "N" },
            attribute(OCCUPIED_SHARD),
        ],
        "KeySchema": keys(PARTITION_KEY, SORT_KEY),
        "GlobalSecondaryIndexes": [
            index(DUE_INDEX, keys(DUE_SHARD, DUE_AT)),
            index(OCCUPIED_INDEX, keys(OCCUPIED_SHARD, PARTITION_KEY)),
        ],
    });
    let ttl = json!({ "TableName": TABLE_NAME, "TimeToLiveSpecification": { "AttributeName": TTL, "Enabled": true } });
    database
        .create_table(read(table)?)
        .map_err(|error| error.to_string())?;
    database
        .update_time_to_live(read(ttl)?)
        .map_err(|error| error.to_string())?;
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(request: Value) -> Result<T, String> {
    serde_json::from_value(request).map_err(|error| error.to_string())
}

/// Serves DynamoDB's API until the system stops, and deletes expired rows every period.
pub async fn serve(listener: TcpListener, database: Database, sweep_period: Duration, stop: Stop) {
    let sweeper = sweep(database.clone(), sweep_period, stop.clone());
    let mut stop = stop;
    let server =
        dynoxide::server::serve_with_shutdown(
            listener,
            database,
            async move { stop.stopped().await },
        );
    if let (Err(problem), ()) = tokio::join!(server, sweeper) {
        eprintln!("table: {problem}");
    }
}

async fn sweep(database: Database, period: Duration, mut stop: Stop) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = stop.stopped() => return,
        }
        let database = database.clone();
        // It blocks while it sweeps.
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => eprintln!("table: expired rows not removed: {error}"),
            Err(error) => eprintln!("table: expired rows not removed: {error}"),
        }
    }
}

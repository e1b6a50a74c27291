//! The forecast page: the model beside the simulation, as Markdown.

use shared::model::limits::FANOUT_PATIENCE;

use super::assumptions::{
    Account, Coming, HAND_OVER, Latency, PER_SHARD, POST, SEND, TABLE, Workers,
};
use super::outcome::Outcome;
use super::prediction::{Prediction, needed, predict, quota_for};
use super::shards::in_shards;
use super::simulation::simulate;
use crate::figures::{grouped, push, significant};

/// The chance of the simulation.
const SEED: u64 = 1;
/// Recipients that are looked at.
const RECIPIENTS: [u64; 3] = [10_000, 100_000, 1_000_000];
/// Seconds that a publication is to take, which AWS is to be asked for.
const WANTED_SECS: f64 = 10.0;
/// A pace that the default quota does not allow.
const HURRIED_POSTS_PER_SECOND: u64 = 12_000;
/// Messages that a worker could take at once. It takes one.
const LARGE_BATCH: usize = 5;
/// The quota of some regions, and the pace for it.
const SMALL_QUOTA: (f64, u64) = (2_500.0, 2_000);

/// A setting, as the model and the simulation see it.
struct ForecastRow {
    setting: String,
    recipients: u64,
    predicted: Prediction,
    simulated: Outcome,
}

impl ForecastRow {
    fn new(setting: &str, recipients: u64, workers: Workers, account: Account) -> Self {
        let in_shards = in_shards(recipients, PER_SHARD);
        Self {
            setting: setting.to_owned(),
            recipients,
            predicted: predict(&in_shards, workers, account),
            simulated: simulate(&in_shards, workers, account, SEED),
        }
    }
}

/// Both, for each number of recipients and each setting.
fn rows() -> Vec<ForecastRow> {
    let deployed = Workers::default();
    let in_batches = Workers {
        batch_size: LARGE_BATCH,
        ..deployed
    };
    let hurried = Workers {
        posts_per_second: HURRIED_POSTS_PER_SECOND,
        ..deployed
    };
    let (small_quota, small_pace) = SMALL_QUOTA;
    let small = Workers {
        posts_per_second: small_pace,
        ..deployed
    };
    let small_in_batches = Workers {
        posts_per_second: small_pace,
        ..in_batches
    };
    let quota = Account::default();
    let small_quota = Account::with_quota(small_quota);
    let mut rows = Vec::new();
    for recipients in RECIPIENTS {
        let settings = [
            ("as deployed: 10 workers, 8,000 a second", deployed, quota),
            ("the same, five messages at a time", in_batches, quota),
            ("12,000 a second, above the quota", hurried, quota),
            (
                "quota 2,500: 10 workers, 2,000 a second",
                small,
                small_quota,
            ),
            (
                "the same, five messages at a time",
                small_in_batches,
                small_quota,
            ),
        ];
        let new = |(setting, workers, quota)| ForecastRow::new(setting, recipients, workers, quota);
        rows.extend(settings.map(new));
        let is_quick =
            |row: &ForecastRow| row.predicted.holds() && row.predicted.seconds <= WANTED_SECS;
        if !rows
            .iter()
            .any(|row| row.recipients == recipients && is_quick(row))
        {
            rows.extend(quick_rows(recipients));
        }
    }
    rows
}

/// What it takes for a publication to be quick.
fn quick_rows(recipients: u64) -> Vec<ForecastRow> {
    let Some(workers) = needed(&in_shards(recipients, PER_SHARD), WANTED_SECS) else {
        return Vec::new();
    };
    let account = Account::with_quota(quota_for(workers.posts_per_second));
    let name = format!(
        "**within {WANTED_SECS} s**: {} workers, {} a second, quota {}",
        workers.count,
        grouped(workers.posts_per_second),
        significant(account.requests_per_second),
    );
    let same_burst = Account {
        burst: Account::default().burst,
        ..account
    };
    let coming = Workers {
        coming: Coming::OneByOne,
        ..workers
    };
    vec![
        ForecastRow::new(&name, recipients, workers, account),
        ForecastRow::new(
            "the same, with a burst of 5,000",
            recipients,
            workers,
            same_burst,
        ),
        ForecastRow::new(
            "the same, if workers come as for standard queues",
            recipients,
            coming,
            account,
        ),
    ]
}

/// All of it.
pub(crate) fn text() -> String {
    let rows = rows();
    let mut text = "## A model of AWS\n\n".to_owned();
    push(
        &mut text,
        format_args!(
            "A publication to a large channel under an account's quotas: 10,000 requests a second, of which clients use a fifth; a burst of half as many; \
             shards as they grow; one post each. A post takes {}, a request to DynamoDB {}, one to SQS {}, from the queue to a worker {}: the least and the \
             mean of what comes to it, assumptions but for the last one. The model calculates; the simulation plays it through, post by post, with the product's own pace, \
             pages and pauses, a bucket of tokens that answers 429, and latencies by chance. Neither knows cold starts nor what else the account does. \
             `cargo run -p bench -- growth --model` prints this part alone.\n\n\
             | recipients | setting | model, s | simulation, s | at best, s | in flight: model | simulation, at most | answered 429 | closed | given back | dollars |\n\
             | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
            spelled(POST),
            spelled(TABLE),
            spelled(SEND),
            spelled(HAND_OVER),
        ),
    );
    for ForecastRow {
        setting,
        recipients,
        predicted,
        simulated,
    } in &rows
    {
        let seconds = if predicted.holds() {
            significant(predicted.seconds)
        } else {
            "–".to_owned()
        };
        push(
            &mut text,
            format_args!(
                "| {} | {setting} | {seconds} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
                grouped(*recipients),
                significant(simulated.seconds()),
                significant(predicted.least_seconds),
                significant(predicted.in_flight),
                grouped(simulated.in_flight),
                grouped(simulated.refused),
                grouped(simulated.dropped),
                grouped(simulated.given_back),
                significant(predicted.dollars.total()),
            ),
        );
    }
    push(
        &mut text,
        format_args!(
            "\n*At best*: all recipients at the pace, as if all workers were busy throughout. *Closed*: connections whose posts were answered 429 six times. *Given back*: \
             messages that their workers had no time for within {} s; they come again a minute after they were taken. Above the quota, and where messages are given \
             back, the model says nothing.\n\n",
            FANOUT_PATIENCE.as_secs(),
        ),
    );
    if let Some(asked) = asked_for() {
        text.push_str(&asked);
    }
    text
}

/// What AWS is to be asked for, for the most recipients.
fn asked_for() -> Option<String> {
    let recipients = RECIPIENTS.into_iter().max()?;
    let in_shards = in_shards(recipients, PER_SHARD);
    let deployed = predict(&in_shards, Workers::default(), Account::default());
    let workers = needed(&in_shards, WANTED_SECS)?;
    let account = Account::with_quota(quota_for(workers.posts_per_second));
    let quick = predict(&in_shards, workers, account);
    let dollars = quick.dollars;
    let largest = in_shards.iter().max()?;
    Some(format!(
        "A million recipients take {} s under the default quotas, whatever else is done, and {} s with these:\n\n\
         | | default | for {WANTED_SECS} s |\n| --- | ---: | ---: |\n\
         | API Gateway, requests a second (ask AWS) | {} | {} |\n\
         | API Gateway, burst (AWS sets it; the least will do) | {} | {} |\n\
         | Lambda, environments of `fanout` (`FanoutConcurrency`; of 1,000 an account) | {} | {} |\n\
         | posts a second (`PostsPerSecond`) | {} | {} |\n\
         | of one worker | {} | {} |\n\
         | in flight, of all workers | {} | {} |\n\
         | sockets of a worker, at most, of 1,024 descriptors | {} | {} |\n\
         | SQS FIFO, messages; requests to send, within a second | {}; {} | the same |\n\
         | DynamoDB, read units a second (of 12,000 that a new table has) | {} | {} |\n\n\
         No partition is read faster than the {} subscribers of its shard; 3,000 units a second are far away. It costs ${} however long it takes: ${} are API Gateway's messages, workers are ${}, DynamoDB ${}, SQS ${}.\n",
        significant(deployed.seconds),
        significant(quick.seconds),
        significant(Account::default().requests_per_second),
        significant(account.requests_per_second),
        significant(Account::default().burst),
        significant(account.burst),
        Workers::default().count,
        workers.count,
        grouped(Workers::default().posts_per_second),
        grouped(workers.posts_per_second),
        grouped(Workers::default().posts_per_second / Workers::default().count),
        grouped(workers.posts_per_second / workers.count),
        significant(deployed.in_flight),
        significant(quick.in_flight),
        deployed.sockets,
        quick.sockets,
        grouped(in_shards.len() as u64),
        quick.sends,
        significant(deployed.read_units / deployed.seconds),
        significant(quick.read_units / quick.seconds),
        grouped(*largest),
        significant(dollars.total()),
        significant(dollars.posts),
        significant(dollars.workers),
        significant(dollars.table),
        significant(dollars.queue),
    ))
}

fn spelled(latency: Latency) -> String {
    format!(
        "{:.0} + {:.0} ms",
        latency.least_millis, latency.more_millis
    )
}

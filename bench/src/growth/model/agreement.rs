//! Tests: the model and the simulation agree where the model holds, and the simulation shows what the
//! model leaves out.

use super::assumptions::{Account, Coming, PER_SHARD, Workers};
use super::prediction::{needed, predict, quota_for};
use super::shards::in_shards;
use super::simulation::simulate;

const SEED: u64 = 1;
/// How far the model may be off, as a part of what is simulated.
const TOLERANCE: f64 = 0.05;

fn agree(recipients: u64, workers: Workers, account: Account) {
    let in_shards = in_shards(recipients, PER_SHARD);
    let outcome = simulate(&in_shards, workers, account, SEED);
    let prediction = predict(&in_shards, workers, account);
    assert_eq!(outcome.served, recipients);
    assert!(prediction.holds(), "{prediction:?}");
    assert_eq!(
        (outcome.refused, outcome.dropped, outcome.given_back),
        (0, 0, 0),
        "{recipients} {workers:?}"
    );
    let off = (prediction.seconds / outcome.seconds() - 1.0).abs();
    assert!(
        off < TOLERANCE,
        "{recipients} {workers:?}: {prediction:?}, {outcome:?}"
    );
}

#[test]
fn the_model_and_the_simulation_agree_and_nothing_is_refused_at_the_pace() {
    for recipients in [10_000, 100_000, 1_000_000] {
        agree(recipients, Workers::default(), Account::default());
        let one_by_one = Workers {
            batch_size: 1,
            ..Workers::default()
        };
        agree(recipients, one_by_one, Account::default());
        let coming = Workers {
            coming: Coming::OneByOne,
            ..Workers::default()
        };
        agree(recipients, coming, Account::default());
    }
}

#[test]
fn what_the_model_says_is_needed_is_enough() {
    for recipients in [100_000, 1_000_000] {
        let shards = in_shards(recipients, PER_SHARD);
        let workers = needed(&shards, 10.0).expect("it can be done");
        let account = Account::with_quota(quota_for(workers.posts_per_second));
        agree(recipients, workers, account);
    }
}

#[test]
fn above_the_quota_posts_are_refused() {
    let in_shards = in_shards(100_000, PER_SHARD);
    let workers = Workers {
        posts_per_second: 12_000,
        ..Workers::default()
    };
    let account = Account::default();
    assert!(!predict(&in_shards, workers, account).is_within_quota);
    let outcome = simulate(&in_shards, workers, account, SEED);
    assert!(outcome.refused > 1_000, "{outcome:?}");
    assert_eq!(outcome.served + outcome.dropped, 100_000);
}

#[test]
fn a_message_that_there_is_no_time_for_comes_again_and_everybody_is_served_once() {
    // 1,500 posts at 100 a second.
    let workers = Workers {
        count: 1,
        posts_per_second: 100,
        batch_size: 1,
        coming: Coming::AtOnce,
    };
    assert!(!predict(&[1_500], workers, Account::default()).is_in_time);
    let outcome = simulate(&[1_500], workers, Account::default(), SEED);
    assert_eq!((outcome.served, outcome.given_back), (1_500, 1));
    assert!(outcome.seconds() > 60.0, "{outcome:?}");
}

#[test]
fn it_is_the_same_for_the_same_seed() {
    let simulated = |seed| simulate(&[500, 1_200], Workers::default(), Account::default(), seed);
    assert_eq!(simulated(1), simulated(1));
    assert_ne!(simulated(1), simulated(2));
}

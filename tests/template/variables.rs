//! What the functions are given: their variables, and what comes before them.

use std::collections::BTreeSet;

use functions::http::ORIGIN_KEY;
use local::gateway::routes::URLS;
use tests::workspace;
use yaml_rust2::Yaml;

use crate::{functions, secrets, template, variables};

/// The variables that `shared` reads, by its source.
fn variables_read() -> BTreeSet<String> {
    let path = workspace().join("shared/src/config/variable.rs");
    let source = std::fs::read_to_string(path).expect("readable");
    let named = source.lines().filter_map(|line| {
        let value = line.strip_prefix("pub const ")?.split_once("= \"")?.1;
        Some(value.strip_suffix("\";").expect("a text").to_owned())
    });
    named.collect()
}

#[test]
fn the_template_sets_what_the_functions_read_and_nothing_else() {
    let template = template();
    let mut set = BTreeSet::new();
    for properties in functions(&template).values() {
        let variables = variables(&template, properties);
        set.extend(variables.map(|(name, _)| name.to_owned()));
    }
    let read = variables_read();
    let unread: Vec<_> = set.difference(&read).collect();
    assert!(unread.is_empty(), "nobody reads {unread:?}");
    // Lambda sets them; or they are an emulator's; or something is given that the template stores; or
    // a test does not want to wait.
    let elsewhere = |name: &&String| {
        name.starts_with("AWS_")
            || ["APPS", "OWN_KEY", "ORIGIN_KEY", "RUST_LOG"].contains(&name.as_str())
            || ["SECRET_AGE_SECONDS", "CONNECTION_LIFE_SECONDS"].contains(&name.as_str())
            || name.as_str() == "WEBHOOK_PATIENCE_SECONDS"
    };
    let unset: Vec<_> = read
        .difference(&set)
        .filter(|name| !elsewhere(name))
        .collect();
    assert!(unset.is_empty(), "nobody sets {unset:?}");
}

#[test]
fn what_is_in_front_brings_the_key_that_function_urls_ask_for() {
    let template = template();
    let distribution = &template["Resources"]["Distribution"]["Properties"]["DistributionConfig"];
    let origins = distribution["Origins"].as_vec().expect("a list");
    let brings = |origin: &&Yaml| {
        let headers = origin["OriginCustomHeaders"].as_vec();
        headers.is_some_and(|headers| {
            let [header] = headers.as_slice() else {
                panic!("one header")
            };
            header["HeaderName"].as_str() == Some(ORIGIN_KEY.as_str())
                && header["HeaderValue"].as_str() == Some("{{resolve:secretsmanager:${OriginKey}}}")
        })
    };
    let bringing: BTreeSet<&str> = origins
        .iter()
        .filter(brings)
        .filter_map(|origin| origin["Id"].as_str())
        .collect();
    assert_eq!(bringing, BTreeSet::from(["sessions", "streams"]));
    let behaviors = distribution["CacheBehaviors"].as_vec().expect("a list");
    for (function, path) in URLS {
        let origin = format!("{function}s");
        let leads = behaviors.iter().any(|behavior| {
            let pattern = behavior["PathPattern"].as_str().expect("text");
            let target = behavior["TargetOriginId"].as_str();
            path.starts_with(pattern.trim_end_matches('*')) && target == Some(&origin)
        });
        assert!(leads, "{path}");
        let properties = &functions(&template)[function];
        assert!(secrets(&template, properties).contains("OriginKey"));
    }
}

/// The statuses that CloudFront keeps for ten seconds, whatever the origin says of keeping.
const KEPT: [i64; 11] = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

#[test]
fn nobody_is_given_the_refusal_of_another() {
    let template = template();
    let distribution = &template["Resources"]["Distribution"]["Properties"]["DistributionConfig"];
    let responses = distribution["CustomErrorResponses"].as_vec();
    let kept: Vec<(Option<i64>, Option<i64>)> = responses
        .expect("a list")
        .iter()
        .map(|one| {
            (
                one["ErrorCode"].as_i64(),
                one["ErrorCachingMinTTL"].as_i64(),
            )
        })
        .collect();
    assert_eq!(kept, KEPT.map(|status| (Some(status), Some(0))));
}

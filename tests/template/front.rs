//! What stands in front of the functions: CloudFront's origins, paths and error responses.

use std::collections::BTreeSet;

use functions::http::request::ORIGIN_KEY;
use local::gateway::routes::URLS;
use yaml_rust2::Yaml;

use crate::parsed::{functions, items, secrets, template};

#[test]
fn what_is_in_front_brings_the_key_that_function_urls_ask_for() {
    let template = template();
    let distribution = &template["Resources"]["Distribution"]["Properties"]["DistributionConfig"];
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
    let bringing: BTreeSet<&str> = items(&distribution["Origins"])
        .filter(brings)
        .filter_map(|origin| origin["Id"].as_str())
        .collect();
    assert_eq!(bringing, BTreeSet::from(["sessions", "streams"]));
    let behaviors: Vec<&Yaml> = items(&distribution["CacheBehaviors"]).collect();
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

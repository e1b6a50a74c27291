use super::*;
use crate::model::settings::Settings;
use crate::model::socket_id::Transport;
use crate::model::time::UnixMillis;

fn complete(name: &str) -> Option<String> {
    let value = match name {
        variable::APPS => r#"[{"id":"1","key":"k","secret":"s3cret"}]"#,
        variable::TABLE_NAME => "channels",
        variable::CONNECTIONS_ENDPOINT => "http://127.0.0.1:1/live/",
        variable::REGION => "us-east-1",
        variable::ACCESS_KEY_ID | variable::SECRET_ACCESS_KEY => "local",
        variable::FUNCTION_NAME => "connect",
        _ => return None,
    };
    Some(value.to_owned())
}

#[test]
fn a_complete_environment_is_read() {
    let config = Config::from(complete, &[])
        .map_err(|problems| problems.to_string())
        .expect("complete");
    assert_eq!(config.greet_via, GreetVia::Layer);
    assert_eq!(config.connections_endpoint.path(), "/live");
    let lives = Lives {
        connection_secs: 7_800,
        probe_secs: None,
    };
    assert_eq!(config.lives, lives);
}

#[test]
fn every_problem_is_named_at_once_and_no_value_is() {
    let problems = Config::from(|_| None, &[variable::LATER_QUEUE_URL])
        .map(|_| ())
        .expect_err("nothing is set")
        .to_string();
    for name in [
        variable::APPS,
        variable::TABLE_NAME,
        variable::CONNECTIONS_ENDPOINT,
        variable::REGION,
        variable::LATER_QUEUE_URL,
    ] {
        assert!(problems.contains(name), "{problems}");
    }
    let wrong = |name: &str| match name {
        variable::APPS => Some(r#"[{"id":"1","key":"k","secret":"s3cret""#.to_owned()),
        variable::GREET_VIA => Some("pigeon".to_owned()),
        variable::CONNECTIONS_ENDPOINT => Some("somewhere".to_owned()),
        variable::PROBE => Some("often".to_owned()),
        variable::SUBSCRIBERS_PER_SHARD => Some("0".to_owned()),
        variable::CA_BUNDLE => Some("Cargo.toml".to_owned()),
        name => complete(name),
    };
    let problems = Config::from(wrong, &[])
        .map(|_| ())
        .expect_err("six are wrong")
        .to_string();
    assert_eq!(problems.lines().count(), 7, "{problems}");
    assert!(!problems.contains("s3cret"), "{problems}");
}

#[test]
fn workers_share_what_the_account_may_post() {
    let worker = |posts: &str, workers: &str| {
        let lookup = |name: &str| match name {
            variable::POSTS_PER_SECOND => Some(posts.to_owned()),
            variable::FANOUT_CONCURRENCY => Some(workers.to_owned()),
            name => complete(name),
        };
        let config = Config::from(lookup, &[]).map_err(|problems| problems.to_string());
        let large_channels = config.expect("complete").large_channels;
        large_channels.worker_posts_per_second
    };
    assert_eq!(worker("", ""), 800);
    assert_eq!(worker("2000", "4"), 500);
    assert_eq!(worker("1", "10"), 1);
}

#[test]
fn a_webhook_goes_in_the_open_only_where_that_is_wanted() {
    let apps = r#"[{"id":"7","key":"k","secret":"s3cret","webhooks":[{"url":"http://127.0.0.1:1/?s3cret"}]}]"#;
    let config = |to: &'static str| {
        let lookup = |name: &str| match name {
            variable::APPS => Some(apps.to_owned()),
            variable::WEBHOOKS_TO => Some(to.to_owned()),
            name => complete(name),
        };
        Config::from(lookup, &[]).map_err(|problems| problems.to_string())
    };
    assert_eq!(
        config("any").map(|config| config.webhooks_to),
        Ok(WebhooksTo::Any)
    );
    for (to, said) in [("", "app 7"), ("public", "app 7"), ("all", "neither")] {
        let problems = config(to).map(|_| ()).expect_err("refused");
        assert!(
            problems.contains(said) && !problems.contains("s3cret"),
            "{problems}"
        );
    }
}

#[test]
fn what_one_function_needs_the_others_may_lack() {
    let problems = Config::from(complete, &[variable::LATER_QUEUE_URL])
        .map(|_| ())
        .expect_err("it is not set")
        .to_string();
    assert_eq!(problems.lines().count(), 2, "{problems}");
    let url = "http://127.0.0.1:1/123456789012/later";
    let with_queue = |name: &str| match name {
        variable::LATER_QUEUE_URL => Some(url.to_owned()),
        name => complete(name),
    };
    let config = Config::from(with_queue, &[variable::LATER_QUEUE_URL])
        .map_err(|problems| problems.to_string())
        .expect("complete");
    assert_eq!(config.later_queue_url.as_deref(), Some(url));
}

#[test]
fn a_connection_is_due_when_something_may_have_to_be_done() {
    let due_of = |transport, authorized_connections_timeout_secs, probe_secs| {
        let settings = Settings {
            authorized_connections_timeout_secs,
            ..Settings::default()
        };
        let lives = Lives {
            connection_secs: 7_800,
            probe_secs,
        };
        let (connected_at, expires_at) = (UnixMillis(1_000), UnixMillis(7_801_000));
        let due_at = lives.first_due(transport, &settings, connected_at, expires_at);
        due_at.0
    };
    let due = |overdue_secs, probe_secs| due_of(Transport::Socket, overdue_secs, probe_secs);
    assert_eq!(due(0, None), 7_801_000);
    assert_eq!(due(30, None), 31_000);
    assert_eq!(due(0, Some(60)), 61_000);
    assert_eq!(due(30, Some(20)), 21_000);
    // Nobody else would notice that the client of a session has gone.
    assert_eq!(due_of(Transport::Http, 0, Some(20)), 61_000);
    assert_eq!(due_of(Transport::Http, 30, None), 31_000);
}

#[test]
fn credentials_are_given_or_an_endpoint_nearby_gives_them() {
    fn from(set: &[(&str, &str)]) -> Result<String, String> {
        let lookup = |name: &str| {
            let found = set.iter().find(|(set, _)| *set == name);
            let absent = [variable::ACCESS_KEY_ID, variable::SECRET_ACCESS_KEY].contains(&name);
            match found {
                Some((_, value)) => Some((*value).to_owned()),
                None => complete(name).filter(|_| !absent),
            }
        };
        let config = Config::from(lookup, &[]).map_err(|problems| problems.to_string());
        config.map(|config| match config.aws_keys {
            KeySource::Given(keys) => keys.access_key_id,
            KeySource::Endpoint(endpoint) => endpoint.uri.to_string(),
        })
    }
    let endpoint = (variable::KEY_ENDPOINT, "http://169.254.170.23/v1");
    assert_eq!(from(&[endpoint]).unwrap(), "http://169.254.170.23/v1");
    let given = [
        (variable::ACCESS_KEY_ID, "id"),
        (variable::SECRET_ACCESS_KEY, "s3cret"),
    ];
    assert_eq!(from(&[given[0], given[1], endpoint]).unwrap(), "id");
    for (wrong, said) in [
        (&[][..], variable::ACCESS_KEY_ID),
        (
            &[(variable::ACCESS_KEY_ID, "id")],
            variable::SECRET_ACCESS_KEY,
        ),
        (
            &[(variable::SECRET_ACCESS_KEY, "s3cret")],
            variable::ACCESS_KEY_ID,
        ),
        (
            &[(variable::KEY_ENDPOINT, "http://s3cret.example/")],
            variable::KEY_ENDPOINT,
        ),
        (
            &[(variable::KEY_ENDPOINT, "https://127.0.0.1/")],
            variable::KEY_ENDPOINT,
        ),
        (
            &[
                (variable::KEY_ENDPOINT, "http://[::1]/"),
                (variable::KEY_TOKEN, "s3cret\n"),
            ],
            variable::KEY_TOKEN,
        ),
    ] {
        let problems = from(wrong).expect_err("refused");
        assert!(problems.contains(said), "{problems}");
        assert!(!problems.contains("s3cret"), "{problems}");
    }
}

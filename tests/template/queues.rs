//! The queues of the local host, against the template: functions, batches, dead letters.

use local::host::settings::timeout;
use local::queues::declared::QUEUES;
use yaml_rust2::Yaml;

use crate::parsed::{STREAM_LIFE, named, resources, template};

#[test]
fn the_template_and_the_local_host_have_the_same_queues() {
    let template = &template();
    let text = |yaml: &Yaml| yaml.as_str().expect("text").to_lowercase();
    let number = |yaml: &Yaml| usize::try_from(yaml.as_i64().expect("a number")).expect("positive");
    let mappings: Vec<_> = resources(template, "AWS::Lambda::EventSourceMapping").collect();
    assert_eq!(mappings.len(), QUEUES.len());
    for declared in QUEUES {
        let mapping = mappings.iter().find(|(_, mapping)| {
            text(&mapping["EventSourceArn"]) == format!("{}.arn", named(declared.name))
        });
        let (_, mapping) = mapping.unwrap_or_else(|| panic!("nobody takes {}", declared.name));
        assert_eq!(text(&mapping["FunctionName"]), declared.function);
        assert_eq!(number(&mapping["BatchSize"]), declared.batch_size);
        let queue = |name: &str| {
            let ends_so = |(_, queue): &(_, &Yaml)| {
                text(&queue["QueueName"]).ends_with(&format!("}}-{name}"))
            };
            resources(template, "AWS::SQS::Queue").find(ends_so)
        };
        assert!(queue(declared.dead_letter_queue).is_some());
        let (_, queue) = queue(declared.name).expect("a queue");
        let receives = number(&queue["RedrivePolicy"]["maxReceiveCount"]);
        assert_eq!(u32::try_from(receives), Ok(declared.max_receive_count));
        assert_eq!(
            queue["FifoQueue"].as_bool().unwrap_or(false),
            declared.is_fifo()
        );
        // So many share what API Gateway takes.
        let workers = &mapping["ScalingConfig"]["MaximumConcurrency"];
        assert_eq!(
            workers.as_str() == Some("FanoutConcurrency"),
            declared.is_fifo()
        );
        // What may be in flight must not be handed out to another one. Where there are no more messages than
        // workers, none waits for one.
        let function_secs =
            usize::try_from(timeout(declared.function, STREAM_LIFE).as_secs()).expect("fits");
        let times = if declared.is_fifo() { 2 } else { 6 };
        assert!(number(&queue["VisibilityTimeout"]) >= times * function_secs);
    }
}

//! `cargo bench -p bench`: the pure code that every frame or request passes through.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use shared::config::{WebhooksTo, parse_apps};
use shared::model::app::Apps;
use shared::model::channel::Channel;
use shared::model::secret::Secret;
use shared::model::socket_id::{ConnectionId, SocketId};
use shared::pusher::frame::{parse, publication};
use shared::pusher::signature;

fn frames(criterion: &mut Criterion) {
    let subscribe = r#"{"event":"pusher:subscribe","data":{"channel":"private-orders-1002","auth":"278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"}}"#;
    criterion.bench_function("frame: read a subscribe", |bencher| {
        bencher.iter(|| parse(black_box(subscribe)));
    });
    let whisper = r#"{"event":"client-moved","channel":"private-board","data":{"x":102,"y":481,"by":"user-17"}}"#;
    criterion.bench_function("frame: read a client event", |bencher| {
        bencher.iter(|| parse(black_box(whisper)));
    });
    let channel = Channel::parse("private-orders-1002").expect("a name");
    let data = r#"{"id":1002,"state":"packed","at":"2026-11-24T10:00:00Z"}"#.repeat(8);
    criterion.bench_function("frame: print a publication", |bencher| {
        bencher.iter(|| publication(&channel, "changed", black_box(&data), 42));
    });
}

fn names(criterion: &mut Criterion) {
    criterion.bench_function("channel: parse a name", |bencher| {
        bencher.iter(|| Channel::parse(black_box("presence-room-1002")));
    });
    let connection = ConnectionId::new("L0SM9cOFvHcCIhw=".to_owned());
    criterion.bench_function("socket id: of a connection", |bencher| {
        bencher.iter(|| SocketId::of(black_box(&connection)));
    });
}

fn signatures(criterion: &mut Criterion) {
    let json = r#"[{"id":"1","key":"key","secret":"secret"}]"#;
    let apps: Apps = parse_apps(json, WebhooksTo::Public).expect("apps");
    let app = apps.by_key("key").expect("it is there");
    let socket_id = SocketId::parse("1234.5678").expect("a socket id");
    let channel = Channel::parse("private-orders-1002").expect("a name");
    let secret = Secret::new("secret".to_owned());
    let signed = format!("{socket_id}:{channel}");
    let auth = format!("key:{}", secret.sign(signed.as_bytes()));
    assert!(signature::admits(app, &socket_id, &channel, None, &auth));
    criterion.bench_function("signature: of a subscription, checked", |bencher| {
        bencher.iter(|| signature::admits(app, &socket_id, &channel, None, black_box(&auth)));
    });
}

criterion_group!(pure, frames, names, signatures);
criterion_main!(pure);

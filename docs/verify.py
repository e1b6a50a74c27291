"""Goes through what was never verified on AWS, on a stack of your own: see unverified.md.

pip install boto3 pusher websocket-client
python3 verify.py --stack channels
"""

import argparse
import http.client
import json
import secrets
import sys
import time
import urllib.parse

import pusher
import websocket

PATIENCE_SECONDS = 30


class System:
    def __init__(self, host, plain, app_id, key, secret, stream_url=None):
        self.host, self.plain, self.key, self.stream_url = host, plain, key, stream_url
        name, _, port = host.partition(":")
        port = int(port) if port else (80 if plain else 443)
        self.server = pusher.Pusher(app_id=app_id, key=key, secret=secret, host=name, port=port, ssl=not plain)

    def connection(self):
        kind = http.client.HTTPConnection if self.plain else http.client.HTTPSConnection
        return kind(self.host, timeout=PATIENCE_SECONDS)

    def ask(self, method, path, body=None, headers={}):
        connection = self.connection()
        connection.request(method, path, body, headers)
        return connection.getresponse()

    def socket(self):
        address = f"{'ws' if self.plain else 'wss'}://{self.host}/app/{self.key}?protocol=7&client=verify"
        socket = websocket.create_connection(address, timeout=PATIENCE_SECONDS)
        return socket, expect(socket, "pusher:connection_established")


def of_stack(name, region):
    import boto3

    session = boto3.Session(region_name=region)
    stack = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    arn = outputs["AppSecretCommand"].split("--secret-id ")[1].split()[0]
    apps = json.loads(session.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    app = apps[0] if isinstance(apps, list) else apps
    functions = session.client("lambda")
    try:
        url = functions.get_function_url_config(FunctionName=f"{name}-stream")["FunctionUrl"]
    except functions.exceptions.ResourceNotFoundException:
        url = None
    return System(outputs["Host"], False, app["id"], app["key"], app["secret"], url)


def expect(socket, event):
    while True:
        frame = json.loads(socket.recv())
        if frame["event"] == event:
            return frame
        if frame["event"] == "pusher:error":
            raise AssertionError(frame)


def send(socket, event, data):
    socket.send(json.dumps({"event": event, "data": data}))


def millis_since(start):
    return f"{(time.monotonic() - start) * 1000:.0f} ms"


def greeted(system):
    start = time.monotonic()
    socket, _ = system.socket()
    took = millis_since(start)
    channel = f"verify-{secrets.token_hex(8)}"
    send(socket, "pusher:subscribe", {"channel": channel})
    expect(socket, "pusher_internal:subscription_succeeded")
    start = time.monotonic()
    system.server.trigger(channel, "seen", {"n": 1})
    assert json.loads(expect(socket, "seen")["data"]) == {"n": 1}
    return f"after {took}; an event came {millis_since(start)} after it was sent"


def pinged(system):
    socket, _ = system.socket()
    start = time.monotonic()
    send(socket, "pusher:ping", {})
    expect(socket, "pusher:pong")
    return f"after {millis_since(start)}; the log of `message` says whether it was that"


def left(system):
    socket, _ = system.socket()
    channel = f"verify-{secrets.token_hex(8)}"
    send(socket, "pusher:subscribe", {"channel": channel})
    expect(socket, "pusher_internal:subscription_succeeded")
    assert system.server.channel_info(channel)["occupied"]
    start = time.monotonic()
    socket.close()
    while system.server.channel_info(channel)["occupied"]:
        assert time.monotonic() - start < PATIENCE_SECONDS, "its $disconnect did not come"
        time.sleep(0.1)
    return f"forgotten after {millis_since(start)}"


def streamed(system):
    channel = f"verify-{secrets.token_hex(8)}"
    answer = system.ask("GET", f"/stream/{system.key}?channels={channel}", headers={"Accept": "text/event-stream"})
    assert answer.status == 200, (answer.status, answer.read())
    while b"connected" not in answer.readline():
        pass
    start = time.monotonic()
    system.server.trigger(channel, "seen", {"n": 1})
    while b'"seen"' not in answer.readline():
        assert time.monotonic() - start < PATIENCE_SECONDS
    return f"{millis_since(start)} after it was sent"


def session(system):
    path = f"/pusher/app/{system.key}/7/{secrets.token_hex(4)}"
    text = {"Content-Type": "text/plain"}
    opened = system.ask("POST", f"{path}/xhr?protocol=7&n=1", "", text)
    lines = opened.read().decode()
    assert opened.status == 200 and "connection_established" in lines, (opened.status, lines)
    channel = f"verify-{secrets.token_hex(8)}"
    subscribe = json.dumps({"event": "pusher:subscribe", "data": {"channel": channel}})
    sent = system.ask("POST", f"{path}/xhr_send?n=2", json.dumps([subscribe]), text)
    assert sent.status == 204, (sent.status, sent.read())
    lines = system.ask("POST", f"{path}/xhr?n=3", "", text).read().decode()
    assert "subscription_succeeded" in lines, lines
    return "opened, and it has subscribed"


def polled(system):
    channel = f"verify-{secrets.token_hex(8)}"
    system.server.trigger(channel, "seen", {"n": 1})
    answer = system.ask("GET", f"/status/{system.key}?channels={channel}")
    body = json.loads(answer.read())
    assert [event["type"] for event in body["events"]] == ["seen"], body
    again = system.ask("GET", f"/status/{system.key}?channels={channel}")
    again.read()
    return f"{answer.getheader('Cache-Control')}; CloudFront says of the second: {again.getheader('X-Cache')}"


def front(system):
    if not system.stream_url:
        return "nothing is in front here"
    to = urllib.parse.urlsplit(system.stream_url).netloc
    connection = http.client.HTTPSConnection(to, timeout=PATIENCE_SECONDS)
    connection.request("GET", f"/stream/{system.key}?channels=a")
    status = connection.getresponse().status
    assert status == 403, f"the function URL answers everybody: {status}"
    return "the function URL answers 403"


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stack", help="the stack's name")
    options.add_argument("--region")
    options.add_argument("--host", help="or the host, and the app")
    options.add_argument("--plain", action="store_true", help="without TLS")
    options.add_argument("--id")
    options.add_argument("--key")
    options.add_argument("--secret")
    given = options.parse_args()
    if given.stack:
        system = of_stack(given.stack, given.region)
    else:
        system = System(given.host, given.plain, given.id, given.key, given.secret)
    failed = 0
    looks = [greeted, pinged, left, streamed, session, polled, front]
    if given.stack and not system.stream_url:
        print("PublicFunctionUrls=no: there are no streams and no sessions")
        looks = [greeted, pinged, left, polled]
    for look in looks:
        try:
            print(f"{look.__name__:<9} {look(system)}", flush=True)
        except Exception as problem:
            failed += 1
            print(f"{look.__name__:<9} FAILED: {type(problem).__name__}: {problem}", flush=True)
    sys.exit(1 if failed else 0)


main()

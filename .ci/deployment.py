"""Uses what `sam deploy` has put up in the emulator: sockets, a server's SDK, the queues, the reaper, a new secret."""

import http.client
import http.server
import json
import os
import sys
import threading
import time

import boto3
import pusher
import websocket

API = sys.argv[1]
AWS = os.environ["AWS_ENDPOINT_URL"]
PATIENCE_SECONDS = 60


def outputs():
    stack = boto3.client("cloudformation").describe_stacks(StackName="channels")["Stacks"][0]
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), stack["StackStatus"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def until(what, look):
    """Looks until there is something to be seen."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = look()
        if found:
            print(f"  {what}", flush=True)
            return found
        if time.monotonic() > end:
            raise SystemExit(f"not within {PATIENCE_SECONDS} s: {what}")
        time.sleep(0.1)


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class Front(http.server.BaseHTTPRequestHandler):
    """What CloudFront does for servers: it gives their requests the host that API Gateway answers to."""

    host = ""

    def forward(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        to = http.client.HTTPConnection(AWS.removeprefix("http://"))
        headers = {"Host": self.host, "Content-Type": "application/json"}
        to.request(self.command, self.path, body, headers)
        answer = to.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = forward

    def log_message(self, *_):
        pass


class Receiver(http.server.BaseHTTPRequestHandler):
    """An app's own server, which is told of webhooks."""

    told = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.told.append((self.headers["X-Pusher-Key"], json.loads(body)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Socket:
    def __init__(self, key):
        address = f"{AWS.replace('http', 'ws')}/_aws/execute-api/{API}/live?app_key={key}&protocol=7"
        self.socket = websocket.create_connection(address, timeout=PATIENCE_SECONDS)
        established = self.expect("pusher:connection_established")
        self.id = json.loads(established["data"])["socket_id"]

    def send(self, event, data):
        self.socket.send(json.dumps({"event": event, "data": data}))

    def expect(self, event):
        frame = json.loads(self.socket.recv())
        assert frame["event"] == event, frame
        return frame

    def subscribe(self, channel, **more):
        self.send("pusher:subscribe", {"channel": channel, **more})
        self.expect("pusher_internal:subscription_succeeded")


def main():
    found = outputs()
    for name in ["Host", "AppId", "AppKey", "AppSecretCommand", "PublisherArn"]:
        assert found[name], name
    secrets, lambdas = boto3.client("secretsmanager"), boto3.client("lambda")
    routes = boto3.client("apigatewayv2")
    table = boto3.resource("dynamodb").Table(
        boto3.client("cloudformation").describe_stack_resource(StackName="channels", LogicalResourceId="Table")[
            "StackResourceDetail"
        ]["PhysicalResourceId"]
    )

    secret_id = found["AppSecretCommand"].split("--secret-id ")[1].split()[0]
    app = json.loads(secrets.get_secret_value(SecretId=secret_id)["SecretString"])
    assert app["id"] == found["AppId"] and app["key"] == found["AppKey"] and len(app["secret"]) == 40
    # Before a function has read it.
    app["webhooks"] = [{"url": f"http://127.0.0.1:{serve(Receiver)}/"}]
    secrets.put_secret_value(SecretId=secret_id, SecretString=json.dumps(app))

    Front.host = f"{http_api(routes)}.execute-api.localhost:{AWS.rsplit(':', 1)[1]}"
    server = pusher.Pusher(
        app_id=app["id"], key=app["key"], secret=app["secret"], host="127.0.0.1", port=serve(Front), ssl=False
    )

    socket = Socket(app["key"])
    print("  a socket is greeted", flush=True)
    socket.subscribe("orders")
    server.trigger("orders", "created", {"id": 1})
    assert json.loads(socket.expect("created")["data"]) == {"id": 1}
    print("  a server's SDK publishes to it", flush=True)
    other = Socket(app["key"])
    other.subscribe("orders")
    server.trigger("orders", "created", {"id": 2})
    for each in [socket, other]:
        assert json.loads(each.expect("created")["data"]) == {"id": 2}
    other.socket.close()
    print("  and to two, by the queue of large channels", flush=True)
    socket.send("pusher:ping", {})
    socket.expect("pusher:pong")
    print("  API Gateway answers its ping", flush=True)
    auth = server.authenticate("private-orders", socket.id)["auth"]
    socket.subscribe("private-orders", auth=auth)
    publication = {"name": "created", "channel": "private-orders", "data": "{}"}
    answer = lambdas.invoke(FunctionName=found["PublisherArn"], Payload=json.dumps(publication))
    assert "FunctionError" not in answer, answer["Payload"].read()
    assert socket.expect("created")["channel"] == "private-orders"
    print("  so does what invokes the publisher", flush=True)

    def told(name, channel):
        events = [event for key, body in Receiver.told if key == app["key"] for event in body["events"]]
        return {"name": name, "channel": channel} in events

    until("a webhook comes by its queue", lambda: told("channel_occupied", "orders"))
    assert list(server.channels_info("")["channels"]) == ["orders", "private-orders"]
    socket.socket.close()
    until("who leaves is forgotten", lambda: server.channels_info("")["channels"] == {})
    until("and a webhook says so", lambda: told("channel_vacated", "orders"))

    # Its $disconnect never comes.
    ghost = Socket(app["key"])
    ghost.subscribe("haunted")
    for route in routes.get_routes(ApiId=API)["Items"]:
        if route["RouteKey"] == "$disconnect":
            routes.delete_route(ApiId=API, RouteId=route["RouteId"])
    ghost.socket.close()
    connections = [row for row in table.scan()["Items"] if row["sk"] == "conn"]
    haunted = [row for row in connections if "due_at" in row]
    assert len(haunted) == 1, connections
    assert list(server.channels_info("")["channels"]) == ["haunted"]
    past = int(time.time() * 1000) - 1
    # Two hours later.
    table.update_item(
        Key={"pk": haunted[0]["pk"], "sk": "conn"},
        UpdateExpression="SET due_at = :past, expires_at = :past",
        ExpressionAttributeValues={":past": past},
    )
    reaped = json.loads(lambdas.invoke(FunctionName="channels-reaper", Payload="{}")["Payload"].read())
    assert reaped["failed"] == 0, reaped
    until("the reaper finds it", lambda: server.channels_info("")["channels"] == {})


def http_api(routes):
    apis = routes.get_apis()["Items"]
    return next(api["ApiId"] for api in apis if api["ProtocolType"] == "HTTP")


main()
print("deployed, and it works")

"""How long functions take from their start to their first question for work, which is what a cold start waits for; from their
first event, over HTTP to the embedded table, to what they answer; and what they hold then. Medians of some starts,
interleaved. `startup.py LOCAL BOOTSTRAP...`, where LOCAL is the binary of `local`, with functions beside it."""

import contextlib
import os
import pathlib
import selectors
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time

STARTS = 20
EVENTS = pathlib.Path(__file__).parents[1] / "events"
# Whose policy names the table, and secrets, and nothing else that is spoken to.
TABLE_ALONE = {"token"}
# Where an event's name is not the function's.
NAMES = {"fanout": "fanout-large-channel", "message": "message-subscribe"}
OF_LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "startup",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_LOG_GROUP_NAME": "startup",
    "AWS_LAMBDA_LOG_STREAM_NAME": "startup",
    "METRICS_NAMESPACE": "startup",
}


@contextlib.contextmanager
def embedded(local):
    """The table and all else that functions speak to, as variables that tell them of it."""
    with tempfile.TemporaryDirectory() as folder:
        told = pathlib.Path(folder) / "env"
        command = [local, "--prebuilt", "--port", "0", "--quiet", "--env-file", told]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            try:
                next(line for line in running.stdout if line.startswith("ready "))
                words = shlex.split(told.read_text())
                yield dict(word.split("=", 1) for word in words)
            finally:
                running.kill()


def event_of(name):
    return (EVENTS / f"{NAMES.get(name, name)}.json").read_bytes()


def request(connection):
    """The first line of the next request on a connection; an empty one at its end."""
    return connection.recv(65536).split(b"\r\n", 1)[0]


def start(binary, variables):
    """Milliseconds up to its first question and then to its first answer, and megabytes that it holds then."""
    event = event_of(binary.parent.name.lower())
    # An hour from now: no function ends early for want of time.
    deadline = int((time.time() + 3600) * 1000)
    head = (
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: first\r\nContent-Type: application/json\r\n"
        "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:startup\r\n"
        f"Lambda-Runtime-Deadline-Ms: {deadline}\r\nContent-Length: {len(event)}\r\n\r\n"
    )
    with socket.socket() as runtime, selectors.DefaultSelector() as waiting, contextlib.ExitStack() as opened:
        runtime.bind(("127.0.0.1", 0))
        runtime.listen()
        waiting.register(runtime, selectors.EVENT_READ)
        address = f"127.0.0.1:{runtime.getsockname()[1]}"
        environment = {**variables, **OF_LAMBDA, "AWS_LAMBDA_RUNTIME_API": address}
        started = time.perf_counter()
        process = subprocess.Popen([binary], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        asked = None
        try:
            while ready := waiting.select(timeout=30):
                for key, _ in ready:
                    if key.fileobj is runtime:
                        connection = opened.enter_context(runtime.accept()[0])
                        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        waiting.register(connection, selectors.EVENT_READ)
                        continue
                    line = request(key.fileobj)
                    if line.startswith(b"GET /2018-06-01/runtime/invocation/next") and asked is None:
                        first_question = (time.perf_counter() - started) * 1000
                        asked = time.perf_counter()
                        key.fileobj.sendall(head.encode() + event)
                    elif line.startswith(b"POST /2018-06-01/runtime/invocation/first/response"):
                        first_answer = (time.perf_counter() - asked) * 1000
                        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                        held = next(line for line in status.splitlines() if line.startswith("VmRSS"))
                        return first_question, first_answer, int(held.split()[1]) / 1024
                    else:
                        raise AssertionError(f"{binary}: {line}")
            raise AssertionError(f"{binary} says nothing")
        finally:
            process.kill()
            process.wait()


local, *binaries = sys.argv[1:]
binaries = sorted(map(pathlib.Path, binaries))
starts = {binary: [] for binary in binaries}
with embedded(local) as variables:
    for _ in range(STARTS):
        for binary in binaries:
            starts[binary].append(start(binary, variables))
print(f"{'function':<12}{'first question':>16}{'first answer':>15}{'memory':>10}   of {STARTS} starts, {os.cpu_count()} cores")
for binary, found in starts.items():
    questions, answers, held = map(statistics.median, zip(*found))
    name = binary.parent.name.lower()
    needs = "" if name in TABLE_ALONE else "   and more than the table"
    print(f"{name:<12}{questions:>13.2f} ms{answers:>12.2f} ms{held:>7.1f} MB{needs}")

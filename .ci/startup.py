"""How long functions take from their start to their first question for work, which is what a cold start waits for, and
what they hold then: the median of some starts, interleaved. `startup.py BOOTSTRAP...`"""

import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

STARTS = 20


def variables(port):
    """What the template sets, and Lambda; nothing of it is reached before there is work."""
    aws = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"}
    of_lambda = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
        "AWS_LAMBDA_FUNCTION_NAME": "startup",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": "startup",
        "AWS_LAMBDA_LOG_STREAM_NAME": "startup",
    }
    queues = ["LATER", "WEBHOOK", "WEBHOOK_DEAD", "FANOUT"]
    secrets = ["APPS", "OWN_KEY", "ORIGIN_KEY"]
    of_template = {
        "TABLE_NAME": "startup",
        "CONNECTIONS_ENDPOINT": "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/live",
        "METRICS_NAMESPACE": "startup",
        **{f"{name}_SECRET": f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}" for name in secrets},
        **{f"{name}_QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/123456789012/{name}" for name in queues},
    }
    return {**aws, **of_lambda, **of_template}


def start(binary):
    """Milliseconds up to its first question, and megabytes that it holds then."""
    with socket.socket() as runtime:
        runtime.bind(("127.0.0.1", 0))
        runtime.listen()
        runtime.settimeout(30)
        environment = variables(runtime.getsockname()[1])
        started = time.perf_counter()
        process = subprocess.Popen([binary], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            question, _ = runtime.accept()
            with question:
                asked = question.recv(4096)
                took = (time.perf_counter() - started) * 1000
                assert asked.startswith(b"GET /2018-06-01/runtime/invocation/next"), asked
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
                held = next(line for line in status.splitlines() if line.startswith("VmRSS"))
                return took, int(held.split()[1]) / 1024
        finally:
            process.kill()
            process.wait()


binaries = sorted(map(pathlib.Path, sys.argv[1:]))
starts = {binary: [] for binary in binaries}
for _ in range(STARTS):
    for binary in binaries:
        starts[binary].append(start(binary))
print(f"{'function':<12}{'first question':>16}{'fastest':>10}{'memory':>10}   of {STARTS} starts, {os.cpu_count()} cores")
for binary, found in starts.items():
    times, held = zip(*found)
    name = binary.parent.name
    print(f"{name:<12}{statistics.median(times):>13.2f} ms{min(times):>7.2f} ms{statistics.median(held):>7.1f} MB")

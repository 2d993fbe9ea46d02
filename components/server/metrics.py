"""Prometheus metrics, with the names of TensorFlow Serving where it has them."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = ":tensorflow:serving"
_BUCKETS = tuple(round(10 * 1.8**k, 6) for k in range(33))
"""Upper bounds in microseconds, as TensorFlow Serving has them."""


class Metrics:
    """The counts and times of a server."""

    def __init__(self) -> None:
        disable_created_metrics()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            f"{_PREFIX}:request_count",
            "Requests by model and status.",
            ["model_name", "status"],
            registry=self._registry,
        )
        self._latency = Histogram(
            f"{_PREFIX}:request_latency",
            "Microseconds from a whole request to its answer.",
            ["model_name", "API", "entrypoint"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._rows = Counter(
            "textmill_rows",
            "Rows of answered requests.",
            ["model_name"],
            registry=self._registry,
        )
        self._gauges = {
            name: Gauge(name, text, ["model_name"], registry=self._registry)
            for name, text in (
                ("textmill_pending_requests", "Requests that wait or are answered."),
                ("textmill_version", "The current version."),
                ("textmill_worker_resident_bytes", "Memory of the model's processes."),
            )
        }

    def record(
        self, model: str, *, api: str, status: str, seconds: float, rows: int = 0
    ) -> None:
        """Counts a request."""
        self._requests.labels(model, status).inc()
        if status == "OK":
            self._latency.labels(model, api, "REST").observe(1e6 * seconds)
            self._rows.labels(model).inc(rows)

    def exposition(self, gauges: Iterable[tuple[str, str, float]]) -> bytes:
        """Returns the text that Prometheus reads.

        Args:
            gauges: name, model and value of each gauge now.
        """
        for name, model, value in gauges:
            self._gauges[name].labels(model).set(value)
        # The client ends the names of all counters in _total, TensorFlow Serving none.
        name = f"{_PREFIX}:request_count".encode()
        return generate_latest(self._registry).replace(name + b"_total", name)

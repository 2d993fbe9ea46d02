"""Threads that answer rows: one row of each request in turn.

A request of many rows uses all threads, and does not hold up a short one that comes
later. An idle thread takes a row as soon as it is there.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

Done = Callable[[list[Any] | Exception], None]


class _Request:
    """The rows of a request, and their results so far."""

    def __init__(self, run: Callable[[int], Any], count: int, done: Done) -> None:
        self.run, self.done, self.count = run, done, count
        self.results: list[Any] = [None] * count
        self.started, self.finished = 0, 0
        self.error: Exception | None = None


class RowScheduler:
    """A pool of threads.

    Args:
        num_threads: rows that are answered at the same time.
    """

    def __init__(self, num_threads: int) -> None:
        self._waiting: deque[_Request] = deque()
        self._changed = threading.Condition()
        for number in range(num_threads):
            thread = threading.Thread(
                target=self._work, name=f"rows-{number}", daemon=True
            )
            thread.start()

    def submit(self, run: Callable[[int], Any], count: int, done: Done) -> None:
        """Calls ``run`` for each number below ``count``, then ``done`` with results.

        After an exception, rows that have not started are left out, and ``done``
        receives the exception.
        """
        with self._changed:
            self._waiting.append(_Request(run, count, done))
            self._changed.notify(count)

    def _next(self) -> tuple[_Request, int]:
        """Waits for a row; the request goes to the end if it has another one."""
        with self._changed:
            while not self._waiting:
                self._changed.wait()
            request = self._waiting.popleft()
            number = request.started
            request.started += 1
            if request.started < request.count:
                self._waiting.append(request)
            return request, number

    def _work(self) -> None:
        while True:
            request, number = self._next()
            error = None
            try:
                request.results[number] = request.run(number)
            except Exception as caught:
                error = caught
            with self._changed:
                request.finished += 1
                request.error = request.error or error
                if request.error and request in self._waiting:
                    self._waiting.remove(request)
                    request.count = request.started
                is_last = request.finished == request.count
            if is_last:
                request.done(request.error or request.results)

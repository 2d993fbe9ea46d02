"""HTTP connections that must send a request in time, or are closed.

Uvicorn closes connections that stay idle after a response, but none that never sends
its first request, or that sends the head of one byte by byte.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

_LATE_SECONDS = 0.1


class Connection(H11Protocol):
    """Base class: a connection that is closed without a request in time.

    Attributes:
        seconds: longest time from the connection, or the first byte, to a whole head.
    """

    seconds: ClassVar[float]
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Waits for the first request."""
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Reads bytes; a whole head stops the timer."""
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self._timer is None:
            self._start_timer()
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.seconds, self._expire)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        # A loop that is late has not read all that was sent.
        assert self._timer is not None
        if self.loop.time() > self._timer.when() + _LATE_SECONDS:
            self._start_timer()
        else:
            self.transport.close()


def protocol(seconds: float) -> type[Connection]:
    """Returns the class of connections with a limit."""
    return type("LimitedConnection", (Connection,), {"seconds": seconds})

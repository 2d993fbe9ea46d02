"""Errors of requests, with the codes of TensorFlow Serving and their HTTP status."""

from __future__ import annotations

HTTP_STATUS = {
    "OK": 200,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "REQUEST_TIMEOUT": 408,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""HTTP status of each code; 405, 408 and 413 have no code in TensorFlow Serving."""


class RequestError(Exception):
    """A request that gets no answer.

    Args:
        code: a key of ``HTTP_STATUS``.
        message: the sentence of the response.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    @property
    def status(self) -> int:
        """The HTTP status."""
        return HTTP_STATUS[self.code]


def invalid(message: str) -> RequestError:
    """Returns the error of a request with a wrong value: status 400."""
    return RequestError("INVALID_ARGUMENT", message)

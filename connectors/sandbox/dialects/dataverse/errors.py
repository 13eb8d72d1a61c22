"""Dataverse's errors: a status, a code and a sentence."""

from __future__ import annotations

from typing import Any


class ODataError(Exception):
    """One request is refused."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message}}


# Of codes that come with another status than 400.
STATUSES = {
    "0x80040216": 500,
    "0x80040217": 404,
    "0x80040220": 403,
    "0x80040237": 412,
    "0x80040333": 412,
    "0x80044150": 500,
    "0x80044151": 500,
    "0x80048306": 403,
    "0x80060882": 412,
    "0x80060891": 404,
    "0x80060892": 412,
    "0x80072321": 429,
    "0x80072322": 429,
    "0x80072326": 429,
}


def refusal(code: str, message: str) -> ODataError:
    return ODataError(STATUSES.get(code, 400), code, message)


def unreadable(what: str) -> ODataError:
    """A body whose values or names do not fit the table."""
    return refusal(
        "0x80048d19",
        "Error identified in Payload provided by the user for Entity :'', For more information on this error please"
        f" follow this help link ---->  InnerException : Microsoft.OData.ODataException: {what}",
    )


def bad_request(message: str) -> ODataError:
    """An address, a name in it or a batch that cannot be understood."""
    return refusal("0x80060888", message)

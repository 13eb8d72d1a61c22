"""Why somebody does not get in, in words for the page that they see. No text holds a token, a name or typed words."""

from __future__ import annotations

from pipeline.errors import RefusedError


class SignInError(RefusedError):
    """`code` is a constant for logs and the audit log; `status` is the answer's."""

    def __init__(self, code: str, message: str, *, status: int = 403) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class ProviderAwayError(SignInError):
    """The provider does not answer, or not as one: sessions that are open go on, new ones wait."""

    def __init__(self, message: str) -> None:
        super().__init__("provider_away", message, status=503)

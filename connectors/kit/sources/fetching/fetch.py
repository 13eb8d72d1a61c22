"""The declaration of a fetch: a webhook brings the id of a record, and the record is read from the source's API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.kit.destinations.options import Option
from connectors.kit.paths import get_path
from connectors.kit.sources.declarations import Auth, Connector, Secret

# What an error's code in an answer means, whatever the status: the token is no good (everybody waits), too many calls,
# try again; and of this one record: there is none, or we may not see it.
MEANINGS = ("token", "quota", "retry", "gone", "forbidden")
_MOST_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Fetch:
    """`GET url` for each record that `when` applies to, before it is mapped.

    `{name}` in `url`, `params` and `headers` is an option of that name (`sources.NAME.options`, typed and with a
    default); in `url` also a path in the record that came, of which the value is quoted. `{path:last}` is what stands
    after the last colon of it (`urn:li:lead:17`). The host is the declaration's, or that of `sources.NAME.url`. Where
    the record holds a whole address, `url` is that path alone (`{api_url}`) and `hosts` are those it may name: another
    one is never called.

    `when`: paths in the record that came, with the value or values that they must have. Others are mapped as they came.
    The answer takes the place of the record, which then stands beside it (`^.`); with `into` it stands in the record
    under that key. `code_at` is where an answer tells an error's code, `codes` what each means, one of MEANINGS;
    other errors are told by their status.
    """

    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    options: tuple[Option, ...] = ()
    hosts: tuple[str, ...] = ()
    token: Secret | None = None  # short for auth=Bearer(…); beside `auth` it is shown where it is set
    auth: Auth | None = None
    when: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    into: str | None = None
    code_at: str | None = None
    codes: Mapping[int, str] = field(default_factory=dict)
    rate_per_second: float = 5.0
    burst: int = 10
    max_answer_bytes: int = 1_048_576

    @property
    def defaults(self) -> dict[str, Any]:
        """The options as they are where nothing is set."""
        return {option.name: option.default for option in self.options}

    def applies_to(self, record: Any) -> bool:
        """Whether this record, with `^` for what stands beside it, is an id that something is to be read for."""
        return isinstance(record, dict) and all(
            get_path(record, path) in ((wanted,) if isinstance(wanted, str) else wanted)
            for path, wanted in self.when.items()
        )

    def meaning_of(self, code: Any) -> str | None:
        """What an error's code means, as a number or as its digits; None for one that is not declared."""
        digits = str(code) if isinstance(code, int | str) and not isinstance(code, bool) else ""
        is_number = digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS
        return self.codes.get(int(digits)) if is_number else None


def fetch_of(connector: Connector | None) -> Fetch | None:
    """How the records of a source are read that it sends the ids of; None where it sends them whole."""
    return getattr(connector.intake, "fetch", None) if connector is not None else None

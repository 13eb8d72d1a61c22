"""What may stand under `options` of a source that is described in afluente.yaml alone, and the declaration it comes to.

Types are checked where afluente.yaml is read; what they cannot say is told here, by sentences that begin with the
option's name.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Literal

import msgspec

from connectors.kit.errors import ConfigurationError
from connectors.kit.paths import path_problem
from connectors.kit.sources.auth.options import AuthOption, secret_of
from connectors.kit.sources.configured.page_options import Name, PageSize, PagesOption, Way, declared_pages
from connectors.kit.sources.declarations import Connector, Cursor, Parent, Poll, Stream, Webhook
from connectors.kit.sources.paging.checks import wrong_words
from connectors.kit.sources.paging.declared import PageToken
from connectors.kit.sources.parts import as_paths
from connectors.kit.sources.shared_secrets import SharedSecret, header_problem

_PATHS = ("event_id", "occurred_at", "revised_at")


class WrongOptionsError(ConfigurationError):
    """`problems`: sentences, most of which begin with an option's name and a colon."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _RecordOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a source says of its records, as a Connector has it."""

    event_id: Name | None = None
    occurred_at: Name | None = None
    revised_at: Name | None = None
    contact_at: list[Name] = []
    revisions: Literal["replace", "add", "first"] = "replace"

    def _made(self, base: Connector, slug: str, intake: Poll | Webhook) -> Connector:
        """Raises ConfigurationError with all that is wrong."""
        problems = [] if isinstance(intake, Webhook) else wrong_words(intake)
        named = [(name, getattr(self, name)) for name in _PATHS]
        named += [("contact_at", path) for path in self.contact_at]
        for name, path in named:
            problems += path_problem(name, path)
        if isinstance(intake, Webhook):
            problems += [
                why for path in as_paths(intake.records_at) for why in path_problem("records_at", path, many=True)
            ]
        if problems:
            raise WrongOptionsError(list(dict.fromkeys(problems)))
        return dataclasses.replace(
            base,
            source=slug,
            title=f"{base.title} ({slug})",
            intake=intake,
            event_id=self.event_id,
            occurred_at=self.occurred_at,
            revised_at=self.revised_at,
            contact_at=tuple(self.contact_at),
            revisions=self.revisions,
        )


class ParentOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: Name
    records_at: Name | None = None
    id_at: Name = "id"
    params: dict[str, str | int | float | bool] = {}
    pages: Way | None = None
    most: PageSize = 1_000
    own_ids: bool = False

    def declared(self) -> Parent:
        pages = self.pages.declared() if self.pages is not None else None
        return Parent(**{**msgspec.structs.asdict(self), "pages": pages})


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: Name | None = None
    records_at: Name | None = None
    params: dict[str, str | int | float | bool] | None = None
    body: dict[str, Any] | None = None
    pages: PagesOption | None = None
    cursor: Cursor | None = None
    parent: ParentOptions | None = None

    def declared(self, name: str) -> Stream:
        parent = self.parent.declared() if self.parent is not None else None
        return Stream(name, **{**msgspec.structs.asdict(self), "pages": declared_pages(self.pages), "parent": parent})


class RestPollOptions(_RecordOptions, frozen=True):
    """An API that gives JSON. `params` and `headers` are sent with each call, `body` with POST. `auth` None: by the
    token, if one is set."""

    records_at: Name | None = None
    method: Literal["GET", "POST"] = "GET"
    params: dict[str, str | int | float | bool] = {}
    headers: dict[str, str] = {}
    body: dict[str, Any] | None = None
    errors_at: Name | None = None
    pages: PagesOption | None = None
    cursor: Cursor | None = None
    streams: dict[str, StreamOptions] = {}
    auth: AuthOption | None = None

    def connector(self, base: Connector, slug: str) -> Connector:
        """Raises ConfigurationError."""
        poll = dataclasses.replace(
            _declared(base),
            records_at=self.records_at,
            pages=declared_pages(self.pages),
            cursor=self.cursor,
            **_proof(self.auth, slug),
            method=self.method,
            params=self.params,
            headers=self.headers,
            body=self.body,
            errors_at=self.errors_at,
            streams=tuple(stream.declared(name) for name, stream in self.streams.items()),
        )
        return self._made(base, slug, poll)


class GraphQlPollOptions(_RecordOptions, frozen=True, kw_only=True):
    """A GraphQL API. `page_info_at`: the path of `pageInfo`, whose `endCursor` goes back as the variable `after`."""

    query: str
    variables: dict[str, Any] = {}
    records_at: Name
    page_info_at: Name | None = None
    after: Name = "after"
    event_id: Name | None = "id"
    headers: dict[str, str] = {}
    cursor: Cursor | None = None
    auth: AuthOption | None = None

    def connector(self, base: Connector, slug: str) -> Connector:
        """Raises ConfigurationError."""
        info = self.page_info_at
        pages = info and PageToken(param=self.after, at=f"{info}.endCursor", more_at=f"{info}.hasNextPage")
        sent = {self.after: f"{{{self.after}}}"} if pages else {}
        variables = {**sent, **self.variables}
        self._check_query(variables)
        poll = dataclasses.replace(
            _declared(base),
            records_at=self.records_at,
            pages=pages or None,
            cursor=self.cursor,
            **_proof(self.auth, slug),
            headers=self.headers,
            body={"query": self.query, "variables": variables},
        )
        return self._made(base, slug, poll)

    def _check_query(self, variables: dict[str, Any]) -> None:
        query = self.query
        if "{" not in query:
            raise WrongOptionsError(["query: is no query of GraphQL; it begins as query($after: String) { … }"])
        for name in variables:
            if not re.search(rf"\${re.escape(name)}\b", query):
                raise WrongOptionsError([f"variables.{name}: the query has no ${name}; declare it, or take it out"])


class RestHookOptions(_RecordOptions, frozen=True):
    """A sender that posts JSON or forms and shows a secret (Zapier, Make, n8n, Pabbly)."""

    records_at: Name | list[Name] | None = None
    event_id: Name | None = "external_id"
    idempotency_header: Name | None = None
    secret_header: Name | None = None
    secret_prefix: str = ""
    json_fields: list[Name] = []
    max_records: PageSize | None = None

    def connector(self, base: Connector, slug: str) -> Connector:
        """Raises ConfigurationError."""
        hook = base.intake
        if not isinstance(hook, Webhook):
            raise ConfigurationError(f"{base.source} is no webhook")
        if problem := header_problem(self.secret_header):
            raise WrongOptionsError([f"secret_header: {problem}"])
        if self.secret_prefix and self.secret_header is None:
            raise WrongOptionsError(["secret_prefix: stands before the secret in secret_header; name that header too"])
        many = self.records_at
        header = self.idempotency_header
        intake = dataclasses.replace(
            hook,
            records_at=tuple(many) if isinstance(many, list) else many,
            signature=SharedSecret(secret_of(slug, "SECRET"), header=self.secret_header, prefix=self.secret_prefix),
            idempotency_header=header.lower() if header else None,
            json_fields=tuple(self.json_fields),
            max_records=self.max_records,
        )
        return self._made(base, slug, intake)


def _declared(base: Connector) -> Poll:
    if not isinstance(base.intake, Poll):
        raise ConfigurationError(f"{base.source} is not polled")
    return base.intake


def _proof(auth: AuthOption | None, slug: str) -> dict[str, Any]:
    if auth is None:
        return {"token": secret_of(slug, "TOKEN"), "auth": None}
    return {"token": None, "auth": auth.declared(slug)}

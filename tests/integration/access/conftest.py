"""A source whose leads are had by OAuth, set up as a company's own, and the provider that gives them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from connectors.kit.registry import sources
from pipeline.access.tokens import DurableTokens
from pipeline.health.checks import Check
from pipeline.health.doctor import run_checks
from pipeline.inspection.access.connections import Connected, begin_connecting, finish_connecting
from pipeline.store.engine import transaction
from tests.support.company_sources import CompanySources, company_sources
from tests.support.oauth_server import CLIENT_ID, Provider, providing
from tests.support.services import forget_caches

BY_CODE = (
    'OAuthCode("{url}/authorize", "{url}/token", Secret("ACME_ADS_CLIENT"), Secret("ACME_ADS_SECRET"),'
    ' scopes=("leads.read",))'
)
BY_CLIENT = (
    'OAuthClient("{url}/token", Secret("ACME_ADS_CLIENT"), Secret("ACME_ADS_SECRET"), "leads.read",'
    ' client_auth="basic")'
)
_SAID = (
    'intake=Poll(url="{url}/leads", records_at="leads", cursor=Cursor("since", field="at"), rate_per_second=1000.0,'
    " auth={auth}), event_id='id'"
)
_MAPPING = "lead:\n  email: email\nignored: [at]\n"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with providing() as running:
        yield running


@pytest.fixture
def company(database, tmp_path, monkeypatch) -> Iterator[CompanySources]:
    yield from company_sources(tmp_path / "company", monkeypatch)


@pytest.fixture
def acme(company, provider, monkeypatch) -> Callable[..., None]:
    """Sets the source `acme_ads` up: by whose word it lets us in, and what afluente.yaml says of it."""

    def set_up(auth: str = BY_CODE, entry: dict[str, object] | None = None, **more: object) -> None:
        declared = auth.format(url=provider.url)
        company.declare("acme_ads", _SAID.format(url=provider.url, auth=declared), _MAPPING)
        crm = {"kind": "salesforce", "base_url": "http://127.0.0.1:9"}
        source = {"url": f"{provider.url}/leads", **(entry or {})}
        content = {"sources": {"acme_ads": source}, "destinations": {"crm": crm}, **more}
        (company.folder / "afluente.yaml").write_text(json.dumps(content))
        forget_caches()

    monkeypatch.setenv("ACME_ADS_CLIENT", CLIENT_ID)
    monkeypatch.setenv("ACME_ADS_SECRET", "secret-of-the-tests")
    set_up()
    return set_up


def connect(provider: Provider, source: str = "acme_ads", brand: str | None = None) -> Connected:
    """The account's owner agrees."""
    begun = begin_connecting(source, brand)
    _, led_to = provider.agree(begun.address)
    return finish_connecting(begun, led_to)


def check_of(source: str = "acme_ads") -> Check:
    """What `afluente doctor` says of it."""
    return next(check for check in run_checks() if check.name == f"source {source}")


def tokens(brand: str = "default", *, secret: str = "secret-of-the-tests") -> DurableTokens:
    """What a process of its own would read leads with."""
    grant = sources()["acme_ads"].intake.auth
    values = {"ACME_ADS_CLIENT": [CLIENT_ID], "ACME_ADS_SECRET": [secret]}
    return DurableTokens(
        brand, "acme_ads", grant, connector="acme_ads", secrets_of=lambda declared: values[declared.name]
    )


def stored_tokens() -> list[str]:
    """Each row of tokens as text; what is sealed by its own characters too, for a token in clear would stand in it."""
    with transaction() as connection:
        rows = connection.exec_driver_sql(
            "SELECT to_jsonb(t)::text || coalesce(encode(t.sealed, 'escape'), '') FROM source_tokens t"
        )
        return list(rows.scalars())

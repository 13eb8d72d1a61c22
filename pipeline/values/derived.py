"""Values made from a lead's or a person's own: computed where they are shown or sent, never stored.

Facts are kept, decisions are made from them: a better rule is in force with the next export and needs no migration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.values.companies.job_titles import job_function, job_level
from pipeline.values.emails.emails import suggestion
from pipeline.values.phones.matching import phone_type
from pipeline.values.places.states import state_code
from pipeline.values.web.websites import company_domain

Derive = Callable[[Mapping[str, Any]], str | None]


def derive(values: Mapping[str, Any]) -> dict[str, str]:
    """The derived values (`canonical.DERIVED_FIELDS`) that canonical `values` allow; those that say nothing are absent.

    Pure. Values of other types than text are passed over, so any mapping will do.
    """
    derived = {name: rule(values) for name, rule in RULES.items()}
    return {name: value for name, value in derived.items() if value is not None}


def _of(field: str, rule: Callable[[str], str | None]) -> Derive:
    def derived(values: Mapping[str, Any]) -> str | None:
        value = values.get(field)
        return rule(value) if isinstance(value, str) else None

    return derived


def _state_code(values: Mapping[str, Any]) -> str | None:
    state, country = values.get("state"), values.get("country")
    return state_code(state, country if isinstance(country, str) else None) if isinstance(state, str) else None


# Name -> how it is made. `docs/normalization.md` lists the same names; a test keeps the two together.
RULES: dict[str, Derive] = {
    "company_domain": company_domain,
    "job_level": _of("job_title", job_level),
    "job_function": _of("job_title", job_function),
    "state_code": _state_code,
    "phone_type": _of("phone", phone_type),
    "email_suggestion": _of("email", suggestion),
}

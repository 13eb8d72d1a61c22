"""Which company somebody is of, and what a company is by what its people say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from pipeline.canonical import COMPANY_SOURCES
from pipeline.store.deliveries.deliveries import PersonToSend
from pipeline.store.keyring import blind_index
from pipeline.store.people.companies import CompanyOf, Member, read_members
from pipeline.values.companies.companies import match_form
from pipeline.values.derived import RULES as DERIVED
from pipeline.values.normalized import is_empty
from pipeline.values.web.websites import company_domain

_SAID = tuple(name for name in COMPANY_SOURCES if name not in ("company_domain", "state_code", "company_id"))


def company_of(brand: str, values: Mapping[str, Any]) -> CompanyOf | None:
    """The company of somebody with these golden values, by its domain, else by its name; None: none is known.

    Two names that are alike never make one company of two domains, nor a name one of a domain.
    """
    domain, name = company_domain(values), values.get("company")
    if domain is not None:
        key = f"domain:{domain}"
    elif isinstance(name, str) and (form := match_form(name)):
        key = f"name:{form}"
    else:
        return None
    said = {field: values[field] for field in _SAID if field in values}
    index = blind_index()
    return CompanyOf(
        brand,
        index.content_id(f"company:{brand}:{key}".encode()),
        index.content_id(b"company:" + msgspec.json.encode({**said, "company_domain": domain}, order="sorted")),
    )


def companies_said(people: Mapping[UUID, PersonToSend]) -> dict[UUID, CompanyOf]:
    """Of which company each of these people is, as they say it now; those who name none, and who are another now, are
    left out. Pure."""
    return {
        person_id: company
        for person_id, person in people.items()
        if person.merged_into is None and (company := company_of(person.brand, person.values)) is not None
    }


def read_companies(connection: Connection, company_ids: Collection[UUID]) -> dict[UUID, dict[str, Any]]:
    """`company_values` of each company; those of whom nobody speaks any more are left out. One statement."""
    people: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for member in filter(speaks_of_it, read_members(connection, company_ids)):
        people[member.company_id].append(member.values)
    return {company_id: company_values(said) for company_id, said in people.items()}


def speaks_of_it(member: Member) -> bool:
    """Whether somebody is still of the company that they were of: who says another one now says nothing of this."""
    now = company_of(member.brand, member.values)
    return now is not None and now.key_id == member.key_id


def company_values(people: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of each fact what most of a company's people say, and of several what was said most lately.

    `people`: golden values, who spoke last first. A number or list counts as what it is, so equal ones count together.
    """
    said = [{**{name: person.get(name) for name in _SAID}, **_derived(person)} for person in people]
    found = {}
    for name in (*_SAID, "company_domain", "state_code"):
        values = [person[name] for person in said if not is_empty(person.get(name))]
        if values:
            counts = Counter(values)
            most = max(counts.values())
            found[name] = next(value for value in values if counts[value] == most)
    return found


def _derived(person: Mapping[str, Any]) -> dict[str, Any]:
    return {name: DERIVED[name](person) for name in ("company_domain", "state_code")}

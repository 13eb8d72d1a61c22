"""The objects of HubSpot that a mapping's `objects:` may name. A link's role is the name of the object it leads to."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.kit import ObjectType

CONTACTS = "contacts"
_COMPANIES = "companies"
_PEOPLE_OF_TOUCHES = (CONTACTS, _COMPANIES)
OBJECTS = (
    ObjectType(CONTACTS, ("person",), links=(_COMPANIES,)),
    ObjectType(_COMPANIES, ("company",)),
    ObjectType("notes", ("touch",), links=_PEOPLE_OF_TOUCHES),
    ObjectType("tasks", ("touch",), links=_PEOPLE_OF_TOUCHES),
)


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """`named_by`: a property that HubSpot brings; those that are made go into its group. `association_types`: of an
    association without a label, by the other object's name."""

    name: str
    named_by: str
    association_types: tuple[tuple[str, int], ...] = ()
    is_activity: bool = False


FACTS = {
    known.name: known
    for known in (
        ObjectFacts(CONTACTS, "email"),
        ObjectFacts(_COMPANIES, "name"),
        ObjectFacts("notes", "hs_timestamp", ((CONTACTS, 202), (_COMPANIES, 190)), is_activity=True),
        ObjectFacts("tasks", "hs_timestamp", ((CONTACTS, 204), (_COMPANIES, 192)), is_activity=True),
    )
}

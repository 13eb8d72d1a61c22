"""What every process of a node would load again at its first lead, met once before the node forks.

Vocabularies are read, number plans compiled, connectors and the database's dialect imported, so the processes share
that memory, and the first lead of each takes no longer than the next. No connection is opened: a socket is never
shared.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from connectors.kit.registry import destination_types
from pipeline.errors import AfluenteError, place_of
from pipeline.identity.matching.evidence import evidence_of, keys_of
from pipeline.identity.matching.name_agreement import agreement, name_of
from pipeline.logs import get_logger
from pipeline.records import Lead, Profile
from pipeline.settings.loading import Settings
from pipeline.stages.attribution.touches import touch_of
from pipeline.stages.destination_mapping.mapping import load_destination_mapping, map_person
from pipeline.stages.normalization import normalize_lead
from pipeline.stages.survivorship.survivorship import merge_profile
from pipeline.store.engine import make_engine
from pipeline.values.phones.plans import region_plan

_log = get_logger(__name__)
_NOBODY = UUID(int=0)
# Markets whose number plans are compiled, with the installation's own: 2 ms each, once in a node.
_MARKETS = ("US", "GB", "DE", "FR", "ES", "PT", "BR", "IT", "NL", "MX")
# A field of each kind that costs something when it is met first.
_FIELDS = {
    "first_name": "bob",
    "last_name": "BRANDT mba",
    "email": "Bob.Sample@works.example.com",
    "phone": "+44 20 7946 0018",
    "company": "sample works ltd",
    "website": "www.example.com",
    "job_title": "head of sales",
    "industry": "software",
    "city": "LONDON",
    "postal_code": "sw1a 1aa",
    "country": "United Kingdom",
    "language": "english",
    "message": "Please call back.",
    "utm_source": "google",
    "utm_medium": "cpc",
    "landing_page": "https://www.example.com/?utm_source=google&gclid=sample",
    "referrer": "https://www.google.com/",
}


def warm_up(known: Settings) -> None:
    """Meet everything once. Never raises: what is wrong is told by whoever meets it with a real lead."""
    for prepare in (_connectors, _database, _lead):
        try:
            prepare(known)
        except AfluenteError as error:
            _log.warning("warm_up_ended", reason=str(error))
        except Exception as error:  # noqa: BLE001 - a node without this is slower at first, and right
            _log.warning("warm_up_ended", reason=place_of(error))


def _connectors(_known: Settings) -> None:
    destination_types()


def _database(known: Settings) -> None:
    make_engine(known.database_url).dispose()  # imports the dialect and the driver; connects to nothing


def _lead(known: Settings) -> None:
    """An invented lead through what is pure of the chain, and to each destination's fields."""
    for region in _MARKETS:
        region_plan(region)
    now = datetime.now(UTC)
    lead = Lead(_NOBODY, "default", "api", "hot", now, now, "", fields=dict(_FIELDS))
    decided = normalize_lead(lead, default_region=known.region_for("api", "default"))
    if not isinstance(decided, Lead):  # by a rule of the company's
        return
    keys_of(evidence_of(decided))
    agreement(name_of("Bob Sample"), name_of("Robert Sample"))
    decided.person_id = _NOBODY
    touch_of(decided)
    profile, _ = merge_profile(Profile(), decided)
    values = {name: field.value for name, field in profile.fields.items()}
    for name in sorted({destination.mapping_name for destination in known.destinations.values()}):
        for mapping in load_destination_mapping(name).objects:
            try:
                map_person(mapping, _NOBODY, values, {})
            except AfluenteError:  # the mapping requires what this lead does not have
                continue

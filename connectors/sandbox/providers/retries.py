"""How often and how long each provider tries to deliver what was not taken, and what makes it stop for good.

As far as the providers publish it (the address in `docs_url` of the connector). Where they do not, `is_published` is
False and the schedule is one that a receiver must be able to live with.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

_MINUTE, _HOUR = 60.0, 3_600.0
_GONE = frozenset({410})


@dataclass(frozen=True, slots=True)
class Retries:
    """`waits`: seconds before each further attempt, none where nothing is tried again. `timeout_seconds`: of an answer.

    `on`: the statuses that are tried again, as no answer is; None: all that are not taken. `takes`: the statuses that
    count as taken; None: every 2xx. `switches_off`: statuses after which nothing is sent any more; `ends_given_up`: so
    it is once a delivery was given up.
    """

    waits: tuple[float, ...] = ()
    timeout_seconds: float = 10.0
    on: frozenset[int] | None = None
    takes: frozenset[int] | None = None
    switches_off: frozenset[int] = frozenset()
    ends_given_up: bool = False
    is_published: bool = True

    def is_taken(self, status: int | None) -> bool:
        if status is None:
            return False
        return 200 <= status < 300 if self.takes is None else status in self.takes

    def is_tried_again(self, status: int | None) -> bool:
        return status is None or self.on is None or status in self.on

    @property
    def hours(self) -> float:
        """From the first attempt to the last."""
        return sum(self.waits) / _HOUR


def _growing(count: int, total: float) -> tuple[float, ...]:
    """Waits that double, `total` seconds in all."""
    first = total / (2**count - 1)
    return tuple(first * 2**place for place in range(count))


def _even(wait: float, total: float) -> tuple[float, ...]:
    return (wait,) * round(total / wait)


_SERVER = frozenset({429, *range(500, 600)})
_META = Retries((0.0, *_growing(11, 36 * _HOUR)), 20.0, takes=frozenset({200}))
_INLINE = Retries(is_published=False)  # sent while a visitor's request waits: what fails is lost

RETRIES: dict[str, Retries] = {
    "cal_com": Retries(is_published=False),
    "calendly": Retries(_growing(10, 24 * _HOUR), 15.0, ends_given_up=True),
    "contact_form_7": _INLINE,
    "elementor": _INLINE,
    "eventbrite": Retries(_growing(5, _HOUR), switches_off=_GONE, is_published=False),
    "google_ads_lead_form": Retries(
        _growing(6, 6 * _HOUR), on=frozenset(range(500, 600)), takes=frozenset({200}), is_published=False
    ),
    "gravity_forms": _INLINE,
    "hubspot_events": Retries(_growing(10, 24 * _HOUR), 5.0),
    "hubspot_workflow": Retries(_growing(10, 24 * _HOUR), 5.0),
    "intercom": Retries((_MINUTE,), 5.0, switches_off=_GONE, is_published=False),
    "jotform": Retries(is_published=False),
    "linkedin_lead_gen": Retries(_even(5 * _MINUTE, 8 * _HOUR), is_published=False),
    "mailchimp": Retries(_growing(5, 75 * _MINUTE), 10.0),
    "messenger_instagram": _META,
    "meta_lead_ads": _META,
    "rest_hook": Retries(_growing(4, 25 * _MINUTE), on=_SERVER, switches_off=_GONE),
    "shopify": Retries(_growing(8, 4 * _HOUR), 5.0, ends_given_up=True),
    "standard_webhooks": Retries(
        (5, 5 * _MINUTE, 30 * _MINUTE, *(hours * _HOUR for hours in (2, 5, 10, 14, 20, 24))), 20.0, switches_off=_GONE
    ),
    "tally": Retries((5 * _MINUTE, 30 * _MINUTE, _HOUR, 6 * _HOUR, 24 * _HOUR), 10.0, is_published=False),
    "tiktok_lead_gen": Retries(_growing(12, 72 * _HOUR), takes=frozenset({200})),
    "typeform": Retries(
        _even(2.5 * _MINUTE, 10 * _HOUR),
        30.0,
        on=frozenset({408, 423, 429, 503}),
        switches_off=frozenset({404, 410}),
        is_published=False,
    ),
    "whatsapp_cloud": Retries((0.0, *_growing(12, 7 * 24 * _HOUR)), 20.0, takes=frozenset({200})),
    "zendesk": Retries((15.0, 60.0, 300.0), 12.0, on=frozenset({409, 429, 503}), is_published=False),
    "zoom_webinar": Retries((5 * _MINUTE, 20 * _MINUTE, 60 * _MINUTE), 3.0, takes=frozenset({200, 204})),
}
_UNKNOWN = Retries(_growing(5, _HOUR), is_published=False)


def retries_of(source: str) -> Retries:
    return RETRIES.get(source, _UNKNOWN)


def attempts_at(retries: Retries) -> list[float]:
    """Seconds after the first attempt at which each is made."""
    return list(accumulate(retries.waits, initial=0.0))

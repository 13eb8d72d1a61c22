"""What an answer says of whether more pages follow: at the path declared, or in the fields that most APIs use.

Believed is what a wrong guess can do no harm by: "more follow" costs a call at worst. "No more" is believed of a field
that says just this (`has_more`, `next`), not of a number of records or pages, which some servers count otherwise than
they give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from connectors.kit.paths import get_path
from connectors.kit.sources.paging.declared import Offset, PageNumber

_PARTS = ("meta", "_meta", "paging", "pagination", "pageinfo", "page_info", "pageInfo", "page", "links", "_links")
_MORE = {
    *("hasmore", "hasnext", "hasnextpage", "hasmorepages", "hasmoreitems", "hasmoreresults", "hasmoredata"),
    *("more", "moreresults", "morerecords", "moreitems", "moreitemsincollection", "morepages", "hasmorerecords"),
}
_LAST = {"last", "islast", "islastpage", "lastpage"}  # where they are yes or no
_NEXT = {"next", "nextpage", "nextpageurl", "nexturl", "nextlink", "nextpagelink", "@odata.nextlink"}
_TOTAL_PAGES = {"totalpages", "pagecount", "lastpage", "numpages", "pagestotal", "totalpagecount", "pages", "maxpage"}
_TOTAL = {"total", "totalcount", "totalresults", "totalrecords", "totalitems", "totalelements", "totalsize"}
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}


class PageSeen(NamedTuple):
    """The page that was read: its place (from 0), the number it was asked for by, and how many records the largest of
    its run held."""

    place: int
    number: int
    largest: int


def more_follow(
    answer: Any, links: Mapping[str, Any], page: PageSeen, declared: PageNumber | Offset, *, records_at: str | None
) -> bool | None:
    """True or False where the answer tells, None where it does not. A declared path wins."""
    if declared.more_at is not None:
        value = get_path(answer, declared.more_at)
        is_flag = _plain(declared.more_at.rpartition(".")[2]) in _MORE
        return ((_flag(value) if is_flag else None) or _next(value, page)) or False
    if isinstance(declared, PageNumber) and declared.total_pages_at is not None:
        count = _whole(get_path(answer, declared.total_pages_at))
        return None if count is None else page.place + 1 < count
    told = dict(_fields(answer, records_at))
    for find in (_by_flag, _by_next, _by_numbers):
        verdict = find(told, page)
        if verdict is not None:
            return verdict
    if links:
        return "next" in links or None
    return None


def says_more(answer: Any, path: str) -> bool | None:
    """What a declared yes or no says of more; None where there is none."""
    return _flag(get_path(answer, path))


def tells_nothing_there(answer: Any, *, records_at: str | None) -> bool:
    """Whether an answer without its list says that there are no records: a total of nothing, or no more to come."""
    if not answer:
        return True
    told = dict(_fields(answer, records_at))
    is_elsewhere = any(isinstance(value, list) and value for value in told.values())  # the list has another name now
    if is_elsewhere or any(name in {"error", "errors", "exception", "fault"} and told[name] for name in told):
        return False
    return any(_whole(told[name]) == 0 for name in _TOTAL | _TOTAL_PAGES if name in told) or _by_flag(told) is False


def flags_say_last(answer: Any) -> bool:
    """Whether a yes or no says that no more follow: one about more, else one about a next page. It may stand in any
    part of the answer."""
    if not isinstance(answer, dict):
        return False
    flags = {name: flag for name, flag in _flat(answer) if isinstance(flag, bool)}
    told = {_plain(name): flag for name, flag in flags.items()}
    verdict = _by_flag(told)
    if verdict is not None:
        return not verdict
    following = [told[name] for name in _NEXT if name in told]
    return bool(following) and not any(following)


def _flat(answer: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in answer.items():
        if isinstance(value, dict):
            yield from value.items()
        yield name, value


def _fields(answer: Any, records_at: str | None) -> Iterator[tuple[str, Any]]:
    """Names without case, `_` and `-`, of the answer, of what stands beside its list, and of the usual parts of both.
    The outermost comes last: it wins."""
    if not isinstance(answer, dict):
        return
    beside = get_path(answer, records_at.rpartition(".")[0]) if records_at and "." in records_at else None
    wholes = [answer] if beside is None or not isinstance(beside, dict) else [beside, answer]
    for whole in wholes:
        for part in (*(whole.get(name) for name in _PARTS), whole):
            if isinstance(part, dict):
                yield from ((_plain(name), value) for name, value in part.items())


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _by_flag(told: Mapping[str, Any], _page: PageSeen | None = None) -> bool | None:
    more = [flag for name in _MORE if name in told and (flag := _flag(told[name])) is not None]
    last = [told[name] for name in _LAST if isinstance(told.get(name), bool)]
    if more or last:
        return any(more) or not all(last)
    return None


def _by_next(told: Mapping[str, Any], page: PageSeen) -> bool | None:
    verdicts = [_next(told[name], page) for name in _NEXT if name in told]
    return True if True in verdicts else False if False in verdicts else None


def _by_numbers(told: Mapping[str, Any], page: PageSeen) -> bool | None:
    counts = [count for name in _TOTAL_PAGES if name in told and (count := _whole(told[name])) is not None]
    if any(page.place + 1 < count for count in counts):
        return True
    totals = [count for name in _TOTAL if name in told and (count := _whole(told[name])) is not None]
    # Pages before may have held fewer than the largest: so this is the furthest that a total of records reaches.
    return True if any((page.place + 1) * page.largest < total for total in totals) else None


def _next(value: Any, page: PageSeen) -> bool | None:
    """Of a yes or no, a number of a page, an address, or an object that holds one."""
    if isinstance(value, dict):
        value = value.get("href", value.get("url", bool(value)))
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        word = value.strip().lower()
        return _WORDS[word] if not word.isdigit() else _next(int(word), page)
    number = _whole(value)
    if number is None:
        return bool(value)
    return False if number <= 0 else True if number > page.number else None


def _flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return _WORDS.get(str(value).strip().lower()) if isinstance(value, str | int) else None


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return int(value) if isinstance(value, int) or (value.isascii() and value.isdigit() and len(value) < 19) else None

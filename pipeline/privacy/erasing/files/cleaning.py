"""Records of erased people taken out of the files that drop folders keep: one file after the other, each noted.

A file that waits to be read is left alone: suppression stops its records when they come in, and once it was read it is
looked through with what changed since. Nothing that is told or stored of a file is its name.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple
from urllib.parse import unquote_plus
from uuid import UUID

import orjson

from pipeline.errors import TransientError
from pipeline.privacy.erasing.addresses import digests_in
from pipeline.privacy.erasing.files.folders import KeptFile, KeptFolder, Place, declared_folders, path_of
from pipeline.privacy.erasing.files.packed import UnknownContentError, texts_in
from pipeline.privacy.erasing.files.records import NoRecordsError, read_records
from pipeline.privacy.erasing.files.rewriting import Span, take_out
from pipeline.privacy.erasing.progress import Progress
from pipeline.privacy.erasing.scanning import PAUSES, Wanted, wanted_in
from pipeline.privacy.retention.expiry import RETENTION
from pipeline.settings.loading import settings
from pipeline.store.engine import patiently, transaction
from pipeline.store.erasures import requests
from pipeline.store.session_lock import held_alone

_LOCK = 15  # of this installation's: of two who rewrote one file, one would put back what the other took out
_SECONDS = 20.0  # of one look: a file that was begun is finished
_SETTLES_NS = 600 * 1_000_000_000
_PAGE = 200  # files listed at once
_LEAST_DIGITS = 6
_FIRST: Place = (0, 0)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_OfWhom = Callable[[Sequence[str]], set[UUID]]  # the requests whose addresses stand in texts


class _Opened(NamedTuple):
    """A file: the descriptors of its folder and of itself."""

    folder: int
    name: str
    descriptor: int


class _Looked(NamedTuple):
    """What became of a file: by request the records that were taken out, and the requests of whom it is to be cleaned
    by hand."""

    taken: dict[UUID, int]
    by_hand: set[UUID]


def clean_files(request_ids: Collection[UUID]) -> bool:
    """Look through what changed in all drop folders after the place that is noted. True: nothing is left. Raises
    TransientError where a disk is full."""
    known = settings()
    slugs = declared_folders(known)
    wanted = wanted_in(_of_people(request_ids)) if slugs else []
    if not wanted:
        return True
    with held_alone(_LOCK) as is_held:
        if not is_held:
            return False
        ends_at = time.monotonic() + _SECONDS
        for slug in slugs:
            brands = known.source(slug).brands
            theirs = [of_brand for of_brand in wanted if brands is None or of_brand.brand in brands]
            if theirs and not _Cleaning(slug, theirs, ends_at).run():
                return False
    return True


def _of_people(request_ids: Collection[UUID]) -> set[UUID]:
    """Those of the requests that somebody asked for. How long files are kept of those whose time is over is for who
    keeps the folder: each would be a look into all files, and a task for a human where one is not rewritten."""
    with transaction(synchronous=False) as connection:
        held = requests.hold_requests(connection, request_ids)
    return {request_id for request_id, request in held.items() if request.asked_by != RETENTION}


class _Cleaning:
    """One look into one folder."""

    def __init__(self, slug: str, wanted: Sequence[Wanted], ends_at: float) -> None:
        self._slug = slug
        self._wanted = wanted
        self._ends_at = ends_at
        self._request_ids = {request_id for of_brand in wanted for request_id in of_brand.request_ids}

    def run(self) -> bool:
        """True: the folder is looked through, or cannot be."""
        after = self._begin()
        path = path_of(settings(), self._slug)
        try:
            if path is None:
                raise PermissionError
            with KeptFolder(path) as kept:
                while files := kept.next_files(after, _PAGE):
                    for file in files:
                        looked = self._look(kept, file)
                        after = file.changed
                        is_late = time.monotonic() > self._ends_at
                        if looked.taken or looked.by_hand or is_late or file is files[-1]:
                            self._note(after, looked, file.shown)
                        if is_late:
                            return False
            self._note(after, _Looked({}, set()))
        except OSError as error:
            if error.errno in _FULL:
                raise TransientError(
                    f"the disk of the folder of sources.{self._slug} is full: make room; it goes on by itself"
                ) from None
            self._note(after, _Looked({}, set()), is_away=True)
        return True

    def _begin(self) -> Place:
        with transaction(synchronous=False) as connection:
            held = requests.hold_requests(connection, self._request_ids)
        noted = [Progress.of(request.progress).files.get(self._slug, _FIRST) for request in held.values()]
        return min(noted, default=_FIRST)

    def _look(self, kept: KeptFolder, file: KeptFile) -> _Looked:
        """Raises OSError, for what is not of this file alone."""
        with suppress(FileNotFoundError), kept.opened(file.folder) as folder:  # moved since: it changed by that
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                descriptor = os.open(file.name, flags, dir_fd=folder)
            except OSError as error:
                if error.errno in (*_REFUSED, errno.ELOOP):
                    return _Looked({}, set(self._request_ids))
                raise
            try:
                return self._look_into(_Opened(folder, file.name, descriptor))
            finally:
                os.close(descriptor)
        return _Looked({}, set())

    def _look_into(self, file: _Opened) -> _Looked:
        about = os.fstat(file.descriptor)
        named = self._of_whom(_readings(file.name))
        spans: list[Span] = []
        taken: dict[UUID, int] = {}
        try:
            with os.fdopen(os.dup(file.descriptor), "rb") as opened:
                opened.seek(0)
                for record in read_records(opened):
                    if theirs := self._of_whom(record.texts):
                        spans.append((record.begin, record.end))
                        for request_id in theirs:
                            taken[request_id] = taken.get(request_id, 0) + 1
        except NoRecordsError:
            return _Looked({}, named | self._holders(file.descriptor))
        if not spans:
            return _Looked({}, named)
        if about.st_nlink > 1:  # what it is called elsewhere would keep them
            return _Looked({}, named | taken.keys())
        return self._rewrite(file, spans, about, _Looked(taken, named))

    def _rewrite(self, file: _Opened, spans: Sequence[Span], about: os.stat_result, looked: _Looked) -> _Looked:
        try:
            if take_out(file.folder, file.name, file.descriptor, spans, about):
                return looked
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            return _Looked({}, looked.by_hand | looked.taken.keys())
        return _Looked({}, looked.by_hand)  # somebody changed it meanwhile: it is looked at again, as it changed

    def _holders(self, descriptor: int) -> set[UUID]:
        """Who stands in a file that is not rewritten; all of them where that cannot be told."""
        found: set[UUID] = set()
        try:
            with os.fdopen(os.dup(descriptor), "rb") as opened:
                for texts in texts_in(opened):
                    found |= self._of_whom(texts)
        except UnknownContentError:
            return set(self._request_ids)
        return found

    def _of_whom(self, texts: Sequence[str]) -> set[UUID]:
        read = list(_worth_a_look(texts))
        if not read:
            return set()
        content = orjson.dumps(read)
        return {
            request_id
            for of_brand in self._wanted
            for request_id in of_brand.of_whom(digests_in(content, of_brand.brand))
        }

    def _note(self, place: Place, looked: _Looked, shown: str = "", *, is_away: bool = False) -> None:
        # What changed lately is looked at again: clocks of file systems are coarse, and those of servers another's.
        settled = min(place, (time.time_ns() - _SETTLES_NS, 0))
        patiently(partial(self._write, settled, looked, shown, is_away=is_away), pauses=PAUSES)

    def _write(self, place: Place, looked: _Looked, shown: str, *, is_away: bool) -> None:
        with transaction() as connection:
            for request_id, request in requests.hold_requests(connection, self._request_ids).items():
                taken, is_by_hand = looked.taken.get(request_id, 0), request_id in looked.by_hand
                before = Progress.of(request.progress)
                progress = before.cleaned(
                    self._slug, place, taken=taken, by_hand=[shown] if is_by_hand else [], is_away=is_away
                )
                is_news = request.state == requests.DONE and (taken or progress.by_hand != before.by_hand)
                state = requests.WAITING if is_news else None  # another certificate follows
                requests.write_progress(connection, request_id, progress.stored(), state=state)


def _readings(name: str) -> list[str]:
    """A file's name with its endings and without: `.csv` after an address reads as its end."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return [text, *(text.rsplit(".", count)[0] for count in range(1, min(text.count("."), 3) + 1))]


def _worth_a_look(texts: Iterable[str]) -> Iterable[str]:
    for text in texts:
        if "@" in text or "%40" in text or sum(map(str.isdigit, text)) >= _LEAST_DIGITS:
            yield text
            if "%" in text:
                yield unquote_plus(text)

"""A real Chromium, driven over the pipe of its DevTools protocol: no driver, no library, no port."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.services import folder_in_memory

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
needs_browser = pytest.mark.skipif(
    PROGRAM is None, reason="no Chromium on this machine: install the package `chromium`"
)
_ANSWER_SECONDS = 60.0
_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)  # fmt: skip


class Browser:
    """Chromium with a profile of its own; what a page stores is kept until it ends. For one thread."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._unread = b""
        self._last_id = 0
        self.events: set[tuple[str, str]] = set()  # (session, what happened) since somebody emptied it

    def open(self, address: str) -> Page:
        """A new tab, once the page has loaded."""
        page = self._tab()
        page.go(address)
        return page

    def _tab(self) -> Page:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        page.call("Page.enable")
        page.call("Network.enable")
        return page

    def call(self, method: str, *, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _ANSWER_SECONDS
        while True:
            answer = self._next_message(deadline)
            if "method" in answer:
                self.events.add((answer.get("sessionId", ""), answer["method"]))
            if answer.get("id") == self._last_id:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _next_message(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._unread:
            readable, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            assert readable, "the browser does not answer"
            part = os.read(self._answers, 1 << 20)
            assert part, "the browser has ended"
            self._unread += part
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)


class Page:
    """A tab."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser, self._target, self._session = browser, target, session

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, session=self._session, **params)

    def go(self, address: str) -> None:
        """To an address, until everything of the page is there."""
        self.call("Page.navigate", url=address)
        self.wait(f"document.readyState === 'complete' && location.href === {json.dumps(address)}")

    def run(self, script: str) -> Any:
        """The value of an expression, a promise's once it is there."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str, *, seconds: float = 30.0) -> None:
        """Until an expression is true."""
        deadline = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < deadline, (
                f"never came true: {condition}; page: {self.run('document.body.innerHTML')}"
            )
            time.sleep(0.05)

    def press_enter_in(self, selector: str) -> None:
        """As a visitor submits a form by the keyboard; works where the page's scripts are off."""
        node = self.call("DOM.querySelector", nodeId=self._root(), selector=selector)["nodeId"]
        assert node, f"there is no {selector}"
        self.call("DOM.focus", nodeId=node)
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Enter", windowsVirtualKeyCode=13, text="\r")

    def _root(self) -> int:
        return self.call("DOM.getDocument")["root"]["nodeId"]

    def without_scripts(self) -> None:
        """From the next page on."""
        self.call("Emulation.setScriptExecutionDisabled", value=True)

    def load(self, address: str) -> None:
        """As `go`, of a page whose scripts are off, which cannot be asked."""
        self._browser.events.clear()
        self.call("Page.navigate", url=address)
        deadline = time.monotonic() + _ANSWER_SECONDS
        while (self._session, "Page.loadEventFired") not in self._browser.events:
            self._browser.call("Browser.getVersion")  # what happened is told with an answer
            assert time.monotonic() < deadline, f"{address} does not load"
            time.sleep(0.05)

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    """Ends with every process of it and its profile."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(dir=folder_in_memory(), ignore_cleanup_errors=True) as profile:
        to_browser, commands = os.pipe()
        answers, from_browser = os.pipe()
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (to_browser, from_browser)]  # clear of 3 and 4,
        shell = f'exec "$0" "$@" 3<&{theirs[0]} 4>&{theirs[1]}'  # which are the protocol's
        process = subprocess.Popen(
            ["/bin/bash", "-c", shell, PROGRAM, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for end in (to_browser, from_browser, *theirs):
            os.close(end)
        try:
            yield Browser(commands, answers)
        finally:
            os.close(commands)
            os.close(answers)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)

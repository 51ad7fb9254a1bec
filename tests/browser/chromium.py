"""A small client of Chromium's DevTools protocol, over the pipe that it offers."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
WAIT = 60


def found() -> str | None:
    """Where Chromium is; None where there is none."""
    return (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )


class Tab:
    """One page of a browser. `events` holds what the page reported."""

    def __init__(self, pipes: tuple[int, int]) -> None:
        self._read, self._write = pipes
        self._buffer = b""
        self._last = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._last:
                assert "error" not in told, told
                return told["result"]

    def _next(self, wait: float = WAIT) -> dict[str, Any]:
        until = time.monotonic() + wait
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0, until - time.monotonic()))
            if not ready:
                raise TimeoutError("Chromium did not answer")
            more = os.read(self._read, 1 << 20)
            assert more, "Chromium ended"
            self._buffer += more
        one, _, self._buffer = self._buffer.partition(b"\0")
        told = json.loads(one)
        if "method" in told:
            self.events.append(told)
        return told

    def open(self, url: str) -> float:
        """Open an address, and wait until it has loaded; seconds from the start to `load`."""
        seen = len(self.events)
        began = time.monotonic()
        self.call("Page.navigate", url=url)
        while not any(e["method"] == "Page.loadEventFired" for e in self.events[seen:]):
            self._next()
        return time.monotonic() - began

    def view(self, width: int, *, dark: bool = False, height: int = 900) -> None:
        """As on a screen so wide, in one of the two colour schemes."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives. The page's own policy does not bind us."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        self.call("Input.insertText", text=text)

    def picture(self, path: Path, *, whole: bool = True) -> Path:
        """A screenshot."""
        told = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(told["data"]))
        return path

    def pdf(self, path: Path) -> Path:
        """The page as it is printed."""
        told = self.call(
            "Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69
        )
        path.write_bytes(base64.b64decode(told["data"]))
        return path

    def sign_in(self, url: str, token: str, *, host: str = "127.0.0.1") -> None:
        """With the cookie, as the form would set it."""
        self.call("Network.setCookie", name="evidence", value=token, domain=host, path="/")

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, among them requests that failed."""
        found = []
        for event in self.events:
            told = event["params"]
            if event["method"] == "Log.entryAdded" and told["entry"]["level"] in (
                "error",
                "warning",
            ):
                found.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
            if event["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                found.append(str(told))
        return found

    def asked_for(self) -> list[str]:
        """The addresses of all requests."""
        sent = [e for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [e["params"]["request"]["url"] for e in sent]


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """A Chromium with a profile of its own."""
    to_it, our_write = os.pipe()
    our_read, from_it = os.pipe()

    def hand_over() -> None:
        # Chromium takes the pipe as descriptors 3 and 4; move ours out of their way first.
        high = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (to_it, from_it)]
        os.dup2(high[0], 3)
        os.dup2(high[1], 4)

    process = subprocess.Popen(
        [found() or "chromium", *FLAGS, f"--user-data-dir={profile}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(profile.parent / "chromium.log").open("wb"),
        preexec_fn=hand_over,
        close_fds=False,
        start_new_session=True,
    )
    os.close(to_it)
    os.close(from_it)
    try:
        yield Tab((our_read, our_write))
    finally:
        os.close(our_write)
        os.close(our_read)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait(5)

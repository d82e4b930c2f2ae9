# SPDX-License-Identifier: GPL-2.0-only
"""A headless Chromium for tests of pages: driven over a pipe, by its DevTools protocol.

What a page asks for, says and does wrong is kept, so that a test can insist on silence.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fio import skip

_NAMES = ("chromium-headless-shell", "chromium")
_TIMEOUT = 120.0


class Browser:
    """One tab. Loading a page starts with a clean record."""

    def __init__(self) -> None:
        name = next(filter(None, map(shutil.which, _NAMES)), None)
        if not name:
            skip(f"needs a browser: {' or '.join(_NAMES)}")
        self._home = tempfile.TemporaryDirectory(prefix="fio-dmabuf-browser-")
        # It reads orders from descriptor 3 and writes answers to 4.
        orders, self._out = os.pipe()
        self._in, answers = os.pipe()
        # Its own services are kept from the network, so that what asks is the page.
        argv = [str(name), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                "--disable-background-networking", "--disable-component-update",
                "--hide-scrollbars", "--remote-debugging-pipe",
                f"--user-data-dir={self._home.name}", "about:blank"]
        shell = f'exec "$@" 3<&{orders} 4>&{answers}'
        self._process = subprocess.Popen(
            ["sh", "-c", shell, "sh", *argv], pass_fds=(orders, answers),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self._home.name})
        os.close(orders)
        os.close(answers)
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._loaded = False
        tab = next(t for t in self.order("Target.getTargets")["targetInfos"]
                   if t["type"] == "page")
        self._session = self.order("Target.attachToTarget", targetId=tab["targetId"],
                                   flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.order(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)
        # Its helpers may still be writing there.
        shutil.rmtree(self._home.name, ignore_errors=True)
        self._home._finalizer.detach()  # type: ignore[attr-defined]

    def _message(self, end: float) -> dict[str, Any]:
        """The next one that it sends."""
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(end - time.monotonic(), 0))
            more = os.read(self._in, 1 << 20) if ready else b""
            assert more, "the browser is silent" if not ready else "the browser has ended"
            self._buffer += more
        text, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        """Keeps what an event tells."""
        what, facts = event.get("method"), event.get("params", {})
        if what == "Network.requestWillBeSent":
            self.requests.append(facts["request"]["url"])
        elif what == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(facts["exceptionDetails"]))
        elif what == "Runtime.consoleAPICalled":
            self.complaints.append(f"console: {json.dumps(facts['args'])}")
        elif what == "Log.entryAdded":
            self.complaints.append(f"log: {facts['entry']['text']}")
        elif what == "Page.loadEventFired":
            self._loaded = True

    def order(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One order of the protocol, and its answer."""
        self._number += 1
        order: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._out, json.dumps(order).encode() + b"\0")
        end = time.monotonic() + _TIMEOUT
        while True:
            got = self._message(end)
            if got.get("id") == self._number:
                assert "error" not in got, (method, got)
                result: dict[str, Any] = got["result"]
                return result
            self._note(got)

    def load(self, page: Path) -> None:
        """Opens a file and waits until all of it is there."""
        self._loaded = False
        self.requests.clear()
        self.complaints.clear()
        self.order("Page.navigate", url=page.as_uri())
        end = time.monotonic() + _TIMEOUT
        while not self._loaded:
            self._note(self._message(end))

    def look(self, width: int, height: int, phone: bool = False) -> None:
        """Gives the page a screen of that size."""
        self.order("Emulation.setDeviceMetricsOverride", width=width, height=height, mobile=phone,
                   deviceScaleFactor=2 if phone else 1)

    def value(self, expression: str) -> Any:
        """What JavaScript makes of an expression."""
        got = self.order("Runtime.evaluate", expression=expression, returnByValue=True,
                         awaitPromise=True)
        assert "exceptionDetails" not in got, (expression, got)
        return got["result"].get("value")

    def click(self, expression: str) -> None:
        """Clicks with the mouse into the middle of an element, once it is in sight."""
        x, y = self.value(f"(() => {{ const e = {expression}; e.scrollIntoView({{block: 'center'}});"
                          " const r = e.getBoundingClientRect();"
                          " return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        for kind in ("mousePressed", "mouseReleased"):
            self.order("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Keeps a picture, of the WHOLE page or of what is in sight."""
        data = self.order("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))

"""A real server over a workspace of its own, and the system's Chromium to look at it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from wafer_core.jobs import worker_pid
from wafer_core.readers import NamedBytes
from wafer_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90_000
"""Milliseconds a page may take: the first one loads models on a machine that others use too."""
TABS = pytest.StashKey[BrowserContext]()
"""Where a test keeps its tabs, for a failure to tell what they showed."""
WORKER_IDLE = "300"
"""Seconds a worker without work stays: the next story finds it warm, and the last one ends it."""


@dataclass
class Server:
    """The dashboard as a process that a story may kill and start again over the same workspace."""

    home: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.home.with_name("server.log")

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the server and wait until it says it is well."""
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--server.port", str(self.port)],
                cwd=ROOT,
                env=os.environ | {"WAFERDISTILL_HOME": str(self.home), "WAFERDISTILL_WORKER_IDLE": WORKER_IDLE},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + PATIENCE / 1000
        while not self._well():
            if not self.alive or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"the server did not come up:\n{self.output()}")
            time.sleep(0.1)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """End the server, politely or not; its worker, a process of its own, lives on."""
        if self.process is not None and self.alive:
            self.process.send_signal(with_signal)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kill(self) -> None:
        """Kill the server as a power cut would."""
        self.stop(signal.SIGKILL)

    def stop_worker(self) -> None:
        """End the worker of this workspace, if there is one."""
        pid = worker_pid(Workspace(self.home))
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def output(self) -> str:
        """What the server has printed so far, for failure messages."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _well(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@pytest.fixture(scope="session")
def only_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server all stories share, for each of them brings lots of its own; it is not started yet."""
    running = Server(tmp_path_factory.mktemp("dashboard") / "home", _free_port())
    yield running
    running.stop()
    if running.home.exists():
        running.stop_worker()


@pytest.fixture
def server(only_server: Server) -> Server:
    """A running dashboard, started again where the story before killed it."""
    if not only_server.alive:
        only_server.start()
    return only_server


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium; a machine without one fails, it does not skip."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.fail("The browser tests need Chromium: install it so that 'chromium' is on PATH.")
    expect.set_options(timeout=PATIENCE)
    playwright: Playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        yield browser
        browser.close()


@pytest.fixture
def open_page(request: pytest.FixtureRequest, chromium: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """A function that opens an address of the dashboard in a fresh tab and waits until it is drawn."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)

    def open_at(path: str = "/") -> Page:
        page = context.new_page()
        page.goto(server.url + path)
        settle(page)
        return page

    request.node.stash[TABS] = context
    yield open_at
    context.close()


@pytest.fixture
def shelve(server: Server) -> Callable[..., str]:
    """A function that puts files into the workspace as an upload does, and returns the lot's id."""

    def put(*paths: Path) -> str:
        files = [NamedBytes(path.name, path.read_bytes()) for path in paths]
        return Workspace(server.home).read_upload(files)

    return put


def settle(page: Page) -> None:
    """Wait until Streamlit is connected and no script runs."""
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-connection-state", "CONNECTED")
    expect(app).to_have_attribute("data-test-script-state", "notRunning")


@pytest.fixture(name="settle")
def settle_fixture() -> Callable[[Page], None]:
    """`settle(page)`: wait until Streamlit is connected and no script runs."""
    return settle


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Put beside a failure what the server printed and what its tabs showed."""
    report = yield
    running = getattr(item, "funcargs", {}).get("server")
    if report.failed and isinstance(running, Server):
        report.sections.append(("server output", running.output()))
    if report.failed and call.when == "call" and TABS in item.stash:
        for page in item.stash[TABS].pages:
            with suppress(PlaywrightError):
                report.sections.append((f"shown at {page.url}", page.locator("body").inner_text(timeout=5_000)))
    return report


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""A real server on a free port with a workspace of its own, and the system's Chromium to look at it."""

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
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from wafer_core.jobs import worker_pid
from wafer_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60_000
"""Milliseconds a page may take: the first one loads torch on a machine that others use too."""


@dataclass
class Server:
    """The dashboard as a process that a test may kill and start again over the same workspace."""

    home: Path
    port: int
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.home.with_name("server.log")

    def start(self) -> None:
        """Start the server and wait until it says it is well."""
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--server.port", str(self.port)],
                cwd=ROOT,
                env=os.environ | {"WAFERDISTILL_HOME": str(self.home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + PATIENCE / 1000
        while not self._well():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"the server did not come up:\n{self.output()}")
            time.sleep(0.1)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """End the server, politely or not; its worker, a process of its own, lives on."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

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


@pytest.fixture
def server(home: Path) -> Iterator[Server]:
    """A running dashboard over an empty workspace."""
    running = Server(home, _free_port())
    running.start()
    yield running
    running.stop()
    running.stop_worker()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium; a machine without one fails, it does not skip."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.fail("The browser tests need Chromium: install it so that 'chromium' is on PATH.")
    playwright: Playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """A function that opens an address of the dashboard in a fresh tab and waits until it is drawn."""
    expect.set_options(timeout=PATIENCE)
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)

    def open_at(path: str = "/") -> Page:
        page = context.new_page()
        page.goto(server.url + path)
        settle(page)
        return page

    yield open_at
    context.close()


@pytest.fixture(name="settle")
def settle_fixture() -> Callable[[Page], None]:
    """`settle(page)`: wait until Streamlit is connected and no script runs."""
    return settle


def settle(page: Page) -> None:
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-connection-state", "CONNECTED", timeout=PATIENCE)
    expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=PATIENCE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Put the server's output beside the failure of any test that used it."""
    report = yield
    running = getattr(item, "funcargs", {}).get("server")
    if report.failed and isinstance(running, Server):
        report.sections.append(("server output", running.output()))
    return report


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

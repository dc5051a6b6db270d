"""The dashboard as an engineer has it, for measurements: a server, its worker and a real Chromium."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from measurements.timing import ROOT
from wafer_core.jobs import worker_pid
from wafer_core.workspace import Workspace

PATIENCE = 180_000
"""Milliseconds after which something is not slow but broken."""

RERUN = r"""
selector => new Promise(resolve => {
  const app = document.querySelector("[data-testid=stApp]"), began = performance.now();
  const captions = () => Array.from(document.querySelectorAll("[data-testid=stCaptionContainer]"));
  const found = () => captions().map(each => each.textContent).find(text => /^Wafers \d/.test(text));
  const before = found();
  const look = () => {
    const done = found() !== undefined && found() !== before && app.dataset.testScriptState === "notRunning";
    done ? resolve((performance.now() - began) / 1000) : requestAnimationFrame(look);
  };
  document.querySelector(selector).click();
  look();
})
"""
"""From a click on a filter until the page says what it found and its script has ended, as the browser sees it."""


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run the dashboard over the workspace in the environment and give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([*command, "--server.port", str(port)], cwd=ROOT, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE / 1000
        while not _well(address):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"The server did not come up:\n{(folder / 'server.log').read_text()}")
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()
        worker = worker_pid(Workspace())
        if worker is not None:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGTERM)


@contextmanager
def browser_page() -> Iterator[Page]:
    """Give a page of the system's Chromium, 1440x900."""
    executable = shutil.which("chromium")
    if executable is None:
        raise SystemExit("This measurement needs Chromium: install it so that 'chromium' is on PATH.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def settle(page: Page) -> None:
    """Wait until Streamlit is connected and no script runs."""
    page.locator("[data-testid=stApp][data-test-connection-state=CONNECTED]").wait_for()
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


def rerun_seconds(page: Page, repeats: int) -> list[float]:
    """Return how long reruns of the Lot page take: wafers are filtered and shown again, in turns."""
    choices = "[class*=st-key-address-show] button"
    page.locator(choices).first.wait_for()
    settle(page)
    times = []
    for turn in range(repeats):
        times.append(float(page.evaluate(RERUN, f"{choices}:nth-of-type({2 - turn % 2})")))
        page.wait_for_timeout(100)
    return times


def _well(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False

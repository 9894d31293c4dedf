"""A real browser, and a real search that it looks at."""

import base64
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("actsearch")
SHOTS = Path(__file__).parents[2] / "build" / "shots"
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# MLflow opens a chat beside its pages, until a reader closes it.
WITHOUT_ASSISTANT = """try {
    localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
    localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
} catch {}"""
WITHOUT_TOOL_BARS = """document.head.append(
    Object.assign(document.createElement("style"), {textContent: ".modebar { display: none !important; }"}))"""
PATIENCE = 60  # seconds for what a page takes to come up; a page that is ready is not waited for


class Browser:
    """Chromium, as a reader has it.

    Args:
        driver: Selenium's.
    """

    def __init__(self, driver):
        self.driver = driver

    def open(self, address, *, width=1440, height=1000, dark=False):
        """Opens a page in a window of this size; requests and messages are counted from here."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get("about:blank")
        self.requests()
        self.messages()
        self.driver.get(address)

    def ask(self, script):
        """The value of a script's expression in the page."""
        return self.driver.execute_script(f"return {script}")

    def wait_for(self, script, what):
        """Waits until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.ask(script):
            assert time.monotonic() < end, f"{what} did not come: {self.ask('document.body.innerText')[:3000]}"
            time.sleep(0.2)

    def requests(self):
        """The addresses that were asked for since this was last called."""
        events = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def messages(self):
        """What stood in the console since this was last called."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def keep(self, name):
        """Keeps a picture of the whole page, without the tool bars that Plotly lays over its charts."""
        self.driver.execute_script(WITHOUT_TOOL_BARS)
        SHOTS.mkdir(parents=True, exist_ok=True)
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        (SHOTS / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium; these tests need it, and its driver."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs:
        pytest.fail("The tests of tests/browser need Chromium: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    for option in OPTIONS:
        options.add_argument(option)
    driver = webdriver.Chrome(options, Service(programs[1]))
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WITHOUT_ASSISTANT})
    yield Browser(driver)
    driver.quit()


@pytest.fixture(scope="session")
def searched(tmp_path_factory):
    """The directory of a search that was run from the command line, with its store beside it."""
    folder = tmp_path_factory.mktemp("searched")
    arguments = ["relu_variants", "--epochs", "4", "--executions", "3", "--directory", "found"]
    actsearch(folder, "search", *arguments)
    return folder / "found"


@pytest.fixture(scope="session")
def ui(searched):
    """The address at which `actsearch ui` says that it serves."""
    server = subprocess.Popen([PROGRAM, "ui", searched], stdout=subprocess.PIPE, text=True, cwd=searched.parent)
    line = server.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+\S*", line)
    assert found is not None, line
    yield found[0]
    server.terminate()
    server.wait(timeout=30)
    server.stdout.close()


def actsearch(folder, *arguments):
    """Runs the program in a folder."""
    done = subprocess.run([PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout

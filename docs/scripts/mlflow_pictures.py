"""Makes the pictures of MLflow's pages from a search that was written to a store.

    python docs/scripts/mlflow_pictures.py DIRECTORY [TRACKING_URI]

It needs Chromium, ChromeDriver and Selenium.
"""

import base64
import subprocess
import sys
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PICTURES = Path(__file__).parents[1] / "pictures"
PATIENCE = 90  # seconds
WITHOUT_ASSISTANT = """try {
    localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
    localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
} catch {}"""
# Plotly lays its tool bar over a chart wherever no pointer can hover; in a picture it would only hide data.
WITHOUT_TOOL_BARS = """document.head.append(
    Object.assign(document.createElement("style"), {textContent: ".modebar { display: none !important; }"}))"""
VIEWS = {
    "mlflow-trials.png": ("TABLE", 520, "document.querySelectorAll('.ag-center-cols-container .ag-row').length > 2"),
    "mlflow-charts.png": ("CHART", 1000, "document.querySelectorAll('.js-plotly-plot').length > 2"),
}


def shoot(driver: webdriver.Chrome, address: str, height: int, ready: str) -> bytes:
    """Returns a picture of a page, once an expression in it is true."""
    size = {"width": 1500, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get("about:blank")
    driver.get(address)
    end = time.monotonic() + PATIENCE
    while not driver.execute_script(f"return {ready}"):
        if time.monotonic() > end:
            sys.exit(f"{address} did not come up within {PATIENCE} s")
        time.sleep(0.5)
    driver.execute_script(WITHOUT_TOOL_BARS)
    time.sleep(4)  # charts move into their places
    return base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", {})["data"])


def main(directory: str, *store: str) -> None:
    """Serves the store, and writes the pictures."""
    command = [str(Path(sys.executable).with_name("actsearch")), "ui", directory]
    command += ["--tracking-uri", *store] if store else []
    options = webdriver.ChromeOptions()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            address = next(word for word in server.stdout.readline().split() if word.startswith("http"))
            driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
            driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WITHOUT_ASSISTANT})
            for name, (mode, height, ready) in VIEWS.items():
                view = address.replace("compareRunsMode=TABLE", f"compareRunsMode={mode}")
                (PICTURES / name).write_bytes(shoot(driver, view, height, ready))
            driver.quit()
        finally:
            server.terminate()


if __name__ == "__main__":
    main(*sys.argv[1:])

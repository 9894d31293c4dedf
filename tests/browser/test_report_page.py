import pytest

from actsearch.cli.report import report as run
from tests.helpers.browsers import browser, searched  # noqa: F401  fixtures

pytestmark = pytest.mark.slow
TABLE = "[...document.querySelectorAll('.trials tbody tr')]"


@pytest.fixture(scope="session")
def report(searched):
    """The address of a report's file."""
    path = searched.parent / "report.html"
    run(searched, path)
    return path.as_uri()


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_report_fits_its_window_and_asks_for_nothing(browser, report, width, dark):
    browser.open(report, width=width, dark=dark)
    browser.keep(f"report-{width}-{'dark' if dark else 'light'}")
    assert browser.ask("document.documentElement.scrollWidth") == width
    assert set(browser.requests()) <= {report, "data:,"}
    assert browser.messages() == []


@pytest.mark.parametrize(("width", "shown", "hidden"), [(360, "narrow", "wide"), (1440, "wide", "narrow")])
def test_pictures_are_those_for_the_window_and_fit_it(browser, report, width, shown, hidden):
    browser.open(report, width=width)
    sizes = browser.ask(f"[...document.querySelectorAll('.{shown} svg')].map(s => s.getBoundingClientRect().width)")
    assert len(sizes) == 6
    assert min(sizes) > 300
    assert max(sizes) <= width
    assert not any(browser.ask(f"[...document.querySelectorAll('.{hidden} svg')].map(s => s.clientWidth)"))


def test_a_page_is_dark_for_those_who_like_it(browser, report):
    colours = []
    for dark in (False, True):
        browser.open(report, dark=dark)
        style = "getComputedStyle(document.body)"
        colours.append((browser.ask(f"{style}.color"), browser.ask(f"{style}.backgroundColor")))
    assert colours == [("rgb(27, 27, 27)", "rgb(255, 255, 255)"), ("rgb(232, 232, 232)", "rgb(22, 24, 27)")]


def test_a_click_on_a_heading_sorts_the_table(browser, report):
    browser.open(report)
    values = f"{TABLE}.map(row => Number(row.children[4].dataset.order))"
    before = browser.ask(values)
    assert len(before) == 5
    for order, reverse in (("ascending", False), ("descending", True)):
        browser.ask("document.querySelectorAll('.trials thead button')[4].click()")
        assert browser.ask(values) == sorted(before, reverse=reverse)
        assert browser.ask("document.querySelectorAll('.trials thead th')[4].ariaSort") == order


def test_it_prints(browser, report):
    browser.open(report, width=360, dark=True)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert browser.ask("getComputedStyle(document.querySelector('.wide')).display") == "block"
        assert browser.ask("getComputedStyle(document.querySelector('.trials thead')).display") == "table-header-group"
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

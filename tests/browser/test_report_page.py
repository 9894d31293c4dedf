import pytest

from actsearch.analysis.verdict import verdict_of
from actsearch.cli.report import report as run
from actsearch.reports import html_report
from tests.helpers.browsers import browser, searched  # noqa: F401  fixtures
from tests.helpers.report_pages import KINDS

pytestmark = pytest.mark.slow
TABLE = "[...document.querySelectorAll('.trials tbody tr')]"


@pytest.fixture(scope="session")
def report(searched):
    """The address of a report's file."""
    path = searched.parent / "report.html"
    run(searched, path, html=True)
    return path.as_uri()


@pytest.fixture(scope="session", params=list(KINDS))
def kind(request, tmp_path_factory):
    """The name of a kind of search, and the address of its page."""
    record = KINDS[request.param]()
    path = tmp_path_factory.mktemp("page") / f"{request.param}.html"
    path.write_text(html_report(record, verdict_of(record)), "utf-8")
    return request.param, path.as_uri()


HIGHEST = 16_000  # pixels


@pytest.mark.parametrize("width", [390, 1440])
def test_a_page_of_any_kind_of_search_fits_and_has_its_pictures(browser, kind, width):
    name, address = kind
    browser.open(address, width=width)
    browser.keep(f"report-{name}-{width}")
    assert browser.ask("document.documentElement.scrollWidth") == width
    overflow = "(part => part.scrollWidth - part.clientWidth)(document.querySelector('.scroll'))"
    assert browser.ask(overflow) == 0
    assert browser.ask("document.documentElement.scrollHeight") < HIGHEST
    shown = "narrow" if width < 700 else "wide"
    sizes = browser.ask(f"[...document.querySelectorAll('.{shown} svg')].map(s => s.getBoundingClientRect().width)")
    assert len(sizes) == len(browser.ask("[...document.querySelectorAll('figure')]")) >= 4
    assert min(sizes) > 0.85 * (width if width < 700 else 1100)
    assert browser.messages() == []


@pytest.mark.parametrize("width", [390, 1440])
def test_any_two_trials_are_compared_seed_by_seed(browser, kind, width):
    browser.open(kind[1], width=width)
    marks = "document.querySelectorAll('#dots circle').length"
    told = "document.querySelector('#compared').textContent"
    before, executions = browser.ask(told), browser.ask(marks) - 1  # without the mean
    assert executions in (3, 5)
    assert browser.ask("document.querySelectorAll('#dots rect').length") == executions + 1
    browser.ask("((select) => { select.value = 2; select.dispatchEvent(new Event('change')); })(second)")
    assert browser.ask(told) != before
    assert f"of {executions} executions" in browser.ask(told)
    assert browser.ask("document.querySelector('#dots title').textContent")
    assert browser.ask("document.querySelector('#dots svg').getBoundingClientRect().width") <= width


def test_all_columns_can_be_shown_on_a_phone(browser, kind):
    browser.open(kind[1], width=390)
    shown = "[...document.querySelectorAll('.trials thead th')].filter(cell => cell.offsetWidth).length"
    assert browser.ask(shown) <= 5
    browser.ask("document.querySelector('#all-columns').click()")
    assert browser.ask(shown) > 7
    assert browser.ask("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("paper", [(8.27, 11.69), (8.5, 11.0)], ids=["A4", "Letter"])
def test_it_fits_paper(browser, kind, paper):
    """On paper, nothing is wider than what is between the margins."""
    browser.open(kind[1], width=round(96 * (paper[0] - 24 / 25.4)))
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        width = browser.ask("document.documentElement.clientWidth")
        assert browser.ask("document.documentElement.scrollWidth") <= width
        assert browser.ask("getComputedStyle(document.querySelector('.trials thead')).display") == "table-header-group"
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


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
        browser.ask("document.querySelectorAll('.trials thead th')[4].querySelector('button').click()")
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

"""The report in Debian's chromium: nothing is fetched, nothing overflows, everyone can read it."""

import os
import re
import shutil
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from harness import results as stored
from harness.archive import SAMPLE
from harness.decide import compare
from harness.show.html import page as report

CHROMIUM = shutil.which("chromium")
AXE = os.environ.get("RPCDUEL_AXE", "")
"""Path of axe-core's axe.min.js."""
MUST = os.environ.get("RPCDUEL_CI") == "1"
"""Whether what is missing fails instead of being skipped."""


def lacking(what, remedy):
    (pytest.fail if MUST else pytest.skip)(f"{what}: {remedy}")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        lacking("there is no chromium", "apt-get install chromium")
    api = (
        pytest.importorskip("playwright.sync_api") if not MUST else __import__("playwright.sync_api").sync_api
    )
    with api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def file(made, tmp_path_factory):
    """A report of two points with trouble, and names that would break out of HTML or of the screen."""
    costs = {
        "grpc-protobuf": 300_000,
        "grpc-msgpack@envoy,channel=shared,python=/usr/bin/python3.12": 298_000,
        "<script>document.title='broken'</script>": 93_000,
        "rest-json": 60_000,
        "thrift-binary": 50_000,
    }
    results = []
    for users in (1, 16):
        one = made.result(costs, floor=26_000, seed=users, rounds=12, long_rounds=3)
        results.append(replace(one, trial=replace(one.trial, scenario="unary", users=users)))
    results[1] = made.run(results[1], "rest-json", differs="field total: 3 instead of 4")
    results[1] = made.turns(results[1], foreign=lambda old: old + 900_000)
    written = tmp_path_factory.mktemp("report") / "report.html"
    written.write_text(report.render(results, compare.answer(results)), encoding="utf-8")
    return written


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Give a maker of the report of a stored run, by a pattern of its name."""

    @lru_cache
    def make(pattern):
        (run,) = SAMPLE.glob(pattern)
        found = stored.read_all(run)
        file = tmp_path_factory.mktemp("sample") / "report.html"
        file.write_text(report.render(found, compare.answer(found)), encoding="utf-8")
        return file

    return make


@contextmanager
def opened(browser, file):
    """Open a report on screens; what it fetches or complains about fails the test in the end."""
    contexts, trouble = [], []

    def go(width=1440, scheme="light", **options):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=False, **options
        )
        contexts.append(context)
        tab = context.new_page()
        tab.on(
            "console", lambda said: trouble.append(said.text) if said.type in {"error", "warning"} else None
        )
        tab.on("pageerror", lambda error: trouble.append(str(error)))
        own = file.as_uri()
        tab.route("**/*", lambda route: route.continue_() if route.request.url == own else refuse(route))
        tab.goto(own)
        return tab

    def refuse(route):
        trouble.append(f"fetches {route.request.url}")
        route.abort()

    yield go
    for context in contexts:
        context.close()
    assert trouble == []


@pytest.fixture
def visit(browser, file):
    with opened(browser, file) as go:
        yield go


def test_the_page_is_whole(visit):
    tab = visit()
    assert tab.title().startswith("What does one call cost on each stack")
    assert tab.locator("table.sortable").count() == 2
    assert tab.locator("svg.bar").count() >= 6
    assert tab.get_by_text("<script>document.title='broken'</script>").count() > 0


@pytest.mark.parametrize("press", ["click", "Enter", "Space"])
def test_a_table_is_sorted_by_mouse_and_by_keyboard(visit, press):
    tab = visit()
    table = tab.locator("table.sortable").first
    head = table.locator("thead th").filter(has_text="p50").first

    def go():
        button = head.locator("button")
        if press == "click":
            button.click()
        else:
            button.focus()
            button.press(press)

    def values():
        rows = table.locator("tbody").first.locator("tr").all()
        at = [each.inner_text() for each in table.locator("thead th").all()].index(head.inner_text())
        return [float(row.locator("th, td").nth(at).get_attribute("data-value")) for row in rows]

    before = values()
    go()
    assert head.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(before)
    go()
    assert head.get_attribute("aria-sort") == "descending"
    assert values() == sorted(before, reverse=True)
    assert table.locator("tbody").last.locator("tr").count() == 1  # the floor stays below
    assert table.locator("[aria-sort=ascending], [aria-sort=descending]").count() == 1


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_nothing_is_wider_than_the_screen(visit, width):
    tab = visit(width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "column"), [(320, 1), (390, 1), (1440, -1)])
def test_a_table_can_be_read_without_scrolling(visit, width, column, scheme):
    """On a phone up to the ratio, which is the answer; on a desk to the last column."""
    tab = visit(width, scheme)
    table = tab.locator("table.sortable").first
    assert "ratio" in table.locator("thead th").nth(1).inner_text()
    parts = table.evaluate(
        """(table, column) => [table.caption, ...[...table.rows].map((row) => [...row.cells].at(column))]
            .flatMap((each) => [each, ...each.querySelectorAll("span, svg")])
            .filter((each) => each.tagName !== "CAPTION")
            .map((each) => each.getBoundingClientRect().toJSON())""",
        column,
    )
    assert len(parts) > 12
    assert min(each["left"] for each in parts) >= 0
    shown = table.evaluate("table => table.parentElement.getBoundingClientRect().toJSON()")
    assert max(each["right"] for each in parts) <= shown["right"] <= width


def test_on_a_desk_the_tables_of_the_sample_are_whole(browser, sample):
    with opened(browser, sample("*-unary")) as go:
        tables = go(1440).locator(".scroll:has(> table.sortable)").all()
        assert len(tables) >= 2
        for table in tables:
            assert table.evaluate("each => each.scrollWidth - each.clientWidth") == 0


@pytest.mark.parametrize(("width", "columns"), [(390, 1), (768, 1), (1440, 2)])
def test_figures_use_the_width_of_the_page(browser, sample, width, columns):
    with opened(browser, sample("*-unary")) as go:
        tab = go(width)
        boxes = [each.bounding_box() for each in tab.locator(".plots > figure").all()]
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert len({round(box["x"]) for box in boxes}) == columns
    page = max(box["x"] + box["width"] for box in boxes) - min(box["x"] for box in boxes)
    assert page > 0.85 * width


@pytest.mark.parametrize("width", [390, 640, 1440])
def test_a_caption_wraps_within_what_is_seen(visit, width):
    tab = visit(width)
    for caption in tab.locator(".scroll caption:not(.heard)").all():
        fits = "each => each.firstElementChild.clientWidth <= each.closest('.scroll').clientWidth"
        assert caption.evaluate(fits), caption.inner_text()


def test_the_theme_follows_the_system_and_the_reader(visit):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = visit(scheme="light"), visit(scheme="dark")
    pale, deep = light.evaluate(ground), dark.evaluate(ground)
    assert pale != deep
    button = light.locator("#theme")
    button.click()
    assert light.evaluate(ground) == pale
    button.click()
    assert light.evaluate(ground) == deep
    light.reload()
    assert light.evaluate(ground) == deep
    assert re.search("dark", light.locator("#theme").inner_text())
    dark.emulate_media(media="print", color_scheme="dark")
    assert dark.evaluate(ground) == pale


def test_without_script_nothing_is_missing(visit):
    tab = visit(java_script_enabled=False)
    assert tab.locator("table.sortable tbody tr").count() == 12
    assert not tab.locator("#theme").is_visible()


def test_paper_has_all_that_the_screen_has_but_its_controls(visit):
    tab = visit(690)
    tab.emulate_media(media="print")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 690
    assert not tab.locator("#theme").is_visible()
    for head in tab.locator("table.sortable thead th").all():
        assert head.locator("button").is_visible()


def test_paper_breaks_no_number_and_no_word_of_a_table(browser, sample):
    with opened(browser, sample("*-unary")) as go:
        tab = go(690)
        tab.emulate_media(media="print")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 690
        broken = tab.evaluate(
            """() => {
                const cells = [...document.querySelectorAll("table.figures thead th, table.figures td")];
                const texts = cells.flatMap((cell) => {
                    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
                    const found = [];
                    while (walker.nextNode()) { found.push(walker.currentNode); }
                    return found;
                });
                return texts.flatMap((text) => [...text.data.matchAll(/[^\\s]+/g)].filter((word) => {
                    const range = document.createRange();
                    range.setStart(text, word.index);
                    range.setEnd(text, word.index + word[0].length);
                    return range.getClientRects().length > 1;
                }).map((word) => word[0]));
            }"""
        )
        assert broken == []


def test_on_a_phone_evidence_is_read_without_scrolling(browser, sample):
    with opened(browser, sample("*-claims")) as go:
        tables = go(390).locator(".scroll:has(> .evidence)").all()
        assert len(tables) >= 8
        for table in tables:
            assert table.evaluate("each => each.scrollWidth - each.clientWidth") <= 0


@pytest.mark.parametrize("run", ["*-channels", "*-claims"])
def test_what_can_be_jumped_to_has_names_of_its_own(browser, sample, run):
    with opened(browser, sample(run)) as go:
        names = go(1440).evaluate(
            """() => [...document.querySelectorAll("[role=region], aside, nav, section")].map((each) => {
                const named = document.getElementById(each.getAttribute("aria-labelledby"));
                return each.getAttribute("aria-label") ?? named.textContent;
            })"""
        )
        assert len(names) > 10
        assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, scheme, width):
    if not Path(AXE).is_file():
        lacking("there is no axe-core", "npm pack axe-core, and RPCDUEL_AXE=…/axe.min.js")
    assert serious(visit(width, scheme)) == []


def serious(tab):
    """Let axe look at a page; gives what keeps people from reading it."""
    tab.evaluate(Path(AXE).read_text(encoding="utf-8"))
    found = tab.evaluate("axe.run()")["violations"]
    return [
        f"{each['impact']} {each['id']}: {each['help']} at {[node['target'] for node in each['nodes'][:3]]}"
        for each in found
        if each["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize(
    "run", sorted(path for path in SAMPLE.iterdir() if path.is_dir()), ids=lambda run: run.name
)
def test_a_page_of_the_sample_is_whole_and_can_be_read(browser, run, tmp_path):
    if not Path(AXE).is_file():
        lacking("there is no axe-core", "npm pack axe-core, and RPCDUEL_AXE=…/axe.min.js")
    found = stored.read_all(run)
    file = tmp_path / "report.html"
    file.write_text(report.render(found, compare.answer(found)), encoding="utf-8")
    assert file.stat().st_size < 3_000_000
    with opened(browser, file) as go:
        for width, scheme in ((390, "light"), (1440, "dark")):
            tab = go(width, scheme)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.locator("figure svg[role=img]").count() >= 1
            assert tab.locator("table").count() >= 1
            assert serious(tab) == []

"""The site in a real browser, from files: everything a reader does, and nothing asked of anybody.

Chromium is the one of EFFICIENT_CHROMIUM or on PATH; without one these tests are skipped, and fail
where EFFICIENT_REQUIRE_BROWSER=1 promises it.
"""

from __future__ import annotations

import os
import re
import shutil

import pytest
from fabrication import records
from playwright.sync_api import expect, sync_playwright

from efficient.report.site.address import stem

TIMES = "\N{MULTIPLICATION SIGN}"
NAMES = ("chromium", "chromium-browser", "google-chrome")
DISTILLED = next(r for r in records() if r.arm == "distilled" and r.workload == "digits")
KINDS = {
    "overview": "index.html",
    "comparison": "comparisons/shakespeare.html",
    "run": f"runs/{stem(DISTILLED.run_id)}.html",
    "runs": "runs.html",
    "difference": f"diff.html?a={stem(records()[0].run_id)}&b={stem(DISTILLED.run_id)}",
}


def chromium() -> str:
    """Path of the browser; the test is skipped without one."""
    named = os.environ.get("EFFICIENT_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if found and shutil.which(found):
        return found
    missing = f"EFFICIENT_CHROMIUM={named} cannot be run" if named else f"no {NAMES[0]} on PATH"
    if os.environ.get("EFFICIENT_REQUIRE_BROWSER") == "1":
        pytest.fail(f"EFFICIENT_REQUIRE_BROWSER=1, but {missing}")
    pytest.skip(f"{missing}: install Debian's chromium or set EFFICIENT_CHROMIUM")


@pytest.fixture(scope="module")
def browser():
    path = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


class Reader:
    """A tab that keeps what went wrong: errors on the console, requests to anywhere."""

    def __init__(self, browser, folder, **options):
        self.context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
        self.tab, self.folder, self.faults = self.context.new_page(), folder, []
        self.tab.set_default_timeout(5000)
        self.context.route("**/*", self._ask)
        self.tab.on("pageerror", lambda error: self.faults.append(str(error)))
        self.tab.on("console", self._heard)

    def open(self, address):
        self.tab.goto(f"{self.folder.as_uri()}/{address}")
        self.tab.wait_for_load_state("load")
        return self.tab

    def _ask(self, route):
        if route.request.url.startswith(f"{self.folder.as_uri()}/"):
            route.continue_()
        else:
            self.faults.append(route.request.url)
            route.abort()

    def _heard(self, message):
        if message.type in ("error", "warning"):
            self.faults.append(message.text)


@pytest.fixture
def reader(browser, site):
    made = Reader(browser, site)
    yield made
    made.context.close()
    assert made.faults == []


def arms(tab):
    return tab.locator("section.workload:visible tbody tr:visible th a").all_inner_texts()


def marks(tab):
    return tab.locator("section.workload:visible .drawing svg a")


def test_overview_draws_an_arm_for_each_mark(reader):
    tab = reader.open("index.html")
    assert tab.locator("section.workload:visible h2").inner_text() == "digits"
    assert len(arms(tab)) == marks(tab).count() == 5
    axis = tab.locator(".drawing:visible").inner_text()
    assert "executed training FLOPs, logarithmic" in axis and "TFLOP" in axis


def test_axis_changes_the_plot_and_the_address(reader):
    tab = reader.open("index.html")
    before = marks(tab).evaluate_all("all => all.map(a => a.getBoundingClientRect().left)")
    tab.select_option("[name=x]", "stored_bytes")
    after = marks(tab).evaluate_all("all => all.map(a => a.getBoundingClientRect().left)")
    assert before != after
    assert "stored bytes" in tab.locator(".drawing:visible").inner_text()
    assert tab.url.endswith("#workload=digits&x=stored_bytes")
    tab.uncheck("[name=log]")
    assert "logarithmic" not in tab.locator(".drawing:visible").inner_text()
    assert tab.url.endswith("&log=no")


def test_unknown_axis_cannot_be_chosen_and_says_why(reader):
    assert reader.open("index.html#workload=constructor&x=__proto__") is reader.tab
    tab = reader.open("runs.html") and reader.open("index.html#x=energy_j")
    assert tab.locator("[name=x]").input_value() == "flops_executed"
    option = tab.locator("[name=x] option[value=energy_j]")
    assert option.is_disabled()
    assert "no counter can be read" in (option.get_attribute("title") or "")
    tab.select_option("[name=workload]", "shakespeare")
    assert tab.locator("[name=x] option[value=energy_j]").is_enabled()


def test_arms_without_a_place_on_the_axis_are_named(reader):
    tab = reader.open("index.html#x=latency_s")
    assert marks(tab).count() == 1
    assert "quantized" in tab.locator(".missing:visible").inner_text()


def test_filter_sort_and_deep_link(reader):
    tab = reader.open("index.html")
    tab.fill("[name=q]", "ed")
    expect(tab).to_have_url(re.compile("q=ed"))
    assert arms(tab) == ["distilled", "pruned", "quantized", "teacher"], "one seed"
    assert marks(tab).count() == 4
    assert tab.locator(".shown:visible").inner_text() == "4 of 5 arms"
    head = tab.locator("section.workload:visible th[data-sort=quality]")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    rising = arms(tab)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert arms(tab) == rising[::-1] != rising
    address = tab.url.rpartition("/")[2]
    other = Reader(reader.context.browser, reader.folder)
    assert arms(other.open(address)) == rising[::-1]
    other.context.close()
    assert other.faults == []


def test_legend_chooses_a_method_and_reset_undoes_all(reader):
    tab = reader.open("index.html#workload=shakespeare&x=train_s")
    tab.locator("section.workload:visible .legend button", has_text="pruned").click()
    assert arms(tab) == ["pruned"]
    tab.click("button[type=reset]")
    assert len(arms(tab)) == 5 and tab.url.endswith("#workload=shakespeare")


def test_marks_are_walked_with_arrows_and_lead_to_pages(reader):
    tab = reader.open("index.html")
    assert marks(tab).evaluate_all("all => all.filter(a => a.tabIndex === 0).length") == 1
    tab.locator("section.workload:visible .drawing svg a[tabindex='0']").focus()
    first = tab.evaluate("document.activeElement.getAttribute('aria-label')")
    tab.keyboard.press("ArrowRight")
    second = tab.evaluate("document.activeElement.getAttribute('aria-label')")
    assert first and second and first != second
    tab.keyboard.press("Enter")
    expect(tab).to_have_url(re.compile("/comparisons/digits.html#arm-|/runs/"))


def test_hover_shows_the_run_and_a_click_opens_it(reader):
    tab = reader.open("index.html")
    box = marks(tab).first.bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    said = tab.locator(".drawing:visible g[aria-label=tip]").text_content() or ""
    assert "FLOP" in said and "%" in said
    tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(tab).to_have_url(re.compile("/comparisons/|/runs/"))


def test_run_page_and_its_parent(reader):
    tab = reader.open("index.html")
    tab.locator("tr[data-label=distilled]:visible td a").first.click()
    assert tab.locator("h1").inner_text().startswith("distilled")
    assert tab.locator("svg.laps rect").count() == 12
    tab.locator(".tree a").click()
    assert tab.locator("h1").inner_text().startswith("teacher")


def test_difference_shows_what_differs_and_swaps(reader):
    tab = reader.open(KINDS["difference"])
    fields = "section:has(h2:text-is('Configuration')) tbody th"
    tab.wait_for_selector(fields)
    few = tab.locator(fields).all_inner_texts()
    assert "variants.0.temperature" in few and "train.batch" not in few
    costs = tab.locator("section:has(h2:text-is('Costs')) tr", has_text="executed training FLOPs")
    assert f"{TIMES}0.433" in costs.inner_text()
    scores = tab.locator("section:has(h2:text-is('Scores')) tr", has_text="test accuracy")
    assert " points" in scores.inner_text()
    tab.check("[name=all]")
    expect(tab.locator(fields).filter(has_text="train.batch")).to_have_count(1)
    tab.click("#swap")
    expect(costs).to_contain_text(f"{TIMES}2.31")
    tab.fill("[name=b]", records()[2].run_id)
    expect(tab).to_have_url(re.compile(f"b={re.escape(stem(records()[2].run_id))}"))


def test_difference_of_a_run_that_is_not_here(browser, site):
    made = Reader(browser, site)
    tab = made.open("diff.html?a=../../etc/passwd&b=nobody")
    expect(tab.locator("#said")).to_contain_text("no run ../../etc/passwd and no run nobody")
    made.context.close()
    assert all("nobody.js" in fault or "ERR_FILE" in fault for fault in made.faults)


def test_list_of_runs_is_filtered_and_sorted(reader):
    tab = reader.open("runs.html#q=interrupted")
    assert tab.locator("tbody tr:visible").count() == 1
    tab.fill("[name=q]", "")
    expect(tab.locator(".shown")).to_have_text("27 of 27 runs")
    tab.locator("th[data-sort=total] button").click()
    totals = tab.locator("tbody tr td:last-child").evaluate_all("all => all.map(c => +c.dataset.v)")
    assert totals == sorted(totals)


def test_dark_follows_the_reader_and_the_choice_is_kept(reader, browser):
    dark = Reader(browser, reader.folder, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    night = dark.open("index.html").evaluate(ground)
    dark.context.close()
    tab = reader.open("index.html")
    day = tab.evaluate(ground)
    assert day == "rgb(255, 255, 255)" != night
    tab.click("#theme")
    assert tab.evaluate(ground) == night
    assert reader.open(KINDS["run"]).evaluate(ground) == night
    assert dark.faults == []


@pytest.mark.parametrize("kind", KINDS)
def test_page_fits_a_phone(reader, kind):
    reader.tab.set_viewport_size({"width": 375, "height": 800})
    tab = reader.open(KINDS[kind])
    tab.wait_for_timeout(100)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_of_accessibility(browser, site, scheme):
    """Of everything in the light, and of contrast in the dark, where nothing else differs."""
    from axe_playwright_python.sync_playwright import Axe

    options: dict = {
        "preload": False,
        "resultTypes": ["violations"],
    }  # it would ask for the style sheet again
    options |= {"runOnly": ["color-contrast"]} if scheme == "dark" else {}
    made = Reader(browser, site, color_scheme=scheme)
    for kind in KINDS if scheme == "light" else ("overview", "run"):
        tab = made.open(KINDS[kind])
        tab.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
        if kind == "difference":
            tab.wait_for_selector("#result table")
        found = Axe().run(tab, options=options).response["violations"]
        serious = [
            (kind, fault["id"], [node["html"][:200] for node in fault["nodes"][:2]])
            for fault in found
            if fault["impact"] in ("serious", "critical")
        ]
        assert serious == []
    made.context.close()
    assert made.faults == []


def test_paper_has_every_workload_and_all_details(reader):
    tab = reader.open("index.html")
    tab.emulate_media(media="print")
    assert tab.locator("section.workload:visible").count() == 2
    assert not tab.locator("#controls").is_visible()
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("details:not([open])").count() == 0
    assert tab.pdf()[:4] == b"%PDF"


def test_hostile_texts_run_nothing(browser, hostile_site):
    made = Reader(browser, hostile_site)
    runs = sorted(path.stem for path in (hostile_site / "runs").glob("*.html"))
    comparison = next((hostile_site / "comparisons").iterdir()).name
    for address in (
        "index.html", "runs.html", f"comparisons/{comparison}", 
        f"diff.html?a={runs[0]}&b={runs[1]}&all=1",
        *(f"runs/{run}.html" for run in runs),
    ):  # fmt: skip
        tab = made.open(address)
        tab.wait_for_timeout(50)
        assert tab.evaluate("window.harmed") is None
        assert tab.locator("img").count() == 0
        assert "<script>" in tab.locator("body").inner_text(), "it is shown as text"
    made.context.close()
    assert made.faults == []


def test_without_scripts_everything_is_still_said(browser, site):
    made = Reader(browser, site, java_script_enabled=False)
    tab = made.open("index.html")
    text = tab.locator("main").inner_text()
    assert "digits" in text and "shakespeare" in text and "Notes" in text
    assert tab.locator(".drawing svg").count() == 2
    assert not tab.locator("#controls").is_visible()
    made.context.close()
    assert made.faults == []

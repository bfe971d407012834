"""The page stands alone, makes no request, escapes every text and says what it is made of."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import re
import subprocess
import sys

import pytest
from fabrication import record, records

from efficient.compare.comparison import compare
from efficient.compare.error import CompareError
from efficient.compare.summary import rows
from efficient.report import page
from efficient.report.export import as_json

COMPLAINT = "a/record.json: damaged <b>badly</b>"
VOID = {"meta", "link", "br", "use"}


class Reader(html.parser.HTMLParser):
    """Collects tags and attributes, and checks that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def write(made, folder, title, complaints=(), clock="train"):
    return page.write(made, compare(rows(made), made), folder, title, complaints, clock)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    return write(records(), folder, "Four <arms>", [COMPLAINT])


@pytest.fixture(scope="module")
def text(written):
    return written.read_text()


def test_three_files_are_written(written):
    names = sorted(path.name for path in written.parent.iterdir())
    assert written.parent.name == "report"
    assert names == ["index.html", "summary.json", "table.md"]


def test_page_is_well_formed_with_ids_that_are_unique(text):
    ids = [found["id"] for _, found in Reader(text).seen if "id" in found]
    assert len(ids) == len(set(ids)) > 100


def test_page_makes_no_request(text):
    tags = {tag for tag, _ in Reader(text).seen}
    assert not tags & {"script", "img", "iframe", "object", "embed", "audio", "video", "base"}
    links = [
        value
        for _, attributes in Reader(text).seen
        for name, value in attributes.items()
        if name in ("href", "src", "srcset", "xlink:href", "action", "data", "poster")
    ]
    assert links and all(link.startswith("#") or link == "data:," for link in links)
    assert not re.search(r"https?:|@import|url\((?!#)", text)


def test_page_follows_light_and_dark_and_fits_a_phone(text):
    assert "prefers-color-scheme: dark" in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert "overflow-x: auto" in text
    used, defined = (set(re.findall(p, text)) for p in (r"var\((--\w+)", r"(--\w+):"))
    assert used <= defined


def test_page_says_what_it_compares(text):
    made = records()
    assert "<h1>Four &lt;arms&gt;</h1>" in text
    assert "27 runs on AMD EPYC 9R14, 2 CPU cores." in text
    for run in made:
        assert run.run_id in text
    assert "interrupted" in text and "410 of 1,200" in text
    assert text.count("<svg") == 13, "energy is drawn where it is known"
    assert "How each number was obtained" in text
    assert "damaged &lt;b&gt;badly&lt;/b&gt;" in text
    assert "variants[0].sparsity" in text, "the fields in which an arm differs are listed"


def test_page_shows_the_clock_that_was_asked_for(tmp_path):
    for clock, titles in (("train", 0), ("all", 2)):
        text = write(records(), tmp_path, "Clocks", clock=clock).read_text()
        Reader(text)
        assert text.count("<figcaption>One run, several clocks") == titles
        assert ("cifar10-airbench" in text) == bool(titles), "the rule is explained"


def test_hostile_texts_are_escaped(tmp_path):
    bad = "<script>alert(1)</script>"
    made = record(arm="pruned")
    made = dataclasses.replace(
        made,
        run_id=bad,
        arm=bad,
        workload=bad,
        model=bad,
        status="finished",
        config={bad: bad},
        machine=dataclasses.replace(made.machine, cpu=bad),
        data=dataclasses.replace(
            made.data, name=bad, version=bad, splits={bad: made.data.splits["test"]}
        ),
        cost=dataclasses.replace(made.cost, flops_executed=None, unknown={"flops_executed": bad}),
    )
    base = dataclasses.replace(made, run_id=f"{bad}2", arm="baseline", config={})
    stopped = dataclasses.replace(made, run_id=f"{bad}3", status=bad)
    text = write([base, made, stopped], tmp_path, bad, [bad]).read_text()
    assert "<script" not in text
    assert text.count("&lt;script&gt;") > 20
    assert "script" not in {tag for tag, _ in Reader(text).seen}


def test_page_of_nothing_is_a_page(tmp_path):
    stopped = dataclasses.replace(record(), status="interrupted")
    for made in ([], [stopped]):
        text = write(made, tmp_path, "Empty").read_text()
        assert "No finished run yet" in text
        Reader(text)


def test_refusal_leaves_the_old_page(tmp_path, written):
    other = record(arm="pruned")
    other = dataclasses.replace(other, data=dataclasses.replace(other.data, fingerprint="0"))
    path = write([record()], tmp_path, "Old")
    before = path.read_text()
    with pytest.raises(CompareError):
        write([record(), other], tmp_path, "New")
    assert path.read_text() == before


def test_same_records_give_the_same_files(tmp_path, written):
    again = write(records(), tmp_path, "Four <arms>", [COMPLAINT])
    for path in written.parent.iterdir():
        assert (again.parent / path.name).read_bytes() == path.read_bytes()


def test_summary_is_strict_json_in_fractions(written):
    def refuse(constant):
        raise AssertionError(constant)

    value = json.loads((written.parent / "summary.json").read_text(), parse_constant=refuse)
    assert value["title"] == "Four <arms>" and value["complaints"] == [COMPLAINT]
    first = value["rows"][0]
    assert (first["workload"], first["label"], first["difference"]) == ("digits", "baseline", None)
    assert first["quality"]["mean"] == pytest.approx(0.97449, abs=1e-5)
    assert "memory_peak_bytes" not in first["costs"]
    assert first["unknown"]["memory_peak_bytes"] == "no allocator statistics on cpu"
    distilled = value["rows"][1]
    assert distilled["difference"]["ratios"]["flops_executed"] == pytest.approx(13 / 3)
    assert distilled["sentence"].startswith("distilled against baseline: ")
    made = compare(rows(records()), records())
    assert json.loads(json.dumps(as_json(made))) == {
        k: v for k, v in value.items() if k not in ("title", "complaints")
    }


def test_rooms_start_without_jax_and_without_matplotlib():
    program = (
        "import sys, efficient.report.page, efficient.report.scatter, efficient.compare.summary, "
        "efficient.ledger.store\n"
        "print([name for name in ('jax', 'jaxlib', 'flax', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"

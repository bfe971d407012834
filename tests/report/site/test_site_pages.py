"""Pages stand alone, say what they are made of, and take nothing of a record for code."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import math
import re
import subprocess
import sys

import pytest
from fabrication import record, records
from hypothesis import given
from hypothesis import strategies as st

from efficient.compare.comparison import compare
from efficient.compare.error import CompareError
from efficient.compare.summary import rows
from efficient.report import number
from efficient.report.site.address import run_page, stem
from efficient.report.site.build import Site, build
from efficient.report.site.legible import LONGEST, legible
from efficient.report.site.outline import outline
from efficient.report.site.template import script

VOID = {"meta", "link", "br", "input", "!doctype"}
#: Elements of the templates that fetch or run something.
ACTIVE = {"script", "img", "iframe", "object", "embed", "audio", "video", "base", "style"}


class Reader(html.parser.HTMLParser):
    """Collects tags and attributes, and checks that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
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

    def handle_data(self, data):
        self.text.append(data)


def test_a_control_is_repeated_by_its_own_command_and_its_missing_loss_is_unknown(tmp_path):
    forest = record()
    scores = {"test": dataclasses.replace(forest.scores["test"], loss=math.nan)}
    config = {"workload": {"name": "digits"}, "model": {"name": "forest"}, "seed": 0}
    forest = dataclasses.replace(forest, model="forest", config=config, scores=scores)
    build(Site([forest], compare(rows([forest]), [forest]), "A forest"), tmp_path)
    text = " ".join(Reader((tmp_path / run_page(forest.run_id)).read_text()).text)
    assert f"efficient control {stem(forest.run_id)}.json --out runs" in text
    assert "nan" not in text.split()


def pages(folder):
    return sorted(folder.rglob("*.html"))


def test_every_page_is_well_formed_with_ids_that_are_unique(site, hostile_site):
    for path in [*pages(site), *pages(hostile_site)]:
        ids = [found["id"] for _, found in Reader(path.read_text()).seen if "id" in found]
        assert len(ids) == len(set(ids)), path


def test_links_lead_to_files_of_the_site_and_nothing_else(site, hostile_site):
    for folder in (site, hostile_site):
        made = {path.resolve() for path in folder.rglob("*")}
        for path in pages(folder):
            for _, attributes in Reader(path.read_text()).seen:
                for name in ("href", "src", "action", "srcset", "data", "poster"):
                    link = attributes.get(name)
                    if link is None or link in ("data:,",) or link.startswith("#"):
                        continue
                    target = (path.parent / re.split("[?#]", link)[0]).resolve()
                    assert target in made, (path, link)


def test_anchors_that_are_linked_are_there(site):
    ids = {
        path.resolve(): {a.get("id") for _, a in Reader(path.read_text()).seen}
        for path in pages(site)
    }
    links = [
        (path.parent / link.partition("#")[0], link.partition("#")[2])
        for path in pages(site)
        for _, attributes in Reader(path.read_text()).seen
        if "#" in (link := attributes.get("href") or "") and not link.startswith("#")
    ]
    assert len(links) > 10
    for path, anchor in links:
        assert anchor in ids[path.resolve()], (path, anchor)


def test_pages_ask_nobody_and_allow_no_other_script(site):
    for path in pages(site):
        text = path.read_text()
        assert "default-src 'none'" in text and "unsafe" not in text
        assert not re.search(r"(src|href)=\"?(https?:)?//|@import|\son\w+=", text)
        assert "style=" not in text, "the policy refuses styles in attributes"


def test_overview_can_be_read_without_scripts(site):
    reader = Reader((site / "index.html").read_text())
    said = " ".join(" ".join(reader.text).split())
    assert "27 runs, 1 of them unfinished, on 2 workloads" in said
    assert "distilled against baseline: accuracy 0.97" in said
    assert "damaged <b>badly</b>" in said
    assert [tag for tag, _ in reader.seen].count("svg") > 2, "plots and symbols are drawn"
    for made in records():
        if made.status == "finished":
            assert run_page(made.run_id) in {a.get("href") for _, a in reader.seen}


def test_axis_without_numbers_says_why(site):
    value = json_of(site / "overview.js")
    digits = value["workloads"]["digits"]
    assert digits["axes"]["flops_executed"] == ""
    assert digits["axes"]["energy_j"].startswith("no counter can be read here")
    assert value["workloads"]["shakespeare"]["axes"]["energy_j"] == ""
    arms = {arm["label"]: arm for arm in digits["arms"]}
    assert arms["baseline"]["costs"]["latency_s"][0] == 0.0021
    assert "latency_s" not in arms["quantized"]["costs"]
    assert "quantized" in digits["unknown"]["latency_s"][0]
    low, high = arms["baseline"]["quality"][1:]
    assert low < arms["baseline"]["quality"][0] < high
    assert arms["teacher"]["quality"][1:] == [None, None], "one seed has no interval"


def test_run_page_has_the_whole_record(site):
    made = next(r for r in records() if r.arm == "distilled" and r.workload == "shakespeare")
    reader = Reader((site / run_page(made.run_id)).read_text())
    said = " ".join(" ".join(reader.text).split())
    assert f"({made.cost.flops_executed:,})" in said
    assert made.data.fingerprint in said and made.files["model.safetensors"].sha256 in said
    assert f"efficient train {made.run_id}.json --out runs" in said
    assert "temperature" in said and "grade B" in said
    parent = made.parents[0].run_id
    assert f"{parent}.html" in {(a.get("href") or "").rpartition("/")[2] for _, a in reader.seen}
    teacher = next(r for r in records() if r.run_id == parent)
    shared = made.cost.flops_executed + teacher.cost.flops_executed / 10
    assert "parents shared by 10 runs" in said and number.quantity(shared, "flop") in said
    config = json.loads((site / run_page(made.run_id)).with_suffix(".json").read_text())
    assert config == made.config


def test_missing_parent_is_unknown_and_never_free(tmp_path):
    found = [r for r in records() if r.arm != "teacher"]
    build(Site(found, compare(rows(found), found), "Orphans"), tmp_path)
    made = next(r for r in found if r.arm == "distilled")
    said = " ".join(Reader((tmp_path / run_page(made.run_id)).read_text()).text)
    assert "not among these records: what it cost is unknown" in said
    assert f"not among these records: {made.parents[0].run_id}" in said
    digits = json_of(tmp_path / "overview.js")["workloads"]["digits"]
    assert "a parent is not among" in digits["unknown"]["flops_executed_whole"][0]


def test_hostile_texts_are_only_text(hostile_site):
    for path in pages(hostile_site):
        text = path.read_text()
        scripts = [a for tag, a in Reader(text).seen if tag == "script"]
        assert scripts and all((a.get("src") or "").endswith(".js") for a in scripts)
        assert not {tag for tag, _ in Reader(text).seen} & (ACTIVE - {"script"})
        assert not re.search("[\u202a-\u202e\u2028\x00]", text)
    for path in hostile_site.rglob("*.js"):
        if path.parent.name != "assets":
            assert "<" not in path.read_text() and path.read_text().isascii()
    assert len(" ".join(p.read_text() for p in pages(hostile_site))) < 1_000_000, "texts are cut"


def test_hostile_names_stay_in_their_folder(hostile_site):
    assert {path.name for path in hostile_site.parent.iterdir()} == {"site"}
    names = [path.name for path in (hostile_site / "runs").iterdir()]
    assert len(names) == 9
    assert all(re.fullmatch(r"[a-z0-9._~-]+", name) for name in names)


@given(st.text(), st.text())
def test_no_two_names_share_a_file(one, other):
    assert re.fullmatch(r"[a-z0-9][a-z0-9._~-]*", stem(one)) and ".." not in stem(one)
    assert len(stem(one)) <= 120
    if one != other:
        assert stem(one) != stem(other)
    assert stem(stem(one)) != stem(one) or one == stem(one)


@pytest.mark.parametrize("name", ["A", "a/b", "..", "", "con ", "a" * 200, "é", "a~b", "x..y"])
def test_what_is_not_plain_gets_a_digest(name):
    assert "~" in stem(name)
    assert stem("mnist-baseline-s0-7f15b384-0001") == "mnist-baseline-s0-7f15b384-0001"


def test_script_says_what_it_was_given():
    value = {"__proto__": "</script>'\\\n\u2028", "n": [1.5, None, True]}
    text = script("f", value)
    assert "<" not in text and text.count("\n") == 1
    plain = re.fullmatch(r"f\(\.\.\.JSON\.parse\('(.*)'\)\);\n", text)
    assert plain
    unquoted = re.sub(r"\\(u[0-9a-f]{4}|.)", unescaped, plain[1])
    assert json.loads(unquoted) == [value | {"__proto__": legible(value["__proto__"])}]
    with pytest.raises(ValueError):
        script("f", float("nan"))


def unescaped(found):
    return chr(int(found[1][1:], 16)) if len(found[1]) == 5 else found[1]


def test_long_and_hidden_text_is_cut_and_written_out():
    assert legible("a\u202eb\tc") == "a\\u202eb\tc"
    assert legible("x" * (LONGEST + 1)).endswith(f"({LONGEST + 1:,} characters)")


def test_deep_configuration_is_bounded():
    value: dict = {}
    for _ in range(500):
        value = {"a": value}
    assert len(outline(value)) < 20


def test_page_of_nothing_is_a_page(tmp_path):
    stopped = dataclasses.replace(record(), status="interrupted")
    for made in ([], [stopped]):
        path = build(Site(made, compare(rows(made), made), "Empty"), tmp_path)
        assert "No finished run yet" in path.read_text()
    assert "did not finish" in (tmp_path / run_page(stopped.run_id)).read_text()


def test_same_records_give_the_same_files(tmp_path, site):
    found = records()
    latencies = {("digits", "baseline"): 0.0021, ("digits", found[1].run_id): 0.0017}
    complaint = "a/record.json: damaged <b>badly</b>"
    build(
        Site(found, compare(rows(found), found), "Four <arms>", (complaint,), latencies), tmp_path
    )
    for path in site.rglob("*"):
        if path.is_file() and path.suffix != ".parquet":
            assert (tmp_path / path.relative_to(site)).read_bytes() == path.read_bytes(), path


def test_another_build_leaves_no_stale_page(tmp_path):
    found = records()
    build(Site(found, compare(rows(found), found), "All"), tmp_path)
    (tmp_path / "runs" / "mine.html").write_text("kept")
    few = [r for r in found if r.workload == "digits"]
    build(Site(few, compare(rows(few), few), "Few"), tmp_path)
    assert (tmp_path / "runs" / "mine.html").read_text() == "kept"
    assert len(list((tmp_path / "runs").glob("*.html"))) == len(few) + 1
    assert [path.name for path in (tmp_path / "comparisons").iterdir()] == ["digits.html"]


def test_page_of_somebody_else_is_not_written_over(tmp_path):
    (tmp_path / "index.html").write_text("<title>Mine</title>")
    with pytest.raises(CompareError, match="not the page of a report: give another --out"):
        build(Site([], [], "Empty"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_rooms_start_without_jax_and_without_matplotlib():
    program = (
        "import sys, efficient.cli.compare\n"
        "heavy = ('jax', 'jaxlib', 'flax', 'matplotlib', 'duckdb', 'scipy', 'numpy')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def json_of(path):
    """The value that a script of the site calls its function with."""
    quoted = re.fullmatch(r"[\w.]+\(\.\.\.JSON\.parse\('(.*)'\)\);\n", path.read_text())
    assert quoted
    return json.loads(re.sub(r"\\(u[0-9a-f]{4}|.)", unescaped, quoted[1]))[0]

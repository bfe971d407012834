"""The lines that this version must reach, each measured and printed with its bound.

Verdicts: met, missed, not resolved (the noise is wider than the bound), not run (with the reason).
Results are kept in runs/accept/lines; see scripts/accept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict

from judgement import (
    MET,
    MISSED,
    NOT_RUN,
    OUT,
    ROOT,
    UNRESOLVED,
    Line,
    NotRunError,
    call,
    judge,
    pytest,
)
from learning import cifar10, mnist, presets, quickstart, shakespeare

from efficient.ledger.source import source
from efficient.ledger.store import write_json, write_text


def loop() -> Iterator[Line]:
    good, summary = pytest("tests/train", "-k", "compil or transfer or fetch")
    yield judge("one compilation a phase and shape, no transfer", "tests pass", summary, good)
    code, output, _ = call(sys.executable, ROOT / "scripts" / "bench_loop")
    if code:
        raise NotRunError(f"scripts/bench_loop ended with {code}")
    for line in json.loads(output)["lines"]:
        if "ratio" not in line:
            yield Line(f"{line['preset']}", "", line["verdict"], NOT_RUN)
            continue
        ratio, null = line["ratio"], line["a_against_a"]
        verdict = {"met": MET, "not met": MISSED}.get(line["verdict"], UNRESOLVED)
        found = (
            f"{ratio['median']:.3f} [{ratio['low']:.3f}, {ratio['high']:.3f}], "
            f"A/A [{null['low']:.3f}, {null['high']:.3f}]"
        )
        yield Line(f"{line['preset']}: {line['measure']}", f"<= {line['bound']}", found, verdict)


def estimates() -> Iterator[Line]:
    """Published runs replayed, and steps predicted before they ran."""
    code, output, seconds = call(sys.executable, "-m", "efficient", "estimate", "--cases", "--json")
    if code:
        raise NotRunError(f"efficient estimate --cases ended with {code}")
    found = json.loads(output)
    rows = len(found["within_tolerance"]), len(found["beyond_tolerance"])
    said = f"{rows[0]} rows, {rows[1]} beyond"
    yield judge("published runs", "kWh 1 %, CO2 1.5 %", said, rows[0] > 0 and not rows[1])
    for told in found["gpt3"]:
        errors = told["errors"]
        said = ", ".join(f"{name} {error:+.2%}" for name, error in errors.items())
        good = max(map(abs, errors.values())) <= 0.02 and seconds < 10
        name, said = f"GPT-3, {told['name']}", f"{said}, {seconds:.1f} s"
        yield judge(name, "within 2 %, < 10 s", said, good)
    OUT.mkdir(parents=True, exist_ok=True)
    bench = (ROOT / "scripts" / "bench_estimate", "--out", OUT / "estimate.json")
    code, output, _ = call(sys.executable, *bench)
    if not output:
        raise NotRunError(f"scripts/bench_estimate ended with {code}")
    made = json.loads(output)
    lines = [f"{x['preset']} {x['error']:+.0%}" for x in made["lines"] if x["error"] is not None]
    middle = made["median_absolute_error"]
    said = "nothing measured" if middle is None else f"{middle:.0%}: {', '.join(lines)}"
    good = middle is not None and middle <= 0.25 and len(lines) == len(made["lines"])
    yield judge("seconds predicted before the run", "median <= 25 %", said, good)


def verdicts() -> Iterator[Line]:
    """How often each test is wrong where there is nothing, and right where there is."""
    _, output, _ = call(sys.executable, ROOT / "scripts" / "bench_statistics")
    if not output:
        raise NotRunError("scripts/bench_statistics said nothing")
    found = json.loads(output)
    for test in found["null"]:
        said = f"{test['rate']:.1%}, p of excess {test['p_of_excess']:.2f}"
        yield judge(test["test"], f"<= {test['level']:.0%}", said, test["p_of_excess"] >= 0.01)
    for test in found["power"]:
        said = f"{test['rate']:.1%}, by theory {test['theory']:.1%}"
        yield judge(test["test"], "within 3 points of theory", said, test["agrees"])


def tested(
    what: str, asked: str, *arguments: str, **environment: str
) -> Callable[[], Iterator[Line]]:
    """A line that a selection of tests proves."""

    def run() -> Iterator[Line]:
        good, summary = pytest(*arguments, **environment)
        yield judge(what, asked, summary, good)

    return run


def suite() -> Iterator[Line]:
    code, output, seconds = call(ROOT / "scripts" / "test")
    summary = [line for line in output.splitlines() if " passed" in line] or ["no summary"]
    yield judge(
        "scripts/test",
        "green, < 600 s",
        f"exit {code}, {seconds:.0f} s, {summary[-1]}",
        code == 0 and seconds < 600,
    )


def newer_python() -> Iterator[Line]:
    code, output, seconds = call(ROOT / "scripts" / "test", "--python", "3.12")
    summary = [line for line in output.splitlines() if " passed" in line] or ["no summary"]
    yield judge(
        "scripts/test --python 3.12",
        "green",
        f"exit {code}, {seconds:.0f} s, {summary[-1]}",
        code == 0,
    )


LINES: dict[str, Callable[[], Iterator[Line]]] = {
    "quickstart": quickstart,
    "presets": presets,
    "mnist": mnist,
    "shakespeare": shakespeare,
    "cifar10": cifar10,
    "loop": loop,
    "estimates": estimates,
    "flops": tested(
        "FLOP counts, exact integers", "tests pass", "tests/cost", "tests/models/test_counts.py"
    ),
    "kill": tested(
        "20 kills, resumed bit for bit", "tests pass", "tests/run", "-m", "slow", "-k", "kill"
    ),
    "verdicts": verdicts,
    "site": tested(
        "the site in a browser", "tests pass", "tests/report/site", EFFICIENT_REQUIRE_BROWSER="1"
    ),
    "entries": tested("hostile entries, one line each", "tests pass", "tests/board"),
    "writers": tested(
        "16 processes append, some killed", "tests pass", "tests/ledger", "-m", "slow"
    ),
    "errors": tested("bad input, one line each", "tests pass", "tests/cli", "tests/data"),
    "lowering": tested(
        "every preset x family lowers for CUDA and TPU; import table",
        "tests pass",
        "tests",
        "-m",
        "slow or not slow",
        "-k",
        "lower or architecture",
    ),
    "suite": suite,
    "newer_python": newer_python,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="lines to run; all of them by default")
    parser.add_argument("--list", action="store_true", help="print the names")
    options = parser.parse_args()
    if options.list:
        print("\n".join(LINES))
        return 0
    if unknown := set(options.names) - set(LINES):
        parser.error(f"{sorted(unknown)[0]!r} is no line; choose from {', '.join(LINES)}")
    table = [line for name in options.names or LINES for line in measured(name)]
    text = markdown(table)
    write_text(OUT / "accept.md", text)
    print(text)
    return 0 if all(line.verdict != MISSED for line in table) else 1


def measured(name: str) -> list[Line]:
    """The lines of a name, from this code's earlier measurement where there is one."""
    place = OUT / "lines" / f"{name}-{code_digest()[:12]}.json"
    if place.is_file():
        return [Line(**line) for line in json.loads(place.read_text())]
    print(f"accept: {name} ...", file=sys.stderr, flush=True)
    try:
        lines = list(LINES[name]())
    except NotRunError as reason:
        return [Line(name, "", str(reason), NOT_RUN)]
    write_json(place, [asdict(line) for line in lines])
    return lines


def code_digest() -> str:
    """Of everything that a line depends on: package, tests, scripts, presets, experiments."""
    sha = hashlib.sha256(source().digest.encode())
    for folder in ("tests", "scripts", "configs", "experiments"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                sha.update(path.read_bytes())
    return sha.hexdigest()


def markdown(lines: list[Line]) -> str:
    rows = ["| line | asked | found | verdict |", "|---|---|---|---|"]
    rows += [f"| {x.what} | {x.asked} | {x.found} | {x.verdict} |" for x in lines]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())

"""The lines that this version must reach, each measured and printed with its bound.

Verdicts: met, missed, not resolved (the noise is wider than the bound), not run (with the reason).
Results are kept in runs/accept/lines; see scripts/accept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from efficient.ledger.record import FINISHED, Record
from efficient.ledger.source import source
from efficient.ledger.store import records, write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "runs" / "accept"
MET, MISSED, UNRESOLVED, NOT_RUN = "met", "missed", "not resolved", "not run"


@dataclass(frozen=True)
class Line:
    """One measured line: what was asked, what was found."""

    what: str
    asked: str
    found: str
    verdict: str


class NotRunError(Exception):
    """Why a line cannot be measured here."""


def judge(what: str, asked: str, found: str, good: bool) -> Line:
    return Line(what, asked, found, MET if good else MISSED)


# -- running ---------------------------------------------------------------------------------------


def call(*command: str | Path, **environment: str) -> tuple[int, str, float]:
    """Exit code, output and seconds of a command; stderr passes through."""
    begun = time.monotonic()
    done = subprocess.run(
        [str(c) for c in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.returncode, done.stdout, time.monotonic() - begun


def experiment(name: str, data: str = "") -> list[Record]:
    """The finished records of an experiment, trained where they are missing."""
    if data:
        need(data)
    out = OUT / name
    code, _, _ = call(
        sys.executable, "-m", "efficient", "compare", ROOT / "experiments" / name, "--out", out
    )
    if code:
        raise NotRunError(f"efficient compare experiments/{name} ended with {code}")
    digest = source().digest
    return [r for r in records(out)[0] if r.status == FINISHED and r.source.digest == digest]


def need(data: str) -> None:
    folder = os.environ.get("TFDS_DATA_DIR")
    if not folder or not (Path(folder) / data).is_dir():
        raise NotRunError(f"{data} is not in TFDS_DATA_DIR ({folder or 'not set'})")


def arm(found: list[Record], label: str, workload: str = "") -> list[Record]:
    """The runs of an arm by seed."""
    chosen = {r.seed: r for r in found if r.arm == label and workload in ("", r.workload)}
    if not chosen:
        raise NotRunError(f"no finished run of {workload} {label}")
    return [chosen[seed] for seed in sorted(chosen)]


def accuracy(runs: list[Record], split: str = "test") -> float:
    return statistics.mean(r.scores[split].accuracy for r in runs)


def spread(values: list[float]) -> str:
    sd = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else " (one seed)"
    return f"{statistics.mean(values):.4f}{sd} (n={len(values)})"


def pytest(*arguments: str) -> tuple[bool, str]:
    """Whether the tests passed, and pytest's own summary."""
    code, output, _ = call(sys.executable, "-m", "pytest", "-q", *arguments)
    lines = [line for line in output.strip().splitlines() if " in " in line] or ["no summary"]
    return code == 0 and " passed" in lines[-1], lines[-1].strip("= ")


# -- the lines -------------------------------------------------------------------------------------


def quickstart() -> Iterator[Line]:
    out = OUT / "quickstart"
    fresh = not out.exists()
    code, _, seconds = call(ROOT / "scripts" / "quickstart", "--out", out)
    yield judge("quickstart ends", "exit 0", f"exit {code}", code == 0)
    if fresh:
        yield judge("quickstart, set-up done before", "< 300 s", f"{seconds:.0f} s", seconds < 300)
    found = experiment("quickstart")
    workloads = ("digits", "pystdlib")
    rows = {(r.workload, r.arm) for r in found if r.arm != "teacher"}
    yield judge("rows", "8", str(len(rows)), len(rows) == 8)
    fewest = min(r.steps for r in found)
    yield judge("steps of every run", ">= 200", f"fewest {fewest}", fewest >= 200)
    vision = [r.scores["test"].accuracy for r in arm(found, "baseline", "digits")]
    yield judge("digits baseline", ">= 0.94", spread(vision), statistics.mean(vision) >= 0.94)
    grams = ngrams("pystdlib", "--context", "32", "--windows", "256")
    for label in ("baseline", "pruned", "quantized", "distilled"):
        bits = [r.scores["test"].loss / math.log(2) for r in arm(found, label, "pystdlib")]
        name = "bigram" if label == "baseline" else "unigram"
        bound = grams[name]
        good = max(bits) < bound
        yield judge(f"pystdlib {label}", f"< {name} {bound:.3f} bits", spread(bits), good)
    for workload in workloads:
        yield from mechanisms(found, workload)


def mechanisms(found: list[Record], workload: str) -> Iterator[Line]:
    pruned = [r.evidence for r in arm(found, "pruned", workload)]
    good = all(
        e["weights_kept"] == e["weights_asked"] and e["weights_removed_nonzero"] == 0
        for e in pruned
    )
    first = pruned[0]
    kept = (
        f"{first['weights_kept']} of {first['weights_prunable']} (asked {first['weights_asked']})"
    )
    yield judge(f"{workload} pruned", "the asked integer kept, the rest 0", kept, good)
    packed = [r.evidence for r in arm(found, "quantized", workload)]
    ratio = max(float(e["weight_bytes_ratio"]) for e in packed)
    integers = min(int(e.get("integer_arrays", 0)) for e in packed)
    yield judge(
        f"{workload} quantized",
        "<= 0.27 of f32, int8 arrays",
        f"{ratio:.4f}, {integers} int8 arrays",
        ratio <= 0.27 and integers > 0,
    )
    yield nearer(found, workload, "baseline", "distilled")


def nearer(found: list[Record], workload: str, alone: str, taught: str) -> Line:
    """Divergence from the teacher with and without being taught, seed by seed."""
    pairs = [
        (float(a.evidence["reference_divergence"]), float(b.evidence["reference_divergence"]))
        for a, b in zip(arm(found, alone, workload), arm(found, taught, workload), strict=True)
    ]
    wins = sum(b < a for a, b in pairs)
    found_text = ", ".join(f"{b:.4f} vs {a:.4f}" for a, b in pairs)
    return judge(
        f"{workload} distilled nearer to its teacher", "every seed", found_text, wins == len(pairs)
    )


def ngrams(data: str, *arguments: str) -> dict[str, float]:
    """Bits per byte of n-gram models, by name, on the scored windows of the test split."""
    code, output, _ = call(sys.executable, ROOT / "scripts" / "ngram", data, "--json", *arguments)
    if code:
        raise NotRunError(f"scripts/ngram {data} ended with {code}")
    return json.loads(output)["window"]


def presets() -> Iterator[Line]:
    out = OUT / "digits"
    command = (sys.executable, "-m", "efficient", "train", "digits_mlp", "--out", out, "--json")
    for seed in range(3):
        if not _has(out, seed):
            call(*command, "--seed", str(seed))
    found = [r for r in records(out)[0] if r.source.digest == source().digest]
    values = [r.scores["test"].accuracy for r in found]
    yield judge("digits_mlp", ">= 0.96", spread(values), statistics.mean(values) >= 0.96)
    runs = arm(experiment("pystdlib"), "baseline")
    grams = ngrams("pystdlib", "--context", "128", "--windows", "1024")
    bits = [r.scores["test"].loss / math.log(2) for r in runs]
    counted = ", ".join(f"{name} {found:.3f}" for name, found in grams.items())
    yield judge(
        "pystdlib_gpt", f"< trigram ({counted})", spread(bits), max(bits) < grams["trigram"]
    )
    minutes = max(r.cost.total_s for r in runs) / 60
    yield judge("pystdlib_gpt takes", "<= 15 min", f"{minutes:.1f} min", minutes <= 15)


def _has(out: Path, seed: int) -> bool:
    if not out.is_dir():
        return False
    digest = source().digest
    return any(r.seed == seed and r.source.digest == digest for r in records(out)[0])


def mnist() -> Iterator[Line]:
    found = experiment("mnist_families", "mnist")
    base, cnn = arm(found, "LeNet-300-100"), arm(found, "LeNet-5")
    for label, runs, bound in (("LeNet-300-100", base, 0.980), ("LeNet-5", cnn, 0.989)):
        values = [r.scores["test"].accuracy for r in runs]
        yield judge(f"MNIST {label}", f">= {bound}", spread(values), accuracy(runs) >= bound)
    for label in ("pruned 90 % uniform", "pruned 90 % global"):
        runs = arm(found, label)
        lost = 100 * (accuracy(base) - accuracy(runs, "artefact"))
        yield judge(label, "<= 0.3 points below", f"{lost:.3f} points below", lost <= 0.3)
        good = all(
            r.evidence["weights_kept"] == r.evidence["weights_asked"]
            and r.evidence["weights_removed_nonzero"] == 0
            for r in runs
        )
        kept = runs[0].evidence
        yield judge(
            f"{label}: kept, and exact zeros",
            str(kept["weights_asked"]),
            f"{kept['weights_kept']}, {kept['weights_removed_nonzero']} nonzero removed",
            good,
        )
    lost = 100 * (accuracy(cnn) - accuracy(arm(found, "LeNet-5 int8"), "artefact"))
    yield judge("LeNet-5 int8, from the file", "<= 0.2 points", f"{lost:.3f} points", lost <= 0.2)
    yield from distillation(found, base)


def distillation(found: list[Record], teacher: list[Record]) -> Iterator[Line]:
    alone, taught = arm(found, "student alone"), arm(found, "student distilled")
    params = taught[0].cost.params_total / teacher[0].cost.params_total
    yield judge("student's parameters", "<= 0.25", f"{params:.4f}", params <= 0.25)
    own = [r.scores["test"].accuracy for r in alone]
    gap = accuracy(teacher) - statistics.mean(own)
    gate = gap > 2 * statistics.stdev(own)
    yield judge("gate: teacher better than alone", "> 2 sd", f"{gap:.4f}, {spread(own)}", gate)
    yield nearer(found, "mnist", "student alone", "student distilled")
    pairs = [
        (a.scores["test"].accuracy, b.scores["test"].accuracy)
        for a, b in zip(alone, taught, strict=True)
    ]
    wins = sum(b > a for a, b in pairs)
    table = ", ".join(f"{b:.4f} vs {a:.4f}" for a, b in pairs)
    yield judge(
        "distilled better than alone", "3 of 3, or this table", f"{wins} of 3: {table}", wins == 3
    )


def shakespeare() -> Iterator[Line]:
    runs = arm(experiment("shakespeare_cpu", "tiny_shakespeare"), "baseline")
    losses = [r.scores["validation"].loss for r in runs]
    yield judge(
        "tiny_shakespeare validation", "<= 1.90", spread(losses), statistics.mean(losses) <= 1.90
    )
    both = []
    for r in runs:
        parts = (r.scores["validation"], r.scores["test"])
        both.append(sum(s.loss * s.units for s in parts) / sum(s.units for s in parts))
    yield Line("validation and test together", "beside nanoGPT's 1.88", spread(both), "printed")
    sampled = [random_batches(OUT / "shakespeare_cpu" / r.run_id) for r in runs]
    yield Line("20 random batches, as nanoGPT", "beside nanoGPT's 1.88", spread(sampled), "printed")


def random_batches(directory: Path) -> float:
    """nanoGPT's way of evaluating: the mean loss of 20 random batches of the last tenth."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from efficient.config import from_json
    from efficient.data import load as load_dataset
    from efficient.ledger.store import read_record
    from efficient.models.signature import Signature
    from efficient.run.parent import load
    from efficient.workloads import score

    record = read_record(directory)
    config = from_json(record.config)
    dataset = load_dataset(config.workload.data)
    signature = Signature(record.input_shape, record.classes, "text")
    apply, weights = load(directory.parent, record.run_id, signature)
    parts = [dataset.splits[name]["tokens"] for name in ("validation", "test")]
    tokens, context = np.concatenate(parts), config.workload.context
    windows = (len(tokens) - 1) // context
    text = {"tokens": jnp.asarray(tokens), "starts": jnp.arange(windows) * context}
    step = jax.jit(lambda weights, batch: score(apply(weights, batch.inputs), batch))
    losses = []
    for number in range(20):
        key = jax.random.key(number)
        index = jax.random.randint(key, (config.batch_size,), 0, windows)
        found = step(weights, config.workload.sample(text, index, key))
        losses.append(float(found.loss.sum() / found.weight.sum()))
    return statistics.mean(losses)


def cifar10() -> Iterator[Line]:
    run = arm(experiment("cifar10_resnet", "cifar10"), "baseline")[0]
    value = run.scores["test"].accuracy
    epochs = run.cost.examples_seen / run.data.splits["train"].examples
    yield judge(
        "CIFAR-10 ResNet-20 (JPEG copy)",
        ">= 0.80, <= 10 epochs",
        f"{value:.4f}, {epochs:.1f} epochs, {run.cost.total_s / 60:.0f} min",
        value >= 0.80 and epochs <= 10,
    )


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


def tested(what: str, asked: str, *arguments: str) -> Callable[[], Iterator[Line]]:
    """A line that a selection of tests proves."""

    def run() -> Iterator[Line]:
        good, summary = pytest(*arguments)
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
    "errors": tested("bad input, one line each", "tests pass", "tests/cli", "tests/data"),
    "lowering": tested(
        "every preset x family lowers for CUDA and TPU; import table",
        "tests pass",
        "tests",
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

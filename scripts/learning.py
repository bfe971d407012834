"""The lines of scripts/accept on what training reaches: accuracy, mechanisms, divergence."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from judgement import (
    OUT,
    ROOT,
    Line,
    NotRunError,
    accuracy,
    arm,
    call,
    experiment,
    judge,
    spread,
)

from efficient.ledger.record import Record
from efficient.ledger.source import source
from efficient.ledger.store import records


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
    grams = ngrams("pystdlib_tiny")
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


def ngrams(preset: str) -> dict[str, float]:
    """Bits per byte of n-gram models, by name, on the windows that a preset is scored on."""
    found = {}
    for order in range(1, 6):
        words = ("control", preset, f"ngram:order={order}", "--out", OUT / "controls", "--json")
        code, output, _ = call(sys.executable, "-m", "efficient", *words)
        if code:
            raise NotRunError(f"efficient control {preset} ended with {code}")
        summary = json.loads(output)
        found[summary["arm"]] = summary["scores"]["test"]["loss"] / math.log(2)
    return found


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
    grams = ngrams("pystdlib_gpt")
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

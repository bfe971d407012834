"""Published rules of what a training clock counts, applied afterwards to the laps of a run.

A rule of another benchmark never fits our laps exactly. Where a lap holds more than the rule
counts, or a part of what it counts stands in a lap that is left out, `bounds` says how far the
rule's own time may lie from `seconds`.
"""

from __future__ import annotations

from dataclasses import dataclass

from efficient.ledger.bill import Cost
from efficient.ledger.record import LAPS

#: What stands before a time whose bounds are apart.
AT_LEAST, AT_MOST, ABOUT = "\N{GREATER-THAN OR EQUAL TO}", "\N{LESS-THAN OR EQUAL TO}", "~"


@dataclass(frozen=True)
class Rule:
    """One published clock.

    laps       counted, of `ledger.record.LAPS`
    over       of these: a part is not counted there, and the lap does not tell which
    under      not among these: a part is counted there, and the lap does not tell which
    free       not counted up to `free_s` seconds together; what is above counts
    starts     when that clock starts
    source     who publishes the rule, and where
    unknowable what our laps cannot say of it; empty where nothing is missing
    """

    title: str
    laps: tuple[str, ...]
    starts: str
    source: str
    over: tuple[str, ...] = ()
    under: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    free_s: float = 0.0
    unknowable: str = ""


RULES: dict[str, Rule] = {
    "train": Rule(
        "train",
        laps=("train",),
        starts="with the first step, compiled before",
        source="docs/accounting.md of this project",
    ),
    "airbench": Rule(
        "airbench",
        laps=("train", "scoring"),
        under=("build", "eval"),
        starts="after a whole warm-up run on dummy labels, dataset on the device",
        source="KellerJordan/cifar10-airbench, airbench94_muon.py lines 340-441",
        unknowable=(
            "it counts the last evaluation but none before it, and what the method computes "
            "between phases; our laps eval and build hold more, so both are left out"
        ),
    ),
    "modded-nanogpt": Rule(
        "modded-nanogpt",
        laps=("train", "scoring"),
        under=("build",),
        starts="after the kernels are warm and the state is restored; validation excluded",
        source="KellerJordan/modded-nanogpt, train_gpt.py lines 2265-2346 and README lines 236-239",
        unknowable=(
            "it counts what the method computes between phases; our lap build also holds the "
            "making of the network, so it is left out"
        ),
    ),
    "algoperf": Rule(
        "algoperf",
        laps=("compile", "warmup", "train", "scoring"),
        over=("compile",),
        under=("build",),
        starts="after the model and the optimizer are made; evaluation and logging excluded",
        source="mlcommons/algorithmic-efficiency 2c90454, submission_runner.py lines 356-446",
        unknowable=(
            "it counts compiling the step and not the evaluation, and our lap compile holds both; "
            "host work between phases stands in our lap build, which is left out"
        ),
    ),
    "mlperf": Rule(
        "mlperf",
        laps=("data", "train", "scoring", "eval", "checkpoint"),
        over=("data", "eval"),
        under=("build", "compile", "write"),
        free=("start", "build", "compile", "warmup"),
        free_s=1200.0,
        starts="before anything touches the dataset, after at most 20 minutes of initialisation",
        source=(
            "mlcommons/training_policies, training_rules.adoc, section Run Results, v0.7 "
            "(later rounds: 30 minutes)"
        ),
        unknowable=(
            "it stops at a target and counts evaluation until then, while our lap eval also holds "
            "the test split and the shipped file; and its result is a mean of many runs without "
            "the fastest and the slowest"
        ),
    ),
    "total": Rule(
        "total",
        laps=LAPS,
        starts="with the process",
        source="docs/accounting.md of this project",
    ),
}

#: Every rule beside the others, where a table can be asked for one.
ALL = "all"


def seconds(cost: Cost, rule: Rule) -> float:
    """The time of a run by `rule`, never more than `total_s`."""
    return _sum(cost, rule.laps) + max(0.0, _sum(cost, rule.free) - rule.free_s)


def bounds(cost: Cost, rule: Rule) -> tuple[float, float]:
    """The least and the most that the publisher's own clock could have shown."""
    free = tuple(name for name in rule.free if name not in rule.under)
    most = _sum(cost, (*rule.laps, *rule.under)) + max(0.0, _sum(cost, free) - rule.free_s)
    return seconds(cost, rule) - _sum(cost, rule.over), most


def mark(rule: Rule) -> str:
    """How a time by `rule` stands to the publisher's own: at least, at most, about, or the same."""
    if rule.over and rule.under:
        return ABOUT
    return AT_MOST if rule.over else AT_LEAST if rule.under else ""


def explain(name: str) -> str:
    """For readers of a table: what the clock counts, from where, and what our laps cannot say."""
    rule = RULES[name]
    laps = ", ".join(rule.laps) if rule.laps != LAPS else "all laps"
    if rule.free:
        laps += f", and {', '.join(rule.free)} above {rule.free_s / 60:.0f} minutes together"
    text = f"{rule.title} counts {laps}. It starts {rule.starts} ({rule.source})."
    return f"{text} {mark(rule)} because {rule.unknowable}." if rule.unknowable else text


def _sum(cost: Cost, laps: tuple[str, ...]) -> float:
    return sum(cost.laps.get(name, 0.0) for name in laps)

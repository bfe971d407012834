"""Does a technique keep the contracts of its seams? What a user's own variant is tested by.

A variant is tried, with its default fields or with given ones, on two tiny runs, one of images and
one of text, in a temporary folder. A network that it refuses in one line is passed over, as long as
it accepts the other one.
"""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from efficient.check.case import CASES, Case, compiling_once
from efficient.check.contract import STAGES, BrokenError, constructible
from efficient.config import Config, find_type
from efficient.data import load
from efficient.run import train
from efficient.variants import VARIANTS, Variant, VariantError

#: What a method that is broken may raise.
FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Finding:
    """One contract: whether it is kept, and what was seen."""

    name: str
    passed: bool
    detail: str


def check(
    name: str,
    say: Callable[[str], None] | None = None,
    cases: dict[str, Config] | None = None,
    variant: Variant | None = None,
) -> list[Finding]:
    """Try the variant `name`, of the table or `module:Attribute`; `say` hears what is tried.

    variant: the same with other fields than its defaults.

    Raises:
        ConfigError: there is no such variant. DataError: digits or pystdlib cannot be made.
    """
    say = say or (lambda line: None)
    kind = type(variant) if variant is not None else find_type(VARIANTS, name)
    findings = [_try("a frozen dataclass with defaults", functools.partial(constructible, kind))]
    if not findings[0].passed:
        return findings
    cases = CASES if cases is None else cases
    refusals = 0
    with tempfile.TemporaryDirectory(prefix="efficient-check-") as folder, compiling_once(folder):
        for label, config in cases.items():
            found, refused = _examine(label, config, variant or kind(), Path(folder, label), say)
            findings += found
            refusals += refused
    if refusals == len(cases):
        findings.append(Finding("accepts a network", False, "refused every network"))
    return findings


def _examine(
    label: str, config: Config, variant: Variant, out: Path, say: Callable[[str], None]
) -> tuple[list[Finding], bool]:
    """The contracts on one network, and whether the variant refused it."""
    say(f"{label}: building")
    dataset = load(config.workload.data)
    if hasattr(variant, "teacher"):
        teacher = train(config, out).run_id
        variant = dataclasses.replace(variant, **{"teacher": teacher})
    config = dataclasses.replace(config, variants=(variant,))
    try:
        case = Case.begin(config, dataset, out)
    except VariantError as error:
        return [Finding(f"{label}: fits the network", True, f"refused: {error}")], True
    except FAULTS as error:
        return [Finding(f"{label}: fits the network", False, _line(error))], False
    findings: list[Finding] = []
    for contracts in STAGES:
        for title, contract in contracts.items():
            say(f"{label}: {title}")
            findings.append(_try(f"{label}: {title}", functools.partial(contract, case)))
        if not all(finding.passed for finding in findings):
            break
    return findings, False


def _try(name: str, contract: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, contract())
    except BrokenError as error:
        return Finding(name, False, str(error))
    except FAULTS as error:
        return Finding(name, False, _line(error))


def _line(error: BaseException) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"

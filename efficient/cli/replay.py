"""`efficient estimate --cases`: published training runs replayed, and what was told of GPT-3."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from efficient.cli.failure import UsageError
from efficient.cli.output import console, document, facts, heading, table
from efficient.report import number

NEITHER = "--cases replays published runs and takes no {}; leave one of both out"


def replay(arguments: argparse.Namespace) -> int:
    """Compute every published run from its inputs; jax is not imported."""
    from efficient.cost.published import training_costs
    from efficient.predict.case import replay
    from efficient.predict.gpt3 import tellings

    for name in ("config", "params", "tokens"):
        if getattr(arguments, name) is not None:
            raise UsageError(NEITHER.format("CONFIG" if name == "config" else f"--{name}"))
    cases, told = [replay(run) for run in training_costs()], tellings()
    if arguments.json:
        document(_document(cases, told))
    else:
        _print(cases, told)
    return 0


def _document(cases: list[Any], told: Any) -> dict[str, Any]:
    """Stable keys; errors are computed / published - 1."""
    from efficient.predict.assumption import MFU
    from efficient.predict.case import TOLERANCE, spread
    from efficient.predict.gpt3 import verdict

    return {
        "runs": [_row(case) for case in cases],
        "tolerance": TOLERANCE,
        "within_tolerance": [case.id for case in cases if case.agrees is True],
        "beyond_tolerance": [case.id for case in cases if case.agrees is False],
        "mfu_range": MFU,
        "mfu_spread": spread(cases),
        "mfu_inside": {case.id: case.mfu for case in cases if case.inside is True},
        "mfu_outside": {case.id: case.mfu for case in cases if case.inside is False},
        "gpt3": [
            {
                "name": telling.name,
                "reading": telling.reading,
                "quoted": telling.quoted,
                "computed": {name: telling.value(name) for name in _GPT3},
                "errors": telling.errors,
                "assumptions": telling.forecast.assumptions,
            }
            for telling in told
        ],
        "gpt3_verdict": verdict(told),
    }


def _row(case: Any) -> dict[str, Any]:
    checks = {name: getattr(case, name) for name in ("flops", "energy_kwh", "carbon_tco2e")}
    return {
        "id": case.id,
        "model": case.model,
        **{
            name: {"published": c.published, "computed": c.computed, "error": c.error}
            for name, c in checks.items()
        },
        "energy_circular": case.circular,
        "mfu": case.mfu,
        "mfu_inside": case.inside,
        "usd_per_chip_hour": case.usd_per_chip_hour,
        "agrees": case.agrees,
    }


#: Field of a forecast -> how it is called.
_GPT3 = {
    "chip_hours": "V100-hours",
    "energy_kwh": "kWh",
    "carbon_kgco2e": "kgCO2e",
    "cost_usd": "USD",
}
_COLUMNS = (
    "run", ">FLOPs", ">6 N D", ">kWh", ">computed", ">error", ">tCO2e", ">computed", ">error",
    ">MFU", ">USD/chip-hour",
)  # fmt: skip


def _print(cases: list[Any], told: Any) -> None:
    from efficient.predict.assumption import MFU
    from efficient.predict.case import TOLERANCE, spread
    from efficient.predict.gpt3 import verdict

    out = console()
    heading(out, "published runs, and what their inputs give")
    table(out, _COLUMNS, [_cells(case) for case in cases])
    heading(out, "do they agree?")
    limits = f"kWh within {TOLERANCE['energy_kwh']:.1%}, CO2 within {TOLERANCE['carbon_tco2e']:.1%}"
    judged = [case for case in cases if case.agrees is not None]
    agreeing = [case for case in judged if case.agrees]
    circular = [case for case in cases if case.circular]
    by_mfu = [case for case in cases if case.inside is not None]
    inside = [case for case in by_mfu if case.inside]
    found = spread(cases)
    lines = [
        ("rows with the inputs", f"{len(agreeing)} of {len(judged)} agree ({limits})"),
        ("agreeing", _names(agreeing)),
        ("not agreeing", _names(case for case in judged if not case.agrees)),
        ("a product themselves", f"{_names(circular)}: their kWh test the arithmetic alone"),
        (
            f"MFU in {MFU[0]:.2f} to {MFU[1]:.2f}",
            f"{len(inside)} of {len(by_mfu)}: {_names(inside, mfu=True)}",
        ),
        ("outside of it", _names((case for case in by_mfu if not case.inside), mfu=True)),
    ]
    if found:
        ends = f"{found.low:.3f} to {found.high:.3f}, median {found.central:.3f}"
        lines.append(("MFU of all hours", ends))
    facts(out, lines)
    heading(out, "GPT-3, told three times (quoted, then computed)")
    columns = ("account", *(f">{title}" for title in _GPT3.values()), "by")
    table(out, columns, [_telling(telling) for telling in told])
    facts(out, [("", verdict(told))])


def _cells(case: Any) -> tuple[str, ...]:
    energy, carbon = case.energy_kwh, case.carbon_tco2e
    share = "" if case.mfu is None else f"{case.mfu:.3f}{'' if case.inside else ' *'}"
    price = "" if case.usd_per_chip_hour is None else f"{case.usd_per_chip_hour:.2f}"
    checks = (energy.published, energy.computed), (carbon.published, carbon.computed)
    return (
        case.id,
        *(_amount(value) for value in (case.flops.published, case.flops.computed)),
        *(*map(_amount, checks[0]), _error(energy.error)),
        *(*map(_amount, checks[1]), _error(carbon.error)),
        share,
        price,
    )


def _telling(telling: Any) -> tuple[str, ...]:
    cells = []
    for name in _GPT3:
        computed = _amount(telling.value(name))
        quoted = telling.quoted.get(name)
        if quoted is not None:
            computed = f"{_amount(quoted)}: {computed} ({_error(telling.errors[name])})"
        cells.append(computed)
    return (telling.name, *cells, telling.reading)


def _names(cases: Iterable[Any], mfu: bool = False) -> str:
    found = [f"{case.id} {case.mfu:.3f}" if mfu else case.id for case in cases]
    return ", ".join(found) or "none"


def _amount(value: float | None) -> str:
    from efficient.cli.estimate import amount

    return "" if value is None else amount(value)


def _error(error: float | None) -> str:
    if error is None:
        return ""
    sign = number.MINUS if error < 0 else "+"
    return f"{sign}{abs(100 * error):.1f} %"

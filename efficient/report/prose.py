"""A compute statement in words: a paragraph and a table, as Markdown, LaTeX or a model card."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Callable

from efficient.compare.development import MEANING, Amount
from efficient.compare.sentence import listed
from efficient.compare.terms import J_PER_KWH
from efficient.ledger.bill import GRADES
from efficient.ledger.record import FINISHED, INTERRUPTED, NONFINITE, OVER_BUDGET
from efficient.report import number
from efficient.report.statement import NO_RECORD, Statement
from efficient.report.table import plain

WIDTH = 79
UNKNOWN = "unknown"
AT_LEAST = "\N{GREATER-THAN OR EQUAL TO} "
STATUS = {
    FINISHED: "finished",
    NONFINITE: "failed (the loss was not finite)",
    INTERRUPTED: "interrupted",
    OVER_BUDGET: "stopped over budget",
    NO_RECORD: "killed or still running, without a record",
}
#: The rows of the table: name of the amount, what it is, and the unit of `number.quantity`.
ROWS = (
    ("train_s", "time in training steps", "hours"),
    ("total_s", "time of the processes", "hours"),
    ("device_s", "time of the devices", "hours"),
    ("flops_executed", "training FLOPs, executed", "flop"),
    ("flops_model", "training FLOPs, models alone", "flop"),
    ("flops_teacher", "teachers' FLOPs, in the executed", "flop"),
    ("flops_scoring", "scoring FLOPs, apart", "flop"),
    ("flops_eval", "evaluation FLOPs, apart", "flop"),
    ("energy_j", "energy of the computers", "j"),
    ("energy_facility_kwh", "energy with the building", "kwh"),
    ("carbon_gco2e", "operational CO2e", "g"),
    ("cost_usd", "money", "usd"),
)
#: Rows that are left out where nothing of the kind was computed.
_OPTIONAL = ("flops_teacher", "flops_scoring")
_SHORT = {
    "total_s": "time",
    "device_s": "time of the devices",
    "flops_executed": "FLOPs",
    "energy_j": "energy",
    "carbon_gco2e": "CO2e",
    "cost_usd": "money",
}
_NAMES = {key: name for key, name, _ in ROWS}
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    AT_LEAST[0]: r"$\geq$",
}


def lines(made: Statement) -> list[tuple[str, str, str]]:
    """The table: what, of everything, of the final runs; never 0 for what is unknown."""
    shown = str(len(made.final)) if made.reported else UNKNOWN
    found = [("runs", str(sum(made.runs.values())), shown)]
    for key, name, unit in ROWS:
        total, own = made.spent[key], (made.reported or {}).get(key)
        if key in _OPTIONAL and total.whole and not total.value:
            continue
        if key == "energy_facility_kwh" and not _overhead(made):
            continue
        cells = [_cell(total, unit), _cell(own, unit) if own else UNKNOWN]
        if key == "energy_j":
            grades = (made.energy_grade, made.energy_grade_reported)
            cells = [f"{c}, grade {g}" if g else c for c, g in zip(cells, grades, strict=True)]
        found.append((name, cells[0], cells[1]))
    return found


def sentences(made: Statement) -> list[str]:
    """The paragraph: how many runs, where, how long, how much, and what is not known."""
    said = {key: _words(made.spent[key], unit) for key, _, unit in ROWS}
    reported = f", of which {len(made.final)} for the final results" if made.reported else ""
    first, last = made.first_utc[:10], made.last_utc[:10]
    when = f"on {first}" if first == last else f"between {first} and {last}"
    return [
        f"{_runs(made)}{reported}, on {_hardware(made)}, {when}.",
        f"Together this took {said['total_s']}, of which {said['train_s']} in training steps, and "
        f"executed {said['flops_executed']} in those steps ({said['flops_model']} for the models "
        f"alone) and {said['flops_eval']} in evaluation.",
        _energy(made, said),
        _carbon(made, said),
        _money(made, said),
        _multiplier(made),
    ]


def facts(made: Statement) -> list[tuple[str, str]]:
    """What stands beside the table: sources, software, data, and what is unknown and why."""
    pairs = [("energy", text) for text in made.energy_coverage]
    pairs += [("CO2e", text) for text in made.carbon_sources]
    pairs += [("money", text) for text in made.price_sources]
    if ratios := [f"{_SHORT[k]} {r:.3g}" for k, r in made.multipliers.items() if k in _SHORT]:
        pairs.append(("development multiplier", f"{MEANING}: {', '.join(ratios)}"))
    texts = (f"{name} {' and '.join(found)}" for name, found in made.versions.items())
    pairs.append(("software", ", ".join(texts)))
    pairs.append(("code", ", ".join(made.commits)))
    pairs.append(("data", ", ".join(made.data)))
    reasons: dict[str, list[str]] = {}
    for key, reason in made.unknown.items():
        reasons.setdefault(reason, []).append(_NAMES.get(key, key))
    pairs += [(UNKNOWN, f"{', '.join(names)}: {why}") for why, names in reasons.items()]
    return [*pairs, *(("note", text) for text in made.notes)]


def markdown(made: Statement) -> str:
    """A paragraph, the table, and the sources as a list."""
    rows = [("", "everything", "final runs"), (":--", "--:", "--:"), *lines(made)]
    table = [f"| {' | '.join(plain(text) for text in row)} |" for row in rows]
    below = [_wrapped(f"{plain(name)}: {plain(text)}", "- ", "  ") for name, text in facts(made)]
    paragraph = _wrapped(plain(" ".join(sentences(made))))
    return "\n".join([paragraph, "", *table, "", *below, ""])


def latex(made: Statement) -> str:
    """A paragraph and a tabular that need no package; the sources are comments above them."""
    above = [_wrapped(f"{name}: {text}", "% ", "%   ") for name, text in facts(made)]
    rows = [" & ".join(escape(text) for text in row) + r" \\" for row in lines(made)]
    return "\n".join(
        [
            *above,
            _wrapped(escape(" ".join(sentences(made)))),
            "",
            r"\begin{tabular}{lrr}",
            r"\hline",
            r" & everything & final runs \\",
            r"\hline",
            *rows,
            r"\hline",
            r"\end{tabular}",
            "",
        ]
    )


def card(made: Statement) -> str:
    """The emissions block of a model card's YAML header; what is unknown is a comment."""
    carbon = made.spent["carbon_gco2e"]
    notes, fields = [], {}
    if carbon.value is not None:
        fields["emissions"] = float(f"{carbon.value:.6g}")
        notes.append("emissions: grams of operational CO2e, of all runs together")
    if not carbon.whole:
        what = "left out" if carbon.value is None else "a lower bound"
        notes.append(f"emissions are {what}; unknown for {made.unknown['carbon_gco2e']}")
    fields["source"] = f"efficient-jax {', '.join(made.versions['efficient-jax'])}, {_grade(made)}"
    fields["training_type"] = made.training_type
    places = [f"{grid.region} {grid.year or ''}".strip() for grid in made.grids]
    if places:
        fields["geographical_location"] = ", ".join(dict.fromkeys(places))
    else:
        notes.append("geographical_location is left out: no region is known")
    fields["hardware_used"] = ", ".join(machine.description for machine in made.hardware)
    above = [_wrapped(text, "# ", "#   ") for text in notes]
    below = [f"  {name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    return "\n".join([*above, "co2_eq_emissions:", *below, ""])


def escape(text: str) -> str:
    """Text that LaTeX prints as it is, on one line."""
    made = "".join(_LATEX.get(mark, mark) for mark in " ".join(text.split()))
    return made.replace("CO2e", "CO$_2$e")


def _runs(made: Statement) -> str:
    """`28 runs were made (27 finished, 1 interrupted; 2 processes of them were killed)`."""
    parts = [f"{count} {STATUS.get(status, status)}" for status, count in made.runs.items()]
    killed = made.processes_killed
    tail = f"; {killed} of their processes were killed" if killed else ""
    count = sum(made.runs.values())
    return f"{count} {'run was' if count == 1 else 'runs were'} made ({', '.join(parts)}{tail})"


def _hardware(made: Statement) -> str:
    if len(made.hardware) == 1:
        return made.hardware[0].description
    return listed([f"{h.description} ({number.hours(3600 * h.hours)})" for h in made.hardware])


def _energy(made: Statement, said: dict[str, str]) -> str:
    if made.spent["energy_j"].value is None:
        return f"Their energy is unknown ({made.unknown['energy_j']})."
    text = f"The computers used {said['energy_j']} of energy, {_grade(made)}"
    if made.metered_kwh is None:
        return f"{text}."
    summed = _words(made.energy_summed, "j")
    return f"{text}, by a meter of our own; the sum of what the runs themselves read is {summed}."


def _carbon(made: Statement, said: dict[str, str]) -> str:
    if made.spent["carbon_gco2e"].value is None:
        known = made.spent["energy_j"].value is not None
        why = f" ({made.unknown['carbon_gco2e']})" if known else ", since their energy is"
        return f"Their carbon is unknown{why}."
    building = f"With the building this is {said['energy_facility_kwh']}. " * _overhead(made)
    return (
        f"{building}The operational emissions are {said['carbon_gco2e']} of CO2e, at "
        f"{listed(made.carbon_sources)}; the making of the hardware is not counted."
    )


def _overhead(made: Statement) -> bool:
    """Whether the building adds to the energy of the computers."""
    joules, kwh = made.spent["energy_j"].value, made.spent["energy_facility_kwh"].value
    return joules is not None and kwh is not None and not math.isclose(kwh * J_PER_KWH, joules)


def _money(made: Statement, said: dict[str, str]) -> str:
    if made.spent["cost_usd"].value is None:
        return "What they cost in money is unknown."
    return f"The price of it is {said['cost_usd']}, at {listed(made.price_sources)}."


def _multiplier(made: Statement) -> str:
    if "total_s" not in made.multipliers:
        why = made.unknown.get("final", "the time of a run is unknown")
        return f"The development multiplier is unknown: {why}."
    return (
        f"Everything together took {made.multipliers['total_s']:.3g} times as long as the final "
        "runs alone (development multiplier)."
    )


def _grade(made: Statement) -> str:
    if not made.energy_grade:
        return "energy unknown"
    return f"grade {made.energy_grade} ({GRADES[made.energy_grade]})"


def _cell(amount: Amount, unit: str) -> str:
    if amount.value is None:
        return UNKNOWN
    return ("" if amount.whole else AT_LEAST) + _written(amount.value, unit)


def _words(amount: Amount, unit: str) -> str:
    if amount.value is None or amount.whole:
        return _cell(amount, unit)
    return f"at least {_written(amount.value, unit)} ({amount.known} of {amount.runs} runs)"


def _written(value: float, unit: str) -> str:
    written: dict[str, Callable[[float], str]] = {
        "hours": number.hours,
        "kwh": lambda kwh: number.energy(kwh * J_PER_KWH),
    }
    return written[unit](value) if unit in written else number.quantity(value, unit)


def _wrapped(text: str, first: str = "", rest: str = "") -> str:
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )

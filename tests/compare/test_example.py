"""Two single runs are compared by the examples that one of them alone has right."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fabrication import arm, record
from statsmodels.stats.contingency_tables import mcnemar

from efficient.compare.comparison import compare
from efficient.compare.example import agreements, untested
from efficient.compare.summary import rows
from efficient.ledger.notation import budget
from efficient.ledger.prediction import PREDICTIONS, below
from efficient.ledger.record import File
from efficient.ledger.store import digest_file


def single(label, accuracy=0.9):
    return dataclasses.replace(arm(label, {0: accuracy}), run_ids=(label,))


def right(gained, lost, both=50):
    """Two sides: examples that the first alone has right, the second alone, and both."""
    first = [True] * gained + [False] * lost + [True] * both
    return {"other": first, "baseline": [False] * gained + [True] * lost + [True] * both}


def test_two_single_runs_have_mcnemars_test():
    (found,) = agreements([single("baseline"), single("other")], right(20, 6))
    expected = mcnemar([[50, 20], [6, 0]], exact=True).pvalue
    assert found.p == pytest.approx(expected) and found.p < 0.05
    assert found.gain == pytest.approx(100 * 14 / 76) and found.low > 0
    assert found.said.startswith("of these two networks alone +18.4 points [")
    assert found.said.endswith("by McNemar's test on 76 examples")


def test_exchanged_runs_have_the_opposite_gain():
    here = [single("baseline"), single("other")]
    (there,), (back,) = agreements(here, right(20, 6)), agreements(here, right(6, 20))
    assert back.p == pytest.approx(there.p)
    assert (back.gain, back.low) == pytest.approx((-there.gain, -there.high))


def test_several_arms_share_the_level():
    made = right(20, 6)
    here = [single("baseline"), single("other"), single("third")]
    alone = agreements(here, made)[0].p
    found = agreements(here, made | {"third": made["baseline"]})
    assert found[0].p == pytest.approx(2 * alone) and "among 2 arms" in found[0].said


def test_seeds_come_before_examples():
    several = dataclasses.replace(arm("other", {0: 0.9, 1: 0.9}), run_ids=("other", "more"))
    assert agreements([single("baseline"), several], right(20, 6)) == []


def test_the_baseline_at_another_budget_takes_nothing_from_the_level():
    made = right(20, 6)
    here = [single("baseline"), single("other"), single(budget("baseline", 2))]
    (found,) = agreements(here, made | {budget("baseline", 2): made["baseline"]})
    assert found == agreements(here[:2], made)[0]


def test_what_is_not_stored_is_said():
    here = [single("baseline"), single("other")]
    (text,) = untested(here, [])
    assert text.startswith("Of other there is no test: not over seeds, and not over examples")
    assert untested(here, agreements(here, right(1, 2))) == []
    assert untested([single("baseline")], []) == []


# -- files -----------------------------------------------------------------------------------------


def stored(folder, made, correct, save=np.savez):
    path = folder / made.run_id / PREDICTIONS
    path.parent.mkdir()
    save(path, correct=np.asarray(correct), loss=np.zeros(3))
    file = File(digest_file(path), path.stat().st_size)
    units = dataclasses.replace(made.scores["test"], units=len(correct))
    scores = made.scores | {"test": units}
    return dataclasses.replace(made, files={PREDICTIONS: file}, scores=scores)


def test_predictions_beside_single_runs_are_part_of_the_sentence(tmp_path):
    bits = right(20, 6)
    made = [
        stored(tmp_path, record(arm=label), np.float32(bits[key]))
        for label, key in (("baseline", "baseline"), ("pruned", "other"))
    ]
    (found,) = compare(rows(made), made, correct=below(tmp_path))
    assert "(no test: 1 seed)); of these two networks alone +18.4" in found.sentences["pruned"]
    (alone,) = compare(rows(made), made)
    assert not alone.agreements and "not stored" in alone.readings[-1]


@pytest.mark.parametrize(
    "correct", [(1.0, 0.5), (1.0, np.nan), ((1.0, 0.0), (1.0, 0.0)), np.array([None, {}])]
)
def test_what_are_no_bits_is_not_read(tmp_path, correct):
    made = stored(tmp_path, record(), correct)
    assert below(tmp_path)(made) is None


def test_files_of_others_are_not_trusted(tmp_path):
    made = stored(tmp_path, record(), (1.0, 0.0))
    assert below(tmp_path)(made) == [True, False]
    path = tmp_path / made.run_id / PREDICTIONS
    assert below(tmp_path)(dataclasses.replace(made, run_id=f"../{tmp_path.name}")) is None
    assert below(tmp_path)(dataclasses.replace(made, files={})) is None
    text = dataclasses.replace(made, data=dataclasses.replace(made.data, unit="token"))
    assert below(tmp_path)(text) is None
    path.write_bytes(path.read_bytes() + b" ")
    assert below(tmp_path)(made) is None, "another digest"
    bomb = stored(tmp_path, record(seed=1), np.ones(9), save=np.savez_compressed)
    assert below(tmp_path)(bomb) is None, "it could unfold to anything"
    torn = dataclasses.replace(made, files={PREDICTIONS: File(digest_file(path), 3)})
    path.write_bytes(b"PK")
    assert below(tmp_path)(torn) is None
    damaged = dataclasses.replace(made, files={PREDICTIONS: File(digest_file(path), 2)})
    assert below(tmp_path)(damaged) is None

"""A control is a run: its record has what a network's has, and says why of what it lacks."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import tiny

from efficient.compare.column import COLUMNS
from efficient.compare.comparison import compare
from efficient.compare.summary import rows
from efficient.controls import CONTROLS, Control, ControlError, digest, from_json, to_json
from efficient.controls.linear import Logistic
from efficient.controls.neighbours import Neighbours
from efficient.controls.ngram import NGram
from efficient.controls.run import check, run
from efficient.controls.tree import Boosting, Forest
from efficient.controls.vector import SVM
from efficient.data import load
from efficient.ledger.record import FINISHED, LAPS
from efficient.ledger.store import read_record
from efficient.report.site.build import Site, build
from efficient.run.attempt import bills
from efficient.workloads import ImageClassification, LanguageModel

DIGITS = ImageClassification("digits")
MODELS = (Neighbours(), Logistic(iterations=40), SVM(), Forest(trees=20), Boosting(iterations=3))
LEAST = {"knn": 0.97, "logistic": 0.94, "svm": 0.97, "forest": 0.93, "boosting": 0.75}
SHIPPED = {"knn", "logistic", "svm"}
EVERY = pytest.mark.parametrize("name", LEAST)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Records of every control of images by the name of its model; `fitted.out` has their runs."""

    class Fitted(dict):
        out = tmp_path_factory.mktemp("controls")

    return Fitted((r.model, r) for r in (run(Control(DIGITS, m), Fitted.out) for m in MODELS))


@EVERY
def test_it_leaves_a_record_that_reads_back(fitted, name):
    record = fitted[name]
    assert (record.status, record.workload, record.variants) == (FINISHED, "digits", ())
    stored = read_record(fitted.out / record.run_id)
    assert stored.request == record.request and stored.cost == record.cost
    assert record.scores["test"].accuracy >= LEAST[name]
    assert record.scores["test"].units == record.data.splits["test"].examples == 360
    assert from_json(record.config).model in MODELS
    assert record.versions["scikit-learn"] and "jax" not in record.versions


@EVERY
def test_the_laps_of_one_clock_add_up(fitted, name):
    cost = fitted[name].cost
    assert set(cost.laps) <= set(LAPS)
    assert cost.total_s == pytest.approx(sum(cost.laps.values()))
    assert 0 < cost.train_s < cost.total_s and cost.laps["eval"] > 0


@EVERY
def test_what_is_unknown_has_its_reason(fitted, name):
    cost = fitted[name].cost
    (row,) = rows([fitted[name]])
    assert "not measured" not in row.unknown.values()
    own = [c.key for c in COLUMNS if not c.key.endswith("_parents") and c.key != "flops_teacher"]
    assert [key for key in own if getattr(cost, key) is None and key not in cost.unknown] == []
    assert (cost.stored_bytes is None) == (name not in SHIPPED)
    if cost.flops_executed is None:
        assert cost.unknown["flops_executed"].startswith("not a FLOP count")


def test_flops_are_the_products_of_matrices(fitted):
    train = fitted["knn"].data.splits["train"].examples
    vectors = fitted["svm"].evidence["support_vectors"]
    expected = {"knn": 2 * train * 64, "logistic": 2 * 64 * 10, "svm": 2 * vectors * (64 + 9)}
    found = {name: fitted[name].cost.flops_inference for name in expected}
    assert found == expected
    assert fitted["knn"].cost.flops_executed == 0
    predicted = 360 * 2 + fitted["knn"].data.splits["validation"].examples
    assert fitted["knn"].cost.flops_eval == predicted * expected["knn"]


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_the_shipped_file_is_weighed_and_scores_as_the_model(fitted, name):
    record = fitted[name]
    (file,) = (f for path, f in record.files.items() if path.endswith(".safetensors"))
    assert file.bytes == record.cost.stored_bytes
    assert record.scores["artefact"].accuracy == record.scores["test"].accuracy


def test_a_loss_needs_probabilities(fitted):
    assert 0 < fitted["logistic"].scores["test"].loss < 0.3
    for name, words in (("svm", "votes"), ("knn", "probability 0 in ")):
        score = fitted[name].scores["test"]
        assert math.isnan(score.loss) and words in score.reason
    stored = read_record(fitted.out / fitted["svm"].run_id).scores["test"]
    assert math.isnan(stored.loss) and stored.reason == fitted["svm"].scores["test"].reason


def test_every_example_is_kept_for_paired_tests(fitted):
    for record in fitted.values():
        with np.load(fitted.out / record.run_id / "predictions.npz") as kept:
            assert kept["correct"].mean() == pytest.approx(record.scores["test"].accuracy)


def test_the_seed_and_the_settings_are_asked_and_the_labels_are_not():
    control = Control(DIGITS, Forest(trees=5))
    assert digest(control) == digest(dataclasses.replace(control, arm="a", preset="b"))
    others = [Control(DIGITS, Forest(trees=5), seed=1), Control(DIGITS, Forest(trees=6))]
    assert len({digest(c) for c in (control, *others)}) == 3
    assert from_json(to_json(control)) == control
    assert {type(model) for model in MODELS} | {NGram} == set(CONTROLS.values())


def test_controls_stand_beside_a_network_in_tables_sentences_and_plots(fitted, trained, tmp_path):
    network = trained(tiny.DIGITS)
    found = [network, *fitted.values()]
    made = rows(found)
    assert made[0].label == "baseline" and len(made) == 6
    said = compare(made)[0].sentences
    assert "FLOPs unknown (not a FLOP count: trees compare" in said["random forest"]
    text = build(Site(found, compare(made, found), "controls"), tmp_path).read_text()
    assert all(row.label in text for row in made)
    pages = "".join(page.read_text() for page in tmp_path.glob("*/*.html"))
    assert "support vectors, " in pages and "us to predict one image" in pages


def test_what_a_killed_attempt_spent_is_on_the_bill_of_the_next(tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Neighbours, "fit", killed)
        run(Control(DIGITS, Neighbours()), tmp_path)
    (folder,) = tmp_path.iterdir()
    assert [process.outcome for process in bills(folder)] == ["killed"]
    record = run(Control(DIGITS, Neighbours()), tmp_path)
    assert [process.outcome for process in record.cost.processes] == ["killed", FINISHED]
    assert record.cost.total_s > record.cost.processes[1].total_s
    assert record.cost.flops_executed is None
    assert "killed" in record.cost.unknown["flops_executed"]


def test_a_setting_that_is_refused_leaves_nothing_behind(tmp_path):
    with pytest.raises(ControlError, match="neighbours 9999"):
        run(Control(DIGITS, Neighbours(9999)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_text_is_scored_on_the_windows_of_a_network(tmp_path):
    workload = LanguageModel("pystdlib", context=16, windows=8)
    record = run(Control(workload, NGram(order=2)), tmp_path)
    assert (record.arm, record.data.unit, record.scores["test"].units) == ("bigram", "byte", 128)
    assert record.scores["artefact"] == record.scores["test"]
    assert 2 < record.scores["test"].loss / math.log(2) < 4
    (row,) = rows([record])
    assert (row.quality_name, row.cost("stored_bytes")) == ("bits/byte", record.cost.stored_bytes)


@pytest.mark.parametrize(
    ("workload", "model", "words"),
    [
        (DIGITS, NGram(), "'ngram' learns from text, and 'digits' holds image; choose one of knn"),
        (ImageClassification("digits", crop=1), Forest(), "without crop and flip"),
    ],
)
def test_a_control_that_does_not_fit_its_data_is_refused(workload, model, words):
    with pytest.raises(ControlError, match=words):
        check(Control(workload, model), load("digits"))


def test_a_class_without_examples_is_refused():
    digits = load("digits")
    train = digits.splits["train"]
    few = {name: array[train["targets"] != 3] for name, array in train.items()}
    lacking = dataclasses.replace(digits, splits={**digits.splits, "train": few})
    with pytest.raises(ControlError, match="has 9 of 10 classes"):
        check(Control(DIGITS, Forest()), lacking)

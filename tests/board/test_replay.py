"""What only training again shows."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from founding import RULES, make_board
from hostile import claim_again, seal
from tiny import DIGITS

from efficient.board import rules as rule
from efficient.board.entry import open_entry
from efficient.board.error import BoardError
from efficient.board.replay import MOST_S, Replayed, check_scores, in_order, judge, patience
from efficient.board.retiming import Ratio
from efficient.board.submission import Extra, Statement, submit
from efficient.cli import main
from efficient.ledger.benchmark import Interval
from efficient.ledger.record import Parent

TARGET = rule.Target("", "accuracy", {}, (), value=0.5)


def test_scores_of_other_seeds_agree_and_worse_ones_do_not():
    check_scores([0.97, 0.98, 0.975], [0.972], TARGET)
    check_scores([0.97, 0.98, 0.975], [0.999], TARGET)
    with pytest.raises(BoardError, match=r"trained again it has accuracy 0\.9000"):
        check_scores([0.97, 0.98, 0.975], [0.9], TARGET)
    nats = replace(TARGET, quality="loss")
    check_scores([1.0, 1.1, 1.05], [0.2], nats)
    with pytest.raises(BoardError, match="trained again it has loss"):
        check_scores([1.0, 1.1, 1.05], [3.0], nats)


def test_one_run_has_no_spread():
    with pytest.raises(BoardError, match="one claimed run has no spread"):
        check_scores([0.97], [0.97], TARGET)


def test_what_a_run_needs_is_trained_before_it_and_a_circle_is_refused(entered, runs):
    """Whatever the role: a reference is followed as a teacher is."""
    opened = open_entry(entered[1])

    def entry(**needs):
        made = {}
        for one, run in zip("abc", runs, strict=True):
            parents = tuple(Parent("reference", other, "") for other in needs.get(one, ""))
            made[one] = replace(run, run_id=one, parents=parents)
        return replace(opened, records=made)

    def order(chosen):
        return [run.run_id for run in in_order(chosen.records["a"], chosen)]

    assert order(entry(a="bc", b="c")) == ["c", "b", "a"]
    for circle in (entry(a="a"), entry(a="b", b="a")):
        with pytest.raises(BoardError, match="run a needs itself: a from "):
            order(circle)
    with pytest.raises(BoardError, match="needs x, whose record is missing"):
        order(entry(a="x"))


def test_a_replay_has_its_time_and_no_more(entered, runs, tmp_path, monkeypatch):
    from efficient.board import replay

    longest = replace(runs[0], cost=replace(runs[0].cost, total_s=1e8))
    assert patience(runs[0]) < patience(longest) == MOST_S
    monkeypatch.setattr(replay, "patience", lambda record: 0.01)
    with pytest.raises(BoardError, match=r"takes longer than 0.01 s; .* s are claimed"):
        replay._train(runs[0], {}, tmp_path, None)


def test_an_honest_entry_is_refused_once_in_a_hundred_times():
    import random

    chance, refused = random.Random(0), 0
    for _ in range(1000):
        values = [chance.gauss(0.9, 0.01) for _ in range(5)]
        try:
            check_scores(values[:3], values[3:], TARGET)
        except BoardError:
            refused += 1
    assert refused <= 20


def test_equal_code_on_an_equal_processor_gives_equal_bits(entered, runs):
    opened = open_entry(entered[1])
    assert "1 bit for bit" in judge([Replayed(runs[0], runs[0])], opened, TARGET)
    other = replace(runs[0], params_digest="0" * 64)
    with pytest.raises(BoardError, match="has other parameters than claimed"):
        judge([Replayed(runs[0], other)], opened, TARGET)
    newer = replace(other, versions={"jax": "9"})
    assert "spread of the seeds" in judge([Replayed(runs[0], newer)], opened, TARGET)
    cheaper = replace(newer, cost=replace(newer.cost, flops_executed=7))
    with pytest.raises(BoardError, match="7 were run"):
        judge([Replayed(runs[0], cheaper)], opened, TARGET)


def test_a_ratio_is_refused_only_where_it_says_the_contrary():
    quiet = Interval(1.0, 0.95, 1.05, 11)
    slower, faster = Interval(2.0, 1.8, 2.2, 11), Interval(0.5, 0.45, 0.55, 11)
    assert Ratio(slower, quiet, 0.5).contradicts and Ratio(faster, quiet, 2.0).contradicts
    assert not Ratio(slower, quiet, 2.0).contradicts
    assert not Ratio(slower, Interval(1.0, 0.4, 2.5, 11), 0.5).contradicts, "a restless machine"
    assert Ratio(quiet, quiet, 1.0).equal and not Ratio(slower, quiet, 1.0).equal


def test_two_entries_are_timed_in_turns(runs, trained, tmp_path):
    """A batch of inference and a few steps of training of two entries of the same runs."""
    from efficient.board import configuration, recount, rescoring, retiming

    board = make_board(tmp_path)
    rules = rule.read(board)
    one, other = (
        submit(board, rules, runs, runs, trained.out, Statement("digits", "fixed", name))
        for name in ("One", "Other")
    )
    assert retiming.of_inference(rules, one, other)
    decoded = configuration.decode(one)
    (shipped, *_) = rescoring.rescore(one, decoded, recount.check(decoded))
    side = decoded[one.entry.runs[0]], shipped
    found = retiming.inference(side, side, seconds=0.05)
    assert found.claimed is None and found.gain.low <= found.gain.median <= found.gain.high
    sides = (one, decoded), (other, configuration.decode(other))
    trained_ratio = retiming.training(*sides, None, seconds=0.05)
    assert trained_ratio.claimed == 1.0 and trained_ratio.gain.pairs >= 6


@pytest.fixture(scope="module")
def committed(runs, trained, tmp_path_factory):
    """An entry with four states of its first run."""
    from efficient.board.segment import commit

    folder = tmp_path_factory.mktemp("states")
    board = make_board(tmp_path_factory.mktemp("board"))
    extra = Extra(*commit(runs[0], 4, folder, None))
    words = Statement("digits", "open", "With states")
    return submit(board, rule.read(board), runs, runs, trained.out, words, extra).folder


def test_a_stretch_is_repeated_from_a_committed_state(committed):
    from efficient.board import configuration, segment

    opened = open_entry(committed)
    assert len(opened.entry.segments) == 4
    found = segment.replay(opened, configuration.decode(opened), 1.0, None)
    assert found == "4 stretches, 4 steps, repeated, 4 bit for bit"


def test_a_state_of_another_training_is_refused(committed, tmp_path):
    import numpy as np

    from efficient.board import configuration, segment
    from efficient.deploy.format import load_arrays, save_arrays

    folder = shutil.copytree(committed, tmp_path / "board" / "entries" / committed.name)
    for path in folder.glob("checkpoints/*"):
        arrays = load_arrays(path)
        save_arrays(path, {n: a * 3 if a.dtype == np.float32 else a for n, a in arrays.items()})
    seal(folder)
    opened = open_entry(folder)
    with pytest.raises(BoardError, match="when repeated"):
        segment.replay(opened, configuration.decode(opened), 0.01, None)
    for path in folder.glob("checkpoints/*"):
        save_arrays(path, {"x": np.zeros(3, np.float32)})
    seal(folder)
    opened = open_entry(folder)
    with pytest.raises(BoardError, match=r"is missing|is unknown"):
        segment.replay(opened, configuration.decode(opened), 0.01, None)


@pytest.mark.slow
def test_a_replay_is_bit_for_bit(entered, tmp_path, capsys):
    board = shutil.copytree(entered[0], tmp_path / "board")
    folder = board / "entries" / entered[1].name
    assert main(["leaderboard", "verify", str(folder), "--replay"]) == 0
    assert "1 bit for bit" in capsys.readouterr().out


@pytest.mark.slow
def test_a_teacher_is_trained_first(trained, tmp_path):
    from efficient.board import configuration, recount
    from efficient.board.replay import replay
    from efficient.variants import Distill

    teacher = trained(DIGITS)
    config = replace(DIGITS, variants=(Distill(teacher=teacher.run_id),))
    students = [trained(replace(config, seed=seed)) for seed in range(3)]
    board = make_board(tmp_path, RULES.replace("value = 0.2", "value = 0.05"))
    words = Statement("digits", "first", "Taught")
    every = [teacher, *students]
    made = submit(board, rule.read(board), students, every, trained.out, words)
    opened = open_entry(made.folder)
    both = students[0].cost.flops_executed + teacher.cost.flops_executed
    assert opened.entry.claim.lineage["flops_executed"] == both
    recount.check(configuration.decode(opened))
    target = rule.read(board).targets["digits"]
    assert "1 bit for bit" in replay(opened, target, 1, None, lambda line: None)


@pytest.mark.slow
def test_test_data_in_training_are_caught_by_a_replay_alone(tmp_path, monkeypatch, capsys):
    """The lie that every other tier lets pass."""
    from efficient.data import load
    from efficient.run import train
    from efficient.workloads import workload

    honest = load("digits")
    leaked = replace(honest, splits=honest.splits | {"train": _leaked(honest)})
    config = replace(DIGITS, train_for="600 steps", chunk_steps=100)
    out = tmp_path / "runs"
    with monkeypatch.context() as patch:  # who leaks with care normalises as the suite does
        statistics = workload._statistics(honest)
        patch.setattr(workload, "_statistics", lambda dataset: statistics)
        runs = [train(replace(config, seed=s), out, dataset=leaked) for s in range(3)]
    assert min(run.scores["artefact"].accuracy for run in runs) > 0.985
    text = RULES.replace("value = 0.2", "value = 0.97")
    board = make_board(tmp_path / "board", text)
    words = Statement("digits", "open", "Too good")
    made = submit(board, rule.read(board), runs, runs, tmp_path / "runs", words)
    assert main(["leaderboard", "verify", str(made.folder)]) == 0
    assert "re-scored" in capsys.readouterr().out
    assert main(["leaderboard", "verify", str(made.folder), "--replay"]) == 1
    assert "has other parameters than claimed" in capsys.readouterr().err
    elsewhere(made.folder)
    assert main(["leaderboard", "verify", str(made.folder), "--replay", "3"]) == 1
    assert "trained again it has accuracy" in capsys.readouterr().err


def _leaked(dataset):
    """A training split of the same size, in which the test split stands as often as it fits."""
    import numpy as np

    count = len(dataset.splits["train"]["targets"])
    return {n: np.resize(a, (count, *a.shape[1:])) for n, a in dataset.splits["test"].items()}


def elsewhere(folder: Path) -> None:
    """The same claim from another processor, where equal bits cannot be asked for."""
    path = folder / "records.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        record["machine"]["cpu"] = "Another"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    claim_again(folder)
    seal(folder)


def test_code_that_lies_elsewhere_is_not_run(entered):
    from efficient.board import contribution

    opened = open_entry(entered[1])
    away = replace(opened.entry, elsewhere={"code/mine.py": "https://example.org/mine.py"})
    with pytest.raises(BoardError, match=r"code/mine\.py lies elsewhere"):
        contribution.check(replace(opened, entry=away))


MINE = """
from dataclasses import dataclass
from efficient.variants import Variant

@dataclass(frozen=True)
class Mild(Variant):
    def extend(self, tx, weights, plan):
        import optax
        return optax.chain(optax.clip(1.0), tx)
"""


@pytest.mark.slow
def test_code_is_run_in_isolation_and_its_predictions_scored(tmp_path, monkeypatch, capsys):
    from efficient.board import isolation
    from efficient.config import find_type
    from efficient.run import train
    from efficient.variants import VARIANTS

    if not isolation.possible():
        pytest.skip("the kernel allows no namespaces here")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("mild_variant.py").write_text(MINE)
    mild = find_type(VARIANTS, "mild_variant:Mild")()
    runs = [train(replace(DIGITS, seed=s, variants=(mild,)), tmp_path / "runs") for s in range(3)]
    board = make_board(tmp_path / "board")
    words = Statement("digits", "open", "Mine", code=(Path("mild_variant.py"),))
    made = submit(board, rule.read(board), runs, runs, tmp_path / "runs", words)
    code = made.folder / "code" / "mild_variant.py"
    assert main(["leaderboard", "verify", str(made.folder)]) == 0
    assert "self-reported" in capsys.readouterr().out
    assert main(["leaderboard", "verify", str(made.folder), "--replay"]) == 0
    assert "scored their predictions" in capsys.readouterr().out
    code.write_text(MINE.replace("optax.clip(1.0)", "optax.scale(0.0)"))
    seal(made.folder)
    assert main(["leaderboard", "verify", str(made.folder), "--replay", "3"]) == 1
    assert "trained again it has accuracy" in capsys.readouterr().err

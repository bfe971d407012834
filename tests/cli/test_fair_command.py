"""`efficient compare --budgets`, `--trials`, `--equal`: refusals, plans, one real comparison."""

from __future__ import annotations

import dataclasses

import pytest
from fabrication import record

from efficient.config import digest
from efficient.experiment import process
from efficient.ledger.codec import to_dict
from efficient.ledger.source import source
from efficient.ledger.store import records, write_record

EXPERIMENT = """
import dataclasses

import tiny
from efficient.experiment import Arm, Experiment, LogUniform
from efficient.variants import Prune

SHORT = dataclasses.replace(tiny.DIGITS, train_for="8 steps", evaluations=1)
PRUNED = dataclasses.replace(SHORT, variants=(Prune(sparsity=0.5, schedule="static"),))
experiment = Experiment(
    title="Fair",
    arms=(Arm("baseline", SHORT), Arm("pruned", PRUNED)),
    seeds=2,
    space={"optimizer.lr": LogUniform(1e-3, 1e-1)},
)
"""


@pytest.fixture
def experiment(tmp_path):
    folder = tmp_path / "experiments" / "fair"
    folder.mkdir(parents=True)
    (folder / "experiment.py").write_text(EXPERIMENT)
    return folder


def here(monkeypatch, make):
    """Runs in this process instead of one each; what was trained is counted."""
    trained = []

    def instead(item, out, data_dir, terms):
        trained.append(item.arm.label)
        return to_dict(make(item, out))

    monkeypatch.setattr(process, "_train", instead)
    return trained


def trained(item, out):
    from efficient.run import train

    return train(item.config, out)


def invented(item, out):
    """Of nine tenths of the FLOPs that were asked for, if they were."""
    made, config = record("digits", "baseline", item.seed), item.config
    flops = made.cost.flops_executed
    if config.train_for.endswith("FLOP"):
        flops = int(0.9 * float(config.train_for.split()[0]))
    made = dataclasses.replace(
        made,
        run_id=item.label.replace(" ", "-"),
        arm=item.arm.label,
        request=digest(config, made.data.fingerprint, source().digest),
        cost=dataclasses.replace(made.cost, flops_executed=flops),
    )
    write_record(out / made.run_id, made)
    return made


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--budgets", "0.25,half"), "--budgets '0.25,half' is no list of multiples"),
        (("--budgets", "0,1"), "is no list of multiples"),
        (("--budgets", "nan,1"), "is no list of multiples"),
        (("--budgets", "2,2.0"), "names a multiple twice"),
        (("--budgets", "1"), "one point is no curve"),
        (("--trials", "0"), "is not a whole number above 0"),
        (("--equal", "flops"), "did you mean 'flops_executed'"),
        (("--lineage", "full"), "give --equal as well"),
        (("--equal", "train_s", "--budgets", "2"), "leave one out"),
    ],
)
def test_what_makes_no_sense_is_one_line(command, experiment, tmp_path, words, said):
    done = command("compare", experiment, "--out", tmp_path / "runs", *words)
    assert done.code == 2 and said in done.err and done.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_trials_without_a_space_are_refused(command, experiment, tmp_path):
    file = experiment / "experiment.py"
    file.write_text(EXPERIMENT.replace("space={", "# space={"))
    done = command("compare", experiment, "--trials", "2", "--dry-run")
    assert done.code == 2 and "has no space to draw trials from" in done.err


def test_a_dry_run_counts_what_the_options_add(command, experiment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("compare", "fair", "--dry-run", "--json", "--seeds", "1")
    plain = command(*words).document
    more = command(*words, "--budgets", "0.5,1,2", "--trials", "3").document
    assert (plain["missing"], more["missing"]) == (2, 2 + 2 + 4 * 3)
    assert more["minutes"] == 4 * (1 + 0.5 + 2 + 1)

    assert not (tmp_path / "runs").exists()


def test_budgets_and_trials_end_to_end(command, experiment, tmp_path, monkeypatch):
    """Trained for real: the baseline and its half, a trial and a seed each, of the same program."""
    file, out, ran = experiment / "experiment.py", tmp_path / "runs", here(monkeypatch, trained)
    file.write_text(EXPERIMENT.replace(', Arm("pruned", PRUNED)', ","))
    words = ("compare", experiment, "--out", out, "--budgets", "0.5", "--trials", "1")
    words = (*words, "--seeds", "1", "--json")
    done = command(*words)
    assert done.code == 0, done.err
    assert len(ran) == 2 * (1 + 1)
    found = {row["arm"]: row for row in done.document["rows"]}
    assert set(found) == {"baseline", "baseline @ 0.5x"}
    trials = [one for one in records(out)[0] if " ~ trial " in one.arm]
    for arm, row in found.items():
        (own,) = [one for one in trials if one.arm == f"{arm} ~ trial 1"]
        spent = own.cost.flops_executed
        assert (row["trials"], row["outlays"]["flops_executed"]["tuning"]) == (1, spent)
        assert row["config"]["optimizer"] == own.config["optimizer"]
        assert own.config["optimizer"]["lr"] != 5e-3
        assert row["seeds"] == [0] and own.seed != 0
        run = row["costs"]["flops_executed"]["mean"]
        assert row["first_model"]["flops_executed"] == pytest.approx(run + spent)
    steps = {one.arm: one.steps for one in trials}
    assert (steps["baseline ~ trial 1"], steps["baseline @ 0.5x ~ trial 1"]) == (8, 4)
    assert "digits: tuned: 1 trial of each arm" in "\n".join(done.document["notes"])
    again = command(*words, "--dry-run").document
    assert (len(again["runs"]), again["missing"]) == (4, 0)


def test_verdicts_against_the_curve_reach_the_document(command, experiment, tmp_path, monkeypatch):
    here(monkeypatch, invented)
    words = ("compare", experiment, "--out", tmp_path, "--budgets", "0.5,2", "--until-decided")
    done = command(*words, "--max-seeds", "3", "--json")
    assert done.code == 0, done.err
    assert {gate["axis"] for gate in done.document["gates"]} == {
        "flops_executed",
        "train_s",
        "total_s",
    }
    assert "after 3 seeds: 0 of 1 arms decided" in done.err
    (text,) = [row["sentence"] for row in done.document["rows"] if row["sentence"]]
    assert "against the baseline's curve INCONCLUSIVE by executed FLOPs" in text


def test_equal_costs_are_stated_with_what_each_arm_took(command, experiment, tmp_path, monkeypatch):
    here(monkeypatch, invented)
    words = ("compare", experiment, "--out", tmp_path, "--equal", "flops_executed")
    done = command(*words, "--json")
    assert done.code == 0, done.err
    (share,) = done.document["equal"]
    assert (share["arm"], share["lineage"]) == ("pruned", "full")
    assert share["deviation"] == pytest.approx(-0.1)
    said = (
        "digits, pruned: took 8.64e+11 of the 9.6e+11 executed training FLOPs of baseline, -10.0 %"
    )
    assert said in command(*words).out
    assert said in (tmp_path / "report" / "index.html").read_text()

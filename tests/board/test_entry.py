"""A good entry: what it claims, what is checked of it, what is written down, and what is shown."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fabrication import record
from founding import RULES, make_board
from hostile import in_entry

from efficient.board import rules as rule
from efficient.board.challenge import AGREES, BELOW, challenge, verdict
from efficient.board.challenge import inspect as inspect_rerun
from efficient.board.claim import agrees, claim, clears
from efficient.board.entry import open_entry
from efficient.board.error import BoardError
from efficient.board.page import build, standings
from efficient.board.revision import rescore
from efficient.board.submission import Statement, submit
from efficient.board.verification import (
    RESCORED,
    RETIMED,
    SELF_REPORTED,
    UNVERIFIED,
    Verification,
    inspect,
    keep,
    recall,
)
from efficient.cli import main
from efficient.compare.significance import paired


@pytest.fixture
def board(entered, tmp_path):
    """A copy of the board with its entry."""
    return shutil.copytree(entered[0], tmp_path / "board")


@pytest.fixture
def entry(board, entered):
    return board / "entries" / entered[1].name


def test_the_claim_is_what_the_records_come_to(entered, runs):
    board, folder = entered
    opened, rules = open_entry(folder), rule.read(board)
    assert inspect(opened, rules).tier == UNVERIFIED
    values = [run.scores["artefact"].accuracy for run in runs]
    assert opened.entry.claim.qualities == tuple(values)
    assert opened.entry.claim.p == paired([value - 0.2 for value in values]).p
    assert opened.entry.claim.costs["flops_executed"] == runs[0].cost.flops_executed
    assert [r.run_id for r in opened.runs] == [r.run_id for r in runs]


def test_the_static_checks_start_without_jax(entered):
    board, folder = entered
    program = (
        "import sys; from pathlib import Path\n"
        "from efficient.board import challenge, entry, page, revision, rules, verification\n"
        "board, folder = map(Path, sys.argv[1:])\n"
        "verification.inspect(entry.open_entry(folder), rules.read(board))\n"
        "page.standings(board, rules.read(board))\n"
        "sys.exit(3 * ('jax' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program, board, folder])
    assert done.returncode == 0


def test_verify_scores_again_and_writes_it_down_beside(entry, board, capsys):
    before = {p: p.read_bytes() for p in entry.rglob("*") if p.is_file()}
    assert main(["leaderboard", "verify", str(entry), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["tier"] == RESCORED
    assert {p: p.read_bytes() for p in entry.rglob("*") if p.is_file()} == before
    opened = open_entry(entry)
    kept = recall(board, opened.entry.id, opened.entry.seal)
    assert kept is not None and kept.tier == RESCORED
    assert [step.tier for step in kept.steps] == [SELF_REPORTED, RESCORED]
    assert recall(board, opened.entry.id, "0" * 64) is None, "a changed entry has none"


def test_a_later_verification_forgets_no_tier(board):
    made = Verification(1, "x", "s", 2, ()).with_step(RESCORED, "scores")
    keep(board, made)
    whole = keep(board, Verification(1, "x", "s", 2, ()).with_step(SELF_REPORTED, "static"))
    assert [step.tier for step in whole.steps] == [SELF_REPORTED, RESCORED]
    assert whole.with_step(RETIMED, "seconds").tier == RESCORED, "seconds show no training"


def test_a_broken_rule_leaves_nothing_behind(runs, trained, tmp_path):
    board = make_board(tmp_path / "board")
    rules, words = rule.read(board), Statement("digits", "open", "x")
    for chosen, statement, line in (
        (runs[:2], words, "2 runs are fewer than the 3"),
        (runs, replace(words, track="gpu"), "is none of gpu"),
        (runs, replace(words, target="later"), "not set yet: mean loss of the baseline"),
        (runs, replace(words, name="L\u0435"), "must be of ASCII"),
        (runs, replace(words, elsewhere="http://x.org"), "must begin with https"),
        (runs, replace(words, code=(Path("mine.py"),)), "code mine.py: no such file"),
        ([], words, "no runs are given"),
    ):
        with pytest.raises(BoardError, match=re.escape(line)):
            submit(board, rules, chosen, runs, trained.out, statement)
    left = [p for p in board.rglob("*") if p.is_file()]
    assert left == [board / "board.toml"]


def test_a_mean_must_clear_the_target_by_more_than_chance(runs, trained, tmp_path):
    mean = sum(run.scores["artefact"].accuracy for run in runs) / 3
    for value, line in ((mean - 1e-6, "clears"), (mean + 1e-6, "misses")):
        text = RULES.replace("value = 0.2", f"value = {value}")
        board = make_board(tmp_path / line, text)
        with pytest.raises(BoardError, match=line):
            submit(
                board, rule.read(board), runs, runs, trained.out, Statement("digits", "open", "x")
            )


def test_values_that_do_not_vary_are_no_evidence():
    target = rule.Target("", "accuracy", {}, (), value=0.5)
    assert clears([0.9, 0.9, 0.9], target) is None
    assert clears([0.9], target) is None
    less = replace(target, quality="loss", value=2.0)
    assert clears([1.0, 1.1, 1.2], less) == pytest.approx(paired([1.0, 0.9, 0.8]).p)


def test_a_missing_teacher_is_unknown_and_not_free():
    runs = [record("digits", "distilled", seed) for seed in range(3)]
    teacher = record("digits", "teacher", 0)
    target = rule.Target("", "accuracy", {}, (), value=0.9)
    alone = claim(runs, {run.run_id: run for run in runs}, target)
    assert "flops_executed" not in alone.lineage and "lineage flops_executed" in alone.unknown
    whole = claim(runs, {run.run_id: run for run in (*runs, teacher)}, target)
    both = runs[0].cost.flops_executed + teacher.cost.flops_executed
    assert whole.lineage["flops_executed"] == both


def test_artefacts_that_lie_elsewhere_need_a_copy(runs, trained, tmp_path, capsys):
    from efficient.board import configuration, recount, rescoring

    board = make_board(tmp_path / "board")
    words = Statement("digits", "open", "Away", elsewhere="https://example.org/files/")
    made = submit(board, rule.read(board), runs, runs, trained.out, words)
    opened = open_entry(made.folder)
    assert not (made.folder / "artefacts").exists()
    assert len(opened.entry.elsewhere) == 6
    assert main(["leaderboard", "verify", str(made.folder), "--no-write"]) == 0
    said = capsys.readouterr().out
    assert "self-reported" in said and "give --fetch, or --artefacts" in said
    decoded = configuration.decode(opened)
    counted = recount.check(decoded)
    with pytest.raises(BoardError, match="give --fetch, or --artefacts"):
        rescoring.rescore(opened, decoded, counted)
    copy = tmp_path / "copy"
    for run in runs:
        folder = trained.out / run.run_id / "artefact"
        shutil.copytree(folder, copy / "artefacts" / run.run_id)
    assert len(rescoring.rescore(opened, decoded, counted, copy)) == 3
    path = copy / "artefacts" / runs[0].run_id / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BoardError, match="another digest"):
        rescoring.rescore(opened, decoded, counted, copy)


def test_a_challenge_stays_beside_the_entry(board, entry, runs, trained, tmp_path):
    rules, opened = rule.read(board), open_entry(entry)
    others = [replace(r, run_id=f"{r.run_id}x", params_digest=f"{r.seed:064}") for r in runs]
    with pytest.raises(BoardError, match="very weights"):
        challenge(board, rules, opened, runs, runs, trained.out, Statement("", "", "Same"))
    made, found = challenge(
        board, rules, opened, others, others, trained.out, Statement("", "", "Rerun")
    )
    assert made.folder.parent == board / "challenges" / opened.entry.id
    assert found.word == AGREES and found.runs == 3
    one_of_its_own = [*others[:2], replace(others[2], params_digest=runs[2].params_digest)]
    with pytest.raises(BoardError, match=f"run {others[2].run_id} has the very weights"):
        challenge(board, rules, opened, one_of_its_own, others, trained.out, Statement("", "", "x"))
    worse = replace(made.entry.claim, qualities=tuple(q - 0.9 for q in made.entry.claim.qualities))
    lower = replace(made, entry=replace(made.entry, claim=worse))
    assert verdict(opened, lower, rules.targets["digits"]).word == BELOW
    (place,), faults = standings(board, rules)
    assert [rerun.name for rerun in place.reruns] == ["Rerun"] and not faults
    build(board, rules, tmp_path / "site")
    assert "agrees" in (tmp_path / "site" / "index.html").read_text()
    other = replace(others[0], config=others[0].config | {"batch_size": 16})
    with pytest.raises(BoardError, match=r"config\.batch_size"):
        challenge(board, rules, opened, [other], [other], trained.out, Statement("", "", "Other"))


def test_a_rerun_that_is_none_is_refused_by_whoever_reads_it(board, entry, runs, trained):
    rules, opened = rule.read(board), open_entry(entry)
    others = [replace(r, run_id=f"{r.run_id}x", params_digest=f"{r.seed:064}") for r in runs]
    made, found = challenge(
        board, rules, opened, others, others, trained.out, Statement("", "", "Rerun")
    )
    assert inspect_rerun(opened, made, rules) == found
    first = others[0].run_id
    own = replace(made.records[first], params_digest=runs[0].params_digest)
    idle = replace(own, machine=replace(own.machine, cores=0))
    forged = replace(made.entry.claim, qualities=(1.0, 1.0, 1.0))
    for other, line in (
        (replace(made, records=made.records | {first: own}), "has the very weights"),
        (replace(made, records=made.records | {first: idle}), "machine of '0' cores"),
        (replace(made, entry=replace(made.entry, challenges="x")), "rerun of another entry"),
        (replace(made, entry=replace(made.entry, config={})), "its config is not the entry's"),
        (replace(made, entry=replace(made.entry, claim=forged)), "its claim is not"),
    ):
        with pytest.raises(BoardError, match=line):
            inspect_rerun(opened, other, rules)


def test_a_rerun_is_verified_beside_its_entry(board, entry, runs, trained, tmp_path, capsys):
    """Whatever it is called, it takes nothing from what is known of the entry."""
    rules, opened = rule.read(board), open_entry(entry)
    assert main(["leaderboard", "verify", str(entry)]) == 0
    others = [replace(r, run_id=f"{r.run_id}x", params_digest=f"{r.seed:064}") for r in runs]
    made, _ = challenge(
        board, rules, opened, others, others, tmp_path / "none", Statement("", "", "Rerun")
    )
    namesake = made.folder.rename(made.folder.with_name(entry.name))
    in_entry(lambda e: e.update(id=entry.name))(namesake)
    capsys.readouterr()
    assert main(["leaderboard", "verify", str(namesake)]) == 0
    assert f"  as a rerun of {entry.name}: agrees, mean " in capsys.readouterr().out
    known = recall(board, opened.entry.id, opened.entry.seal)
    assert known is not None and known.tier == RESCORED
    path = board / "verifications" / "challenges" / entry.name / f"{entry.name}.json"
    assert json.loads(path.read_text())["challenges"] == entry.name
    shutil.rmtree(entry)
    assert main(["leaderboard", "verify", str(namesake)]) == 1
    assert "no entry here" in capsys.readouterr().err


def test_an_entry_is_where_it_is_however_it_is_named(entry, tmp_path, monkeypatch):
    place = entry.parents[1] / "challenges" / "another" / entry.name
    shutil.copytree(entry, place)
    monkeypatch.chdir(entry)
    assert open_entry(Path()) == open_entry(entry) == open_entry(Path("..", entry.name))
    monkeypatch.chdir(place)
    for name in (Path(), Path("..", entry.name), place):
        with pytest.raises(BoardError, match="a rerun of nothing and lies in challenges/another"):
            open_entry(name)


def test_a_damaged_verification_is_written_anew(board, entry, capsys):
    assert main(["leaderboard", "verify", str(entry)]) == 0
    path = board / "verifications" / f"{entry.name}.json"
    path.write_text("{")
    opened = open_entry(entry)
    with pytest.raises(BoardError, match="verify the entry again"):
        recall(board, opened.entry.id, opened.entry.seal)
    assert main(["leaderboard", "verify", str(entry)]) == 0
    assert recall(board, opened.entry.id, opened.entry.seal) is not None


def test_old_entries_wait_for_new_rules(board, entry):
    opened = open_entry(entry)
    (board / "board.toml").write_text(RULES.replace("version = 2", "version = 3"))
    rules = rule.read(board)
    assert "waits for rescore under 3" in standings(board, rules)[0][0].why
    (made,), _ = rescore(board, rules)
    assert (made.rules, made.refused) == (3, "")
    assert standings(board, rules)[0][0].why == ""
    assert open_entry(entry) == opened, "an entry is never changed"
    stricter = RULES.replace("version = 2", "version = 4").replace("runs = 3", "runs = 4")
    (board / "board.toml").write_text(stricter)
    (made,), _ = rescore(board, rule.read(board))
    assert made.rules == 4 and "fewer than the 4" in made.refused
    assert "fewer than the 4" in standings(board, rule.read(board))[0][0].why


def test_an_entry_that_cannot_be_read_keeps_no_other_from_its_judgement(board, entry, capsys):
    (board / "entries" / "a-broken-one").mkdir()
    (board / "board.toml").write_text(RULES.replace("version = 2", "version = 3"))
    (made,), (fault,) = rescore(board, rule.read(board))
    assert (made.entry, made.rules) == (entry.name, 3) and "a-broken-one" in fault
    assert main(["leaderboard", "rescore", "--board", str(board)]) == 1
    said = capsys.readouterr()
    assert "stands under rules 3" in said.out and "entry.json is missing" in said.err


def test_the_page_escapes_everything_and_asks_for_nothing(runs, trained, tmp_path):
    """Markup is refused in an entry's own words, and shown as text where a record has it."""
    board = make_board(tmp_path / "board")
    hostile = "<script>alert(1)</script>\"'&"
    odd = [replace(run, machine=replace(run.machine, cpu=hostile)) for run in runs]
    submit(board, rule.read(board), odd, odd, trained.out, Statement("digits", "open", 'a & "b"'))
    (board / "entries" / "broken<b>").mkdir()
    page, faults = build(board, rule.read(board), tmp_path / "site")
    texts = [path.read_text() for path in (tmp_path / "site").rglob("*.html")]
    assert len(texts) == 2 and len(faults) == 1
    for text in texts:
        assert "<script" not in text and "<b>" not in text
        assert "default-src 'none'" in text.replace("&#39;", "'")
        assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", text)
    assert any("&lt;script&gt;alert(1)" in text for text in texts)
    assert "a &amp; &#34;b&#34;" in page.read_text()


def test_a_claim_by_another_version_agrees_in_what_it_names():
    runs = [record("digits", "distilled", seed) for seed in (0, 1, 2)]
    target = rule.Target("", "accuracy", {}, (), value=0.9)
    found = claim(runs, {run.run_id: run for run in runs}, target)
    costs = {name: value for name, value in found.costs.items() if name != "total_s_parents"}
    older = replace(found, costs=costs, unknown={}, p=(found.p or 0) * (1 + 1e-12))
    assert agrees(older, found) and found.p
    for name, value in (
        ("flops_executed", found.costs["flops_executed"] - 1e9),
        ("forgotten", 1.0),
    ):
        assert not agrees(replace(older, costs=costs | {name: value}), found)
    assert not agrees(replace(older, p=None), found)
    assert not agrees(replace(older, qualities=(1.0, 1.0, 1.0)), found)

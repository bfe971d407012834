"""`efficient estimate`: from numbers, from a config by its shapes, and of published runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import WORDS

from efficient.report.number import NONE

GPT3 = (
    "--params", "174.6e9", "--tokens", "300e9", "--chip", "V100-SXM2", "--mfu", "0.197",
    "--power-w", "330", "--pue", "1.1", "--gco2e-per-kwh", "429", "--usd-per-chip-hour", "1.50",
)  # fmt: skip
RESULTS = ("flops", "chip_hours", "days", "energy_kwh", "carbon_kgco2e", "cost_usd")
LARGE = ("--model.depth", "2", "--model.width", "49152", "--model.heads", "96")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    """The environment says nothing of the place."""
    for name in [name for name in os.environ if name.startswith("EFFICIENT_")]:
        if name != "EFFICIENT_CACHE_DIR":
            monkeypatch.delenv(name)


def test_numbers_give_gpt3(command):
    found = command("estimate", *GPT3, "--chips", "10000", "--json").document
    published = (3.14e23, 3.54e6, 14.8, 1_287_000, 552_000, 5.3e6)
    for name, value in zip(RESULTS, published, strict=True):
        assert found[name]["low"] == found[name]["central"] == found[name]["high"]
        assert found[name]["central"] == pytest.approx(value, rel=0.02), name
    assert found["unknown"] == {} and found["params_total"] == 174_600_000_000


def test_numbers_and_cases_do_not_import_jax():
    program = "import sys\nfrom efficient.cli import main\nassert main(sys.argv[1:]) == 0\n"
    program += "assert 'jax' not in sys.modules"
    for words in ((*GPT3, "--json"), ("--cases", "--json")):
        done = subprocess.run(
            [sys.executable, "-c", program, "estimate", *words],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        json.loads(done.stdout)


def test_text_shows_three_ends_and_every_assumption(command):
    done = command("estimate", "--params", "7e9", "--tokens", "1e12", "--chip", "H100-SXM")
    assert done.code == 0
    head = next(line for line in done.out.splitlines() if "central" in line)
    assert head.split() == ["low", "central", "high"]
    for name in ("FLOPs", "chip-hours", "days", "energy, kWh", "money, USD", "MFU", "goodput",
                 "PUE", "power of a chip", "peak of a chip", "grid", "price"):  # fmt: skip
        assert f"\n{name} " in done.out, name
    assert f"{NONE}: no region given" in done.out


def test_json_keeps_every_key_where_nothing_is_known(command):
    full = command("estimate", *GPT3, "--json").document
    bare = command("estimate", "--params", "1e6", "--tokens", "1e6", "--json").document
    assert full.keys() == bare.keys() and full["memory"].keys() == bare["memory"].keys()
    assert bare["chip_hours"] is None and "--chip" in bare["unknown"]["chip_hours"]
    for assumption in bare["assumptions"].values():
        assert set(assumption) == {"range", "unit", "source"} and assumption["source"]


def test_attention_counts_and_says_whether_it_fits(command):
    sizes = ("--layers", "96", "--heads", "96", "--head-dim", "128", "--context", "2048")
    plain = command("estimate", *GPT3, "--json").document
    found = command("estimate", *GPT3, *sizes, "--json").document
    assert found["flops_attention"] == 12 * 96 * 96 * 128 * 2048 * 300_000_000_000
    assert found["flops"]["central"] - plain["flops"]["central"] == pytest.approx(
        found["flops_attention"]
    )
    assert plain["memory"]["fits"] is False and plain["memory"]["activation_bytes_example"] is None
    remedy = found["memory"]["remedies"][0]
    assert "sharded" in remedy["change"] and remedy["chip_bytes"] <= 16e9
    assert "would fit with" in command("estimate", *GPT3, *sizes).out


def test_a_config_is_counted_by_the_forward_rule(command):
    """digits_mlp, 64-300-100-10: three times the forward but for the first layer's inputs."""
    forward, first = 2 * (64 * 300 + 300 * 100 + 100 * 10), 2 * 64 * 300
    found = command("estimate", "digits_mlp", "--chip", "A100-SXM-40GB", "--json").document
    assert found["flops_model_step"] == found["batch_size"] * (3 * forward - first)
    assert found["flops"]["central"] == found["steps"] * found["flops_model_step"]
    assert found["params_total"] == 50_610
    assert "tfloat32" in found["assumptions"]["peak"]["source"]


def test_a_config_far_larger_than_this_machine_is_estimated(command, text_config):
    """Two blocks of 29 billion parameters: 232 GB of weights that nobody allocates."""
    words = (*LARGE, "--model.hidden", "196608", "--chip", "H100-SXM", "--region", "SWE")
    found = command("estimate", text_config, *words, "--json").document
    matrices = 2 * 12 * 49152**2
    assert matrices < found["params_total"] < 1.001 * matrices
    memory = found["memory"]
    assert memory["weights_bytes"] == 4 * found["params_total"] == memory["gradients_bytes"]
    assert memory["fits"] is False and memory["remedies"]
    assert all(found[name]["low"] <= found[name]["high"] for name in RESULTS)
    assert found["unknown"] == {}


def test_cases_name_the_rows(command):
    found = command("estimate", "--cases", "--json").document
    assert len(found["mfu_inside"]) == 15 and len(found["mfu_outside"]) == 5
    assert found["beyond_tolerance"] == [] and len(found["within_tolerance"]) == 20
    meena = next(row for row in found["runs"] if row["id"] == "meena")
    assert meena["energy_kwh"]["published"] == 232_000
    assert meena["energy_kwh"]["error"] == pytest.approx(737_280 * 0.289 * 1.09 / 232_000 - 1)
    assert [telling["name"] for telling in found["gpt3"]] == [
        "measured power",
        "Lambda's price",
        "quoted energy",
    ]
    for telling in found["gpt3"]:
        assert telling["errors"] and all(abs(e) < 0.02 for e in telling["errors"].values())


def test_cases_tell_the_story_of_gpt3(command):
    done = command("estimate", "--cases")
    text = " ".join(done.out.split())
    assert done.code == 0 and "15 of 20" in text
    assert "mixes assumptions that do not fit together" in text
    for name in ("llama31-8b 0.139", "palm-540b 0.304", "20 of 20 agree"):
        assert name in text


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "CONFIG is missing"),
        (("--params", "1e9"), 2, "--params and --tokens"),
        (("--params", "1e9", "--tokens", "1e9", "--layers", "2"), 2, "give all"),
        (("--params", "1e9", "--tokens", "1e9", "--model.depth", "2"), 2, "CONFIG comes before"),
        (("--params", "1e9", "--tokens", "1e9", "--seed"), 2, "CONFIG comes first"),
        (("--params", "0", "--tokens", "1e9"), 2, "not a number above 0"),
        (("digits_mlp", "--params", "1e9"), 2, "known from CONFIG"),
        (("digits_mlp", "--cases"), 2, "--cases"),
        (("--params", "1e9", "--tokens", "1e9", "--mfu", "1.5", "--chip", "L4"), 1, "--mfu 1.5"),
        (("--params", "1e9", "--tokens", "1e9", "--chip", "X1"), 1, "chip 'X1' is not known"),
        (("--params", "1e9", "--tokens", "1e9", "--region", "XXX"), 1, "region 'XXX'"),
        (("digits_mlp", "--model.hiden", "3"), 2, "did you mean"),
    ],
)
def test_a_mistake_is_one_line(command, words, code, said):
    done = command("estimate", *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err and done.err.count("\n") == 1


def test_help_of_a_config_lists_its_fields(command):
    done = command("estimate", "digits_mlp", "--help")
    assert done.code == 0 and "--model.hidden" in done.out and "--goodput" in done.out


def test_a_run_that_only_converts_another_takes_no_flops(command, finished):
    out, done = finished
    words = ("--start", done.document["run_id"], "--train-for", "0 steps", *WORDS[2:])
    words = ("estimate", "digits_mlp", *words, "--variants", "quantize:method=ptq", "--out", out)
    found = command(*words, "--chip", "H100-SXM", "--json")
    assert found.code == 0, found.err
    assert (found.document["steps"], found.document["flops"]["high"]) == (0, 0)
    assert command(*words).code == 0

"""The files: what was written is read, and whatever was changed in between is found."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.deploy import ArtefactError, Packed, load, read, write
from efficient.deploy.format import CARD, WEIGHTS, _text, load_arrays, save_arrays
from efficient.ledger.store import digest_file
from efficient.models.layers import Storage

FUNCTION = "predict.stablehlo"
NETWORK = {
    "model": {"type": "mlp", "hidden": [30]},
    "signature": {"input_shape": [4, 4, 1], "classes": 3, "kind": "image"},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with dense, packed and sparse arrays, and a function."""
    folder, rng = tmp_path_factory.mktemp("artefact"), np.random.default_rng(0)
    sparse = np.zeros((16, 30), np.float32)
    sparse[0] = 1
    arrays = {
        "hidden_0/kernel": sparse,
        "hidden_0/bias": np.ones(30, np.float32),
        "head/kernel": rng.integers(-7, 8, (30, 3)).astype(np.int8),
        "head/kernel_step": np.ones(3, np.float32),
        "head/bias": np.ones(3, np.float32),
    }
    storage = {"hidden_0": Storage(), "head": Storage("int8", 4, 1, 8)}
    write(folder, Packed(arrays, storage), NETWORK, {FUNCTION: b"a function"})
    return folder, arrays


def refused(folder, words, reader=read):
    with pytest.raises(ArtefactError, match=words) as caught:
        reader(folder)
    assert "\n" not in str(caught.value)


def test_what_was_written_is_read(whole):
    folder, arrays = whole
    packed, card = read(folder)
    assert {n: a.tobytes() for n, a in packed.arrays.items()} == {
        n: a.tobytes() for n, a in arrays.items()
    }
    assert packed.storage["head"] == Storage("int8", 4, 1, 8)
    assert card["model"] == NETWORK["model"]
    assert card["arrays"]["hidden_0/kernel"] == {
        "dtype": "float32",
        "shape": [16, 30],
        "kept": 30,
    }
    assert card["files"][FUNCTION]["bytes"] == 10
    stored = load_arrays(folder / WEIGHTS)
    assert packed.weight_bytes == sum(a.nbytes for a in stored.values())
    assert stored["head/kernel"].nbytes == 45 and stored["hidden_0/kernel"].nbytes == 120
    assert load(folder).sizes == {p.name: p.stat().st_size for p in folder.iterdir()}


@given(st.data())
def test_any_changed_byte_of_any_file_is_found(whole, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("changed")
    shutil.copytree(whole[0], folder, dirs_exist_ok=True)
    path = folder / data.draw(st.sampled_from((CARD, WEIGHTS, FUNCTION)))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    refused(folder, "artefact")


def cut(folder):
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:50])


def lose(folder):
    (folder / FUNCTION).unlink()


def lose_card(folder):
    (folder / CARD).unlink()


def empty(folder):
    (folder / CARD).write_text("[]")


def end_lines_otherwise(folder):
    (folder / CARD).write_bytes((folder / CARD).read_bytes().replace(b"\n", b"\r\n"))


def repeat_key(folder):
    text = (folder / CARD).read_text()
    (folder / CARD).write_text(text.replace(' "format": 2,', ' "format": 1,\n "format": 2,'))


def not_a_number(folder):
    text = (folder / CARD).read_text()
    (folder / CARD).write_text(text.replace(' "format": 2,', ' "format": 2,\n "more": NaN,'))


def nest_deeply(folder):
    (folder / CARD).write_text("[" * 100_000)


@pytest.mark.parametrize(
    "damage",
    [cut, lose, lose_card, empty, end_lines_otherwise, repeat_key, not_a_number, nest_deeply],
)
def test_damage_is_refused_in_one_line(whole, tmp_path, damage):
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    damage(tmp_path)
    refused(tmp_path, "artefact")


def reseal(folder, change):
    """Change the card and seal it again, as somebody might who means to deceive."""
    card = json.loads((folder / CARD).read_text())
    card.pop("seal")
    change(card)
    if WEIGHTS in card.get("files", {}):
        card["files"][WEIGHTS]["sha256"] = digest_file(folder / WEIGHTS)
    (folder / CARD).write_text(_text(card))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda card: card.update(format=1), "has format 1, this package reads 2"),
        (lambda card: card.pop("files"), "describes no artefact"),
        (lambda card: card.update(arrays=[]), "describes no artefact"),
        (lambda card: card["arrays"]["head/bias"].update(shape=[4]), r"'head/bias' is float32\(3"),
        (lambda card: card["arrays"]["head/bias"].update(shape="3"), "expected a list"),
        (lambda card: card["arrays"]["head/kernel"].update(bits=5), "'head/kernel' is uint8"),
        (lambda card: card["arrays"]["head/kernel"].update(code="zip"), "no array can have"),
        (lambda card: card["arrays"]["hidden_0/kernel"].update(kept=31), "hidden_0/kernel"),
        (lambda card: card["arrays"].pop("head/bias"), "'head/bias' is unknown"),
        (lambda card: card["storage"]["head"].update(colour="red"), "unknown field 'colour'"),
    ],
)
def test_a_card_that_does_not_fit_its_arrays_is_refused(whole, tmp_path, change, words):
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    reseal(tmp_path, change)
    refused(tmp_path, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda card: card["model"].update(hidden=[31]), r"'head/kernel' is int8\(30, 3\)"),
        (lambda card: card["model"].update(type="perceptron"), "'perceptron' cannot be loaded"),
        (lambda card: card["model"].update(type="nosuch:Net"), "'nosuch:Net' cannot be loaded"),
        (lambda card: card.pop("model"), "names no network"),
        (lambda card: card["storage"].pop("head"), "layer 'head' is missing"),
        (lambda card: card["storage"].update(head={}), "'head/kernel' is int8"),
    ],
)
def test_arrays_of_another_network_are_refused(whole, tmp_path, change, words):
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    reseal(tmp_path, change)
    read(tmp_path)
    refused(tmp_path, words, load)


def test_a_surprising_safetensors_file_is_refused(whole, tmp_path):
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    arrays = load_arrays(tmp_path / WEIGHTS)
    for name, changed in {
        "head/bias": np.ones((3, 1), np.float32),
        "head/kernel_step": np.ones(3, np.float64),
        "more": np.ones(3, np.float32),
    }.items():
        save_arrays(tmp_path / WEIGHTS, arrays | {name: changed})
        reseal(tmp_path, lambda card: None)
        refused(tmp_path, f"array '{name}' is")

"""A ledger lies in a folder or under a prefix of an object store, and is only ever added to."""

import dataclasses
import json
import os

import fsspec
import pytest
from fabrication import record
from fabrication import records as fabricated

from efficient.ledger import place
from efficient.ledger.codec import to_dict
from efficient.ledger.publication import publish
from efficient.ledger.reader import PUBLISHED
from efficient.ledger.store import StoreError, records, write_record


@pytest.fixture
def runs(tmp_path):
    for made in (record(), record(arm="pruned")):
        write_record(tmp_path / "runs" / made.run_id, made)
    return tmp_path / "runs"


@pytest.fixture(params=["folder", "prefix"])
def ledger(request, tmp_path):
    """A place that does not exist yet."""
    if request.param == "folder":
        return str(tmp_path / "ledger")
    store = fsspec.filesystem("memory")
    store.store.clear()
    return "memory://bucket/ledger"


def names(ledger):
    return sorted(entry.name for entry in place.entries(ledger, lambda name: True)[0])


def test_published_records_are_read_from_any_place(runs, ledger):
    copies = list(publish(runs, ledger))
    assert all(one.new and not one.refusal for one in copies)
    assert [one.path for one in copies] == [f"{ledger}/{name}" for name in names(ledger)]
    assert records(ledger) == records(runs) != ([], [])


def test_same_record_again_is_nothing_to_do(runs, ledger):
    list(publish(runs, ledger))
    before = names(ledger)
    assert [one.new for one in publish(runs, ledger)] == [False, False]
    assert names(ledger) == before


def test_other_record_of_the_same_run_is_refused(runs, ledger):
    list(publish(runs, ledger))
    before = names(ledger)
    other = dataclasses.replace(record(), steps=3)
    write_record(runs / other.run_id, other)
    refused = [one.refusal for one in publish(runs, ledger) if one.refusal]
    assert len(refused) == 1 and "with other content" in refused[0]
    assert "never changed" in refused[0] and "\n" not in refused[0]
    assert names(ledger) == before


def test_layout_of_the_source_does_not_matter(runs, ledger, tmp_path):
    """The same records in one file, keys in another order: the same objects."""
    list(publish(runs, ledger))
    (tmp_path / "other").mkdir()
    lines = [json.dumps(dict(reversed(to_dict(one).items()))) for one in records(runs)[0]]
    (tmp_path / "other" / "records.jsonl").write_text("\n".join(lines))
    assert [(one.new, one.refusal) for one in publish(tmp_path / "other", ledger)] == [
        (False, "")
    ] * 2


def test_only_runs_that_are_over_are_published(tmp_path, ledger):
    for made in fabricated((0,)):
        write_record(tmp_path / "runs" / made.run_id, made)
    nan = dataclasses.replace(record(seed=9), status="nonfinite")
    write_record(tmp_path / "runs" / nan.run_id, nan)
    copies = list(publish(tmp_path / "runs", ledger))
    refused = [one.refusal for one in copies if one.refusal]
    assert len(refused) == 1 and "interrupted and may go on" in refused[0]
    assert {one.status for one in records(ledger)[0]} == {"finished", "nonfinite"}


@pytest.mark.parametrize("run_id", ["../../etc/passwd", "a/b", "", ".hidden", "x" * 300, "a\nb"])
def test_run_id_that_leaves_the_ledger_is_refused(tmp_path, ledger, run_id):
    hostile = dataclasses.replace(record(), run_id=run_id)
    write_record(tmp_path / "runs", hostile)
    (only,) = publish(tmp_path / "runs", ledger)
    assert "cannot be the name of a file" in only.refusal and "\n" not in only.refusal
    assert place.entries(ledger, lambda name: True, may_lack=True) == ([], [])


def test_published_record_that_was_changed_is_a_complaint(runs, ledger):
    list(publish(runs, ledger))
    name = names(ledger)[0]
    with fsspec.open(f"{ledger}/{name}", "r+b" if "://" not in ledger else "wb") as file:
        file.write(b" ")
    found, complaints = records(ledger)
    assert len(found) == 1
    assert len(complaints) == 1 and "changed since it was published" in complaints[0]


def test_ledger_inside_of_its_source_is_refused(runs):
    for ledger in (runs, runs / "ledger", runs.parent):
        with pytest.raises(StoreError, match="one lies in the other"):
            list(publish(runs, ledger))


def test_names_of_published_records_say_run_and_digest(runs, ledger):
    list(publish(runs, ledger))
    assert all(name.endswith(PUBLISHED) for name in names(ledger))
    assert names(ledger)[0].startswith(record().run_id)


# -- places that cannot be read --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["records.jsonl", "record.json"])
def test_unreadable_file_is_a_complaint_and_stops_nothing(runs, name):
    (runs / "folder" / name).mkdir(parents=True)
    (runs / "pipe").mkdir()
    os.mkfifo(runs / "pipe" / name)
    (runs / "gone").mkdir()
    (runs / "gone" / name).symlink_to("nowhere")
    (runs / "bytes").mkdir()
    (runs / "bytes" / name).write_bytes(b"\xff\xfe")
    found, complaints = records(runs)
    assert len(found) == 2 and len(complaints) == 4
    assert all(f"/{name}" in text and "\n" not in text for text in complaints)


@pytest.mark.parametrize("folder", ["a*", "b?c", "[1]", "x**"])
def test_name_that_could_be_a_pattern_is_a_name(tmp_path, folder):
    store = fsspec.filesystem("memory")
    store.store.clear()
    content = json.dumps(to_dict(record())).encode()
    store.pipe_file(f"/bucket/{folder}/record.json", content)
    store.pipe_file("/bucket/aa/record.jsonx", b"{}")
    assert records("memory://bucket") == ([record()], [])


def test_store_that_fails_while_it_is_read_is_a_complaint_for_every_file(runs, monkeypatch):
    store = fsspec.filesystem("memory")
    store.store.clear()
    list(publish(runs, "memory://bucket/ledger"))

    def fail(*_, **__):
        raise ConnectionResetError("by peer")

    monkeypatch.setattr(type(store), "cat_ranges", fail)
    found, complaints = records("memory://bucket/ledger")
    assert not found and len(complaints) == 2
    assert all("cannot be read (by peer)" in text for text in complaints)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_forbidden_folder_is_a_complaint(runs):
    closed = runs / record().run_id
    closed.chmod(0)
    try:
        found, complaints = records(runs)
    finally:
        closed.chmod(0o755)
    assert len(found) == 1 and "cannot be listed" in complaints[0]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("memory://nowhere/at-all", "nothing there; give a prefix that holds records"),
        ("nosuch://bucket", r"nosuch://bucket: cannot be reached \(Protocol not known"),
    ],
)
def test_place_that_is_not_there_is_refused(where, message):
    with pytest.raises(StoreError, match=message) as raised:
        records(where)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("protocol", "extra"), [("gs", "gs"), ("s3", "s3")])
def test_missing_client_names_the_extra(monkeypatch, protocol, extra):
    def missing(place):
        raise ImportError("Please install it")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(StoreError, match=rf"pip install 'efficient-jax\[{extra}\]'"):
        records(f"{protocol}://bucket/ledger")

"""The hostile corpus: each is one good entry, changed by somebody who means no good.

`CORPUS` is a literal table: name -> what is done to a copy of the entry, the tier that must refuse
it, and words of the one line that it must be refused with. Whoever can change an entry can seal it
again, so all but the wrong digests are sealed anew.
"""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficient.ledger.store import digest_file, digest_json

STATIC, COUNTED, SCORED = "static", "counted", "scored"
#: What hostile code would write, in the folder that a test works in.
CANARY = "executed"
MODULE = f"import pathlib\npathlib.Path({CANARY!r}).touch()\n"

Entry = dict[str, Any]


@dataclass(frozen=True)
class Hostile:
    """build: changes the folder of an entry; tier: the last that may be needed to refuse it."""

    build: Callable[[Path], None]
    words: str
    tier: str = STATIC


def seal(folder: Path, entry: Entry | None = None) -> None:
    """Digests of all files, and the entry's own, as an honest submission would write them."""
    path = folder / "entry.json"
    entry = json.loads(path.read_text()) if entry is None else entry
    here = [p for p in folder.rglob("*") if p.is_file() and p != path]
    entry["files"] = {
        p.relative_to(folder).as_posix(): {"sha256": digest_file(p), "bytes": p.stat().st_size}
        for p in sorted(here)
    }
    entry["seal"] = digest_json({k: v for k, v in entry.items() if k != "seal"})
    path.write_text(json.dumps(entry))


def in_entry(change: Callable[[Entry], object]) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        entry = json.loads((folder / "entry.json").read_text())
        change(entry)
        seal(folder, entry)

    return build


def in_records(change: Callable[[Entry], object]) -> Callable[[Path], None]:
    """The same change to every record, and the claim that follows from it."""

    def build(folder: Path) -> None:
        path = folder / "records.jsonl"
        records = [json.loads(line) for line in path.read_text().splitlines()]
        for record in records:
            change(record)
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        claim_again(folder)
        seal(folder)

    return build


def claim_again(folder: Path) -> None:
    """A claim that its records come to, where they come to any."""
    from efficient.board import rules
    from efficient.board.claim import claim, question
    from efficient.ledger.codec import to_dict
    from efficient.ledger.store import records

    path = folder / "entry.json"
    entry = json.loads(path.read_text())
    found, complaints = records(folder)
    board = rules.read(folder.parents[1])
    if complaints or entry["target"] not in board.targets:
        return
    by_id = {record.run_id: record for record in found}
    try:
        runs = [by_id[run_id] for run_id in entry["runs"]]
        entry["claim"] = to_dict(claim(runs, by_id, board.targets[entry["target"]]))
    except Exception:  # records of any damage have no claim: whoever judges them meets the same
        return
    entry["config"] = question(runs[0])
    path.write_text(json.dumps(entry))


def in_text(old: str, new: str, name: str = "entry.json") -> Callable[[Path], None]:
    """Put text where JSON would not let it stand."""

    def build(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))
        if name != "entry.json":
            seal(folder)

    return build


def put(name: str, content: bytes) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        seal(folder)

    return build


def in_artefact(name: str, content: bytes) -> Callable[[Path], None]:
    """Another file in place of one of the first artefact, with records that tell of it."""

    def build(folder: Path) -> None:
        path = sorted(folder.glob(f"artefacts/*/{name}"))[0]
        path.write_bytes(content)
        lines = []
        for line in (folder / "records.jsonl").read_text().splitlines():
            record = json.loads(line)
            if record["run_id"] == path.parent.name:
                file = {"sha256": digest_file(path), "bytes": path.stat().st_size}
                record["files"][f"artefact/{name}"] = file
            lines.append(json.dumps(record) + "\n")
        (folder / "records.jsonl").write_text("".join(lines))
        seal(folder)

    return build


def in_card(change: Callable[[Entry], object]) -> Callable[[Path], None]:
    """A card that is changed and sealed as `deploy` seals it."""

    def build(folder: Path) -> None:
        from efficient.deploy.format import _text

        path = sorted(folder.glob("artefacts/*/card.json"))[0]
        card = json.loads(path.read_text())
        card.pop("seal")
        change(card)
        in_artefact("card.json", _text(card).encode())(folder)

    return build


def all_costs(record: Entry, name: str, value: Any) -> None:
    """A cost and the process that it is the sum of."""
    record["cost"][name] = value
    for process in record["cost"]["processes"]:
        if name in process:
            process[name] = value


def lowered(record: Entry, name: str) -> None:
    """By 10 %, in every sum that it stands in."""
    all_costs(record, name, int(record["cost"][name] * 0.9))
    if name == "flops_executed":
        (kind,) = record["cost"]["flops_by_dtype"]
        record["cost"]["flops_by_dtype"][kind] = record["cost"][name]


def faster(record: Entry, seconds: float) -> None:
    """Laps and sums that agree with so many seconds of training."""
    cost = record["cost"]
    process = cost["processes"][0]
    for bill in (cost, process):
        bill["laps"]["train"] = seconds
        bill["total_s"] = sum(bill["laps"].values())
    cost["train_s"] = seconds


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


class Bomb:
    def __reduce__(self):
        return (os.system, (f"touch {CANARY}",))


def archive(folder: Path) -> None:
    """A zip that would write above the folder that it is unpacked in."""
    with zipfile.ZipFile(folder / "artefacts.zip", "w") as made:
        made.writestr("../../../../board.toml", "version = 9")
    seal(folder)


def link(folder: Path) -> None:
    (folder / "artefacts" / "passwd").symlink_to("/etc/passwd")


def link_folder(folder: Path) -> None:
    target = folder.parent / "elsewhere"
    folder.rename(target)
    folder.symlink_to(target)


def many(folder: Path) -> None:
    for number in range(300):
        path = folder / "checkpoints" / f"{number:010d}.safetensors"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    seal(folder)


def smuggle(folder: Path) -> None:
    put("checkpoints/0000000001.safetensors", b"x")(folder)
    (folder / "checkpoints/0000000002.safetensors").write_bytes(b"y")


def module(change: Callable[[Entry, str], object]) -> Callable[[Path], None]:
    """Records that name code, which lies where Python would find it."""

    def build(folder: Path) -> None:
        Path("mine.py").write_text(MODULE + "class Net: ...\n")
        in_records(lambda record: change(record, "mine:Net"))(folder)

    return build


def swapped(folder: Path) -> None:
    """The same run three times, under three names."""
    path = folder / "records.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        record["params_digest"] = records[0]["params_digest"]
        record["scores"] = records[0]["scores"] | {"artefact": record["scores"]["artefact"]}
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    claim_again(folder)
    seal(folder)


def few(folder: Path) -> None:
    """One run less, with all that is of it."""
    entry = json.loads((folder / "entry.json").read_text())
    run_id = entry["runs"].pop()
    for path in (folder / "artefacts" / run_id).iterdir():
        path.unlink()
    (folder / "artefacts" / run_id).rmdir()
    lines = (folder / "records.jsonl").read_text().splitlines()
    left = [line for line in lines if json.loads(line)["run_id"] != run_id]
    (folder / "records.jsonl").write_text("".join(line + "\n" for line in left))
    (folder / "entry.json").write_text(json.dumps(entry))
    claim_again(folder)
    seal(folder)


def needs(*parents: Entry, **config: Any) -> Callable[[Path], None]:
    """Records that say what they needed, beside what their config says."""

    def change(record: Entry) -> None:
        record["parents"] = [{"role": "start", "request": "0" * 64} | each for each in parents]
        record["config"].update(config)

    return in_records(change)


def set_score(accuracy: float) -> Callable[[Entry], None]:
    def change(record: Entry) -> None:
        record["scores"]["artefact"]["accuracy"] = accuracy - 0.001 * record["seed"]

    return change


HEADER = (10**12).to_bytes(8, "little") + b"{}" + b" " * 30
RTL, ZERO_WIDTH = "\u202e", "\u200b"

CORPUS: dict[str, Hostile] = {
    # -- names and files -------------------------------------------------------------------------
    "path traversal in a file's name": Hostile(
        in_entry(lambda e: e["elsewhere"].update({"../../board.toml": "https://x.org/a"})),
        "'../../board.toml' is elsewhere",
    ),
    "path traversal in the id": Hostile(
        in_entry(lambda e: e.update(id="../../x")), "is not the name of its folder"
    ),
    "path traversal in a run's id": Hostile(
        in_records(lambda r: r.update(run_id="../../" + r["run_id"])), "has no record"
    ),
    "absolute path in the config": Hostile(
        in_records(lambda r: r["config"].update(start="/etc")), "needs start '/etc'", COUNTED
    ),
    "symlink": Hostile(link, "is a link"),
    "folder that is a link": Hostile(link_folder, "is a link"),
    "zip-slip": Hostile(archive, "is an archive: none is unpacked"),
    "pickle": Hostile(put("weights.pkl", pickle.dumps(Bomb())), "is not expected"),
    "pickle as weights": Hostile(
        in_artefact("weights.safetensors", pickle.dumps(Bomb())), "header of", SCORED
    ),
    "script": Hostile(put("config.py", MODULE.encode()), "is not expected"),
    "code in a configuration entry": Hostile(
        put("code/mine.py", MODULE.encode()), "configuration entry has files of code"
    ),
    "compiled function": Hostile(put("artefacts/predict.stablehlo", b"MLIR"), "is not expected"),
    "too many files": Hostile(many, "more than 256 files"),
    # -- JSON ------------------------------------------------------------------------------------
    "NaN": Hostile(in_text('"schema": 1', '"schema": NaN'), "NaN is no JSON number"),
    "Infinity": Hostile(in_text('"schema": 1', '"schema": Infinity'), "Infinity is no JSON"),
    "number beyond a float": Hostile(in_text('"schema": 1', '"schema": 1e999'), "1e999"),
    "duplicate key": Hostile(
        in_text('"schema": 1', '"schema": 1, "schema": 1'), "key 'schema' stands twice"
    ),
    "duplicate key in a record": Hostile(
        in_text('"status":', '"status": "failed", "status":', "records.jsonl"), "stands twice"
    ),
    "10 MB string": Hostile(in_entry(lambda e: e.update(description="x" * 10**7)), "has 10,0"),
    "long string": Hostile(
        in_entry(lambda e: e.update(description="x" * 10**5)), "a string of 100,002 bytes"
    ),
    "long string in a record": Hostile(
        in_records(lambda r: r.update(notes=["x" * 10**6])), "a string of 1,000,002 bytes"
    ),
    "depth bomb": Hostile(in_text('"schema": 1', f'"x": {deep(50_000)}, "schema": 1'), "nested"),
    "depth bomb in a record": Hostile(
        in_text('"preset":', f'"x": {deep(5_000)}, "preset":', "records.jsonl"), "nested"
    ),
    "unknown key": Hostile(in_entry(lambda e: e.update(trusted=True)), "unknown field 'trusted'"),
    "missing key": Hostile(in_entry(lambda e: e.pop("claim")), "field 'claim' is missing"),
    "wrong type": Hostile(in_entry(lambda e: e.update(runs="all")), "expected a list"),
    "future schema": Hostile(in_entry(lambda e: e.update(schema=99)), "schema '99' is not known"),
    "future schema of a record": Hostile(
        in_records(lambda r: r.update(schema=99)), "schema 99 is newer"
    ),
    "claim in the clothes of a rerun": Hostile(
        in_entry(lambda e: e.update(challenges="another")), "it is a rerun of 'another'"
    ),
    "future rules": Hostile(in_entry(lambda e: e.update(rules=99)), "made for rules 99"),
    # -- digests ---------------------------------------------------------------------------------
    "wrong seal": Hostile(in_text('"seal": "', '"seal": "00'), "another digest than its seal"),
    "changed after sealing": Hostile(
        in_text('"name": "A', '"name": "B'), "another digest than its seal"
    ),
    "file changed after sealing": Hostile(
        lambda folder: (folder / "records.jsonl").write_bytes(
            (folder / "records.jsonl").read_bytes().replace(b"finished", b"FINISHED")
        ),
        "records.jsonl has another digest",
    ),
    "file that is not sealed": Hostile(smuggle, "checkpoints/0000000002.safetensors is not sealed"),
    "file that is missing": Hostile(
        lambda folder: sorted(folder.glob("artefacts/*/card.json"))[0].unlink(), "is missing"
    ),
    # -- words -----------------------------------------------------------------------------------
    "script tag": Hostile(
        in_entry(lambda e: e.update(description="<script>alert(1)</script>")),
        "holds the markup '<script>'",
    ),
    "script tag in the name": Hostile(
        in_entry(lambda e: e.update(name="<img src=x onerror=alert(1)>")), "holds the markup"
    ),
    "script tag in the target's place": Hostile(
        in_entry(lambda e: e.update(target="<script>alert(1)</script>")), "can be no target"
    ),
    "text turned around": Hostile(
        in_entry(lambda e: e.update(author=f"An {RTL}rohtua")), "invisible U+202E"
    ),
    "zero width": Hostile(
        in_entry(lambda e: e.update(description=f"a{ZERO_WIDTH}b")), "invisible U+200B"
    ),
    "control character": Hostile(
        in_entry(lambda e: e.update(author="\x1b[2Jme")), "invisible U+001B"
    ),
    "NUL": Hostile(in_entry(lambda e: e.update(description="a\x00b")), "invisible U+0000"),
    "homoglyph in the name": Hostile(
        in_entry(lambda e: e.update(name="LeN\u0435t")), "must be of ASCII"
    ),
    "homoglyph in the author": Hostile(
        in_entry(lambda e: e.update(author="P\u0430ul")), "mixes CYRILLIC and LATIN"
    ),
    "letters in disguise": Hostile(
        in_entry(lambda e: e.update(author="\uff30aul")), "letters in disguise"
    ),
    "hidden text in a record": Hostile(
        in_records(lambda r: r["machine"].update(host=f"a{RTL}b")), "invisible U+202E"
    ),
    # -- claims ----------------------------------------------------------------------------------
    "claim that is not the records'": Hostile(
        in_entry(lambda e: e["claim"]["costs"].update(flops_executed=1.0)), "its claim is not"
    ),
    "claim of no quality": Hostile(
        in_entry(lambda e: e["claim"].update(qualities=[])), "0 qualities of 3 runs"
    ),
    "claim of more runs than there are": Hostile(
        in_entry(lambda e: e["claim"]["qualities"].append(1.0)), "4 qualities of 3 runs"
    ),
    "claim of no runs": Hostile(
        in_entry(lambda e: (e.update(runs=[]), e["claim"].update(qualities=[]))),
        "no run is claimed",
    ),
    "cost that is no number": Hostile(
        in_entry(lambda e: e["claim"]["costs"].update(train_s=None)), "'claim.costs.train_s' is no"
    ),
    "quality that is no number": Hostile(
        in_entry(lambda e: (e.update(rules=1), e["claim"].update(quality=None))),
        "'claim.quality' is no",
    ),
    "numbers that wait for a rescore": Hostile(
        in_entry(lambda e: (e.update(rules=1), e["claim"]["qualities"].__setitem__(0, 1e308))),
        "its claim is not",
    ),
    "cost that is ranked left out": Hostile(
        in_entry(lambda e: e["claim"]["costs"].pop("flops_executed")),
        "leaves out flops_executed",
    ),
    "machine without cores": Hostile(
        in_records(lambda r: r["machine"].update(cores=0)), "of '0' cores"
    ),
    "machine without devices": Hostile(
        in_records(lambda r: r["machine"].update(devices=0, platform="cuda", device_kind="H100")),
        "of '0' devices",
    ),
    "machine of countless cores": Hostile(
        in_records(lambda r: r["machine"].update(cores=10**400)), "cores is none"
    ),
    "10^400 FLOPs": Hostile(
        in_records(lambda r: r["cost"].update(flops_model=10**400)), "more than any run"
    ),
    "10^400 FLOPs of a process": Hostile(
        in_records(lambda r: r["cost"]["processes"][0].update(flops_executed=10**400)),
        "do not come to flops_executed",
    ),
    "loss beyond a sum": Hostile(
        in_records(lambda r: r["scores"]["test"].update(loss=1e308)), "has loss 1e+308"
    ),
    "1e308 FLOPs": Hostile(
        in_records(lambda r: r["cost"].update(flops_model=1e308)), "expected int, found 1e+308"
    ),
    "10^308 FLOPs": Hostile(
        in_records(lambda r: all_costs(r, "flops_executed", 10**308)), "more than any run"
    ),
    "negative FLOPs": Hostile(
        in_records(lambda r: all_costs(r, "flops_model", -1)), "is no amount"
    ),
    "negative energy": Hostile(
        in_records(lambda r: r["cost"].update(energy_j=-5.0)), "energy_j '-5.0' is no amount"
    ),
    "energy of a power station": Hostile(
        in_records(lambda r: r["cost"].update(energy_j=1e12)), "is more than"
    ),
    "energy of nothing": Hostile(
        in_records(lambda r: r["cost"].update(energy_j=1e-9)), "less than any chip takes"
    ),
    "time below the roofline": Hostile(
        in_records(lambda r: faster(r, 1e-7)), "FLOPs take at the peak"
    ),
    "FLOPs of a narrower type": Hostile(
        in_records(lambda r: r["cost"].update(flops_by_dtype={"int8": 5})), "FLOPs by type"
    ),
    "time that is no sum": Hostile(
        in_records(lambda r: r["cost"].update(total_s=1e-3)), "the laps come to"
    ),
    "FLOPs lowered by 10 %": Hostile(
        in_records(lambda r: lowered(r, "flops_executed")),
        "are counted",
        COUNTED,
    ),
    "model FLOPs lowered by 10 %": Hostile(
        in_records(lambda r: lowered(r, "flops_model")),
        "flops_model",
        COUNTED,
    ),
    "fewer steps than the config": Hostile(
        in_records(lambda r: r["config"].update(train_for="48 steps")), "asks for 48", COUNTED
    ),
    "fewer parameters": Hostile(
        in_records(lambda r: r["cost"].update(params_total=7, params_nonzero=7)),
        "params_total 7",
        COUNTED,
    ),
    "accuracy above 1": Hostile(in_records(set_score(7.0)), "and accuracy 7.0"),
    "better score than the artefact's": Hostile(in_records(set_score(0.99)), "are claimed", SCORED),
    "smaller file than it is": Hostile(
        in_records(lambda r: r["cost"].update(stored_bytes=99)), "stored_bytes 99", SCORED
    ),
    "cheaper inference": Hostile(
        in_records(lambda r: r["cost"].update(flops_inference=9)), "flops_inference 9", SCORED
    ),
    # -- rules -----------------------------------------------------------------------------------
    "run that failed": Hostile(in_records(lambda r: r.update(status="nonfinite")), "nonfinite"),
    "one run under three names": Hostile(swapped, "one run seen twice"),
    "too few runs": Hostile(few, "fewer than the 3"),
    "seeds that were picked": Hostile(
        in_records(lambda r: (r.update(seed=2 * r["seed"]), r["config"].update(seed=r["seed"]))),
        "are not consecutive",
    ),
    "unknown track": Hostile(in_entry(lambda e: e.update(track="opne")), "did you mean 'open'"),
    "another machine than the track's": Hostile(
        in_entry(lambda e: e.update(track="gpu")), "is none of gpu"
    ),
    # -- config and data -------------------------------------------------------------------------
    "module:attribute in the config": Hostile(
        module(lambda r, name: r["config"]["model"].update(type=name)),
        "is none of the suite's",
        COUNTED,
    ),
    "module:attribute in the sizes at the end": Hostile(
        module(lambda r, name: r.update(spec={"type": name})),
        "'mine:Net' is none of the suite's",
        COUNTED,
    ),
    "type that is a list": Hostile(
        in_records(lambda r: r["config"]["model"].update(type=["mlp"])),
        "is no object with a type",
        COUNTED,
    ),
    "config that is not the runs'": Hostile(
        in_entry(lambda e: e["config"].update(batch_size=1)), "has config.batch_size"
    ),
    "network of a billion units": Hostile(
        in_records(lambda r: r["config"]["model"].update(hidden=[10**9])), "is above", COUNTED
    ),
    "teacher that is called a reference": Hostile(
        needs({"role": "reference", "run_id": "digits-a"}, start="digits-a"),
        "needs start 'digits-a'",
        COUNTED,
    ),
    "run that was needed and is not told of": Hostile(
        needs(start="digits-a"), "needs start 'digits-a'", COUNTED
    ),
    "run that was not needed": Hostile(
        needs({"run_id": "digits-a"}), "tells of start 'digits-a'", COUNTED
    ),
    "role that is none": Hostile(
        needs({"role": "a" * 4000, "run_id": "a"}), "its parent has the role 'aaaa"
    ),
    "path as a parent": Hostile(needs({"run_id": "/etc/passwd"}), "its parent '/etc/passwd' is"),
    "parents without number": Hostile(
        needs(*({"run_id": f"a{number}"} for number in range(300))), "has 300 parents"
    ),
    "other data": Hostile(
        in_records(lambda r: r["data"].update(fingerprint="00" * 32)), "data.fingerprint", COUNTED
    ),
    "hidden overlap": Hostile(
        in_records(lambda r: r["data"].update(overlap=5)), "data.overlap", COUNTED
    ),
    "scored on fewer examples": Hostile(
        in_records(lambda r: r["scores"]["artefact"].update(units=10)), "units of the test", COUNTED
    ),
    # -- artefacts -------------------------------------------------------------------------------
    "huge header": Hostile(
        in_artefact("weights.safetensors", HEADER), "header of 1,000,000,000,000", SCORED
    ),
    "card that names another file": Hostile(
        in_card(lambda c: c["files"].update({"../../../board.toml": {"sha256": "", "bytes": 0}})),
        "its card names the files",
        SCORED,
    ),
    "card of another network": Hostile(
        in_card(lambda c: c["model"].update(type="mine:Net")), "another network", SCORED
    ),
    "card of huge arrays": Hostile(
        in_card(lambda c: c["arrays"]["head/kernel"].update(shape=[10**9, 10**9])),
        "numbers, the network",
        SCORED,
    ),
}

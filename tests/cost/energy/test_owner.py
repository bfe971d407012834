"""Claims of devices: who is seen, who is stale, and who is one's own parent."""

from __future__ import annotations

import os
import subprocess
import sys

from efficient.cost.energy import owner

WAIT = "import sys; print('up', flush=True); sys.stdin.read()"


def claim(folder, device, pid, started=None):
    made = folder / f"{owner.PREFIX}.{device}.{pid}.0"
    made.write_text(f"{owner.started(pid) if started is None else started}\n")


def test_a_claim_is_made_and_released(tmp_path):
    first, second = (owner.claim("GPU-1", tmp_path) for _ in range(2))
    assert first != second and first.read_text().strip() == owner.started(os.getpid()) != ""
    assert owner.others(["GPU-1"], tmp_path) == {}  # both are ours
    for path in (first, second, second):
        owner.release(path)
    assert not list(tmp_path.iterdir())


def test_a_stranger_is_seen_on_his_device_only(tmp_path, stranger):
    claim(tmp_path, "GPU-1", stranger)
    assert owner.others(["GPU-0", "GPU-1"], tmp_path) == {"GPU-1": stranger}
    assert owner.others(["GPU-0", "GPU"], tmp_path) == {}
    assert owner.others([], tmp_path) == {}


def test_stale_claims_are_passed_over(tmp_path, stranger):
    claim(tmp_path, "GPU-1", stranger, started="17")  # the number belongs to a younger process
    claim(tmp_path, "GPU-1", 2**22 + 1, started="17")  # above every number of a process
    (tmp_path / f"{owner.PREFIX}.GPU-1.mine.0").touch()
    assert owner.others(["GPU-1"], tmp_path) == {}


def test_a_child_that_meters_itself_is_no_other_job(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == b"up\n"
        claim(tmp_path, "GPU-1", child.pid)
        assert os.getpid() in owner.lineage(child.pid)
        assert owner.others(["GPU-1"], tmp_path) == {}
        child.communicate()


def test_a_device_may_have_any_name_and_a_folder_need_not_be(tmp_path, stranger):
    path = owner.claim("intel-rapl:0/x", tmp_path)
    claim(tmp_path, path.name.split(".")[1], stranger)
    assert owner.others(["intel-rapl:0/x"], tmp_path) == {"intel-rapl:0/x": stranger}
    missing = tmp_path / "missing"
    owner.release(owner.claim("GPU-1", missing))
    assert owner.others(["GPU-1"], missing) == {}

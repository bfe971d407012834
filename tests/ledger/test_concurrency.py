"""Many processes write into one ledger, some are killed: what was acknowledged is there, whole."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from efficient.ledger.store import records

WRITERS, KILLED, RECORDS = 16, 5, 1000
WRITER = """
import dataclasses, sys
sys.path.insert(0, sys.argv[3])
from fabrication import record
from efficient.ledger.store import write_record
made = record()
for number in range(int(sys.argv[2])):
    name = f"digits-{sys.argv[1]}-{number}"
    write_record(f"{sys.argv[4]}/{name}", dataclasses.replace(made, run_id=name))
    print(name, flush=True)
"""


#: Records of a writer that only a signal ends.
ENDLESS = 10**9


@pytest.mark.slow
def test_every_acknowledged_record_is_there_and_none_is_torn(tmp_path):
    tests = str(Path(__file__).parents[1])
    share = -(-RECORDS // WRITERS)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(i), str(count), tests, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for i, count in enumerate([ENDLESS] * KILLED + [share] * (WRITERS - KILLED))
    ]
    said = [[writer.stdout.readline()] for writer in writers]  # each has begun
    for writer in writers[:KILLED]:
        writer.send_signal(signal.SIGKILL)
    for writer, lines in zip(writers, said, strict=True):
        lines += writer.stdout.readlines()  # communicate() would lose what readline() has buffered
        writer.stdout.close()
        writer.wait(timeout=300)
    acknowledged = {line.strip() for lines in said for line in lines if line.endswith("\n")}
    assert len(acknowledged) > (WRITERS - KILLED) * share
    assert [writer.returncode for writer in writers] == [-9] * KILLED + [0] * (WRITERS - KILLED)
    found, complaints = records(tmp_path)
    assert acknowledged <= {one.run_id for one in found}
    assert complaints == []

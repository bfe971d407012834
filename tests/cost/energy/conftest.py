"""A machine whose hardware is fake, and a process that is somebody else's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hardware import Machine

#: Starts a process that waits for the end of its standard input, and leaves it without a parent.
STRANGER = """
import subprocess, sys
wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
print(subprocess.Popen(wait, stdout=subprocess.DEVNULL).pid, flush=True)
"""


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def stranger():
    """The number of a living process that is no descendant of this one."""
    reader, writer = os.pipe()
    done = subprocess.run(
        [sys.executable, "-c", STRANGER], stdin=reader, stdout=subprocess.PIPE, check=True
    )
    os.close(reader)
    yield int(done.stdout)
    os.close(writer)

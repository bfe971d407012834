"""One owner per device: a counter that two jobs share cannot say which of them used the joules.

A process that meters a device leaves a claim, a small file in the temporary folder that is named
after the device and the process. Whoever reads the counter looks for claims of others. A claim is
stale when its process is gone or its number belongs to a younger process by now. A parent that
meters the whole of a child's life is no other job: claims of ancestors and descendants are passed
over. Claims are not seen across containers or machines, nor are programs that make none.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Collection
from pathlib import Path

PREFIX = "efficient-meter"

_numbers = itertools.count()


def claim(device: str, folder: Path) -> Path:
    """Say that this process meters `device`; a folder that cannot be written is passed over."""
    path = folder / f"{PREFIX}.{_stem(device)}.{os.getpid()}.{next(_numbers)}"
    with contextlib.suppress(OSError):
        path.write_text(f"{started(os.getpid())}\n")
    return path


def release(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def others(devices: Collection[str], folder: Path) -> dict[str, int]:
    """Those of `devices` that another living process meters, and the number of the process."""
    own, stems = os.getpid(), {_stem(device): device for device in devices}
    found = {}
    for path in folder.glob(f"{PREFIX}.*") if stems else ():
        stem, _, rest = path.name.removeprefix(f"{PREFIX}.").partition(".")
        pid = int(word) if (word := rest.partition(".")[0]).isdecimal() else own
        if stem in stems and pid != own and _alive(path, pid) and not _related(pid, own):
            found[stems[stem]] = pid
    return found


def started(pid: int) -> str:
    """When a process began, in the kernel's ticks; "" where that cannot be known."""
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 else ""


def lineage(pid: int) -> set[int]:
    """The ancestors of a process."""
    found: set[int] = set()
    while len(fields := _stat(pid)) > 1 and (pid := int(fields[1])) > 0 and pid not in found:
        found.add(pid)
    return found


def _related(one: int, two: int) -> bool:
    return one in lineage(two) or two in lineage(one)


def _alive(path: Path, pid: int) -> bool:
    try:
        text = path.read_text().strip()
        os.kill(pid, 0)
    except PermissionError:  # it lives and is somebody else's
        return True
    except (OSError, ValueError):
        return False
    return text in ("", started(pid))


def _stem(device: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", device)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the command's name: state, parent, ..."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return []

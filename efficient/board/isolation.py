"""A process without network, that sees nothing of this machine but Python and what it is given.

By namespaces of Linux, as util-linux makes them: a root of its own in memory, into which the
folders of Python and of this package are mounted read-only; then the old root is gone and every
capability dropped. Where the kernel does not allow that, nothing is run.

Memory is bounded process by process: what all take together only a control group can bound. Their
number is not bounded where root runs this, whom the kernel exempts.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from efficient.board.error import BoardError
from efficient.cost.host import memory_bytes

NAMESPACES = (
    "unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--ipc", "--uts",
    "--fork", "--kill-child",
)  # fmt: skip
CAPLESS = (
    "setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all",
)  # fmt: skip
#: Bytes of memory that files may take together, of one file, and of what a process may address, at
#: most half of the machine's; processes and threads a core, of which jax needs about ten.
ROOM, MOST_FILE, MOST_MEMORY, PROCESSES_PER_CORE = "4g", 10**9, 64 * 10**9, 64
#: Where the process finds what it is given.
GIVEN = "/given"
#: Exit code of what comes before the command, which has it never.
ISOLATION_FAILED = 97
#: Folders of installed packages that hold labels of data sets: empty inside.
MASKED = (("sklearn", "datasets/data"),)
REFUSED = (
    "code of an entry runs only without network and apart from this machine's files, and the "
    "kernel allows no such namespaces here ({}): run it where `unshare --user --net --mount` works"
)


def run(command: Sequence[str], given: Path, most_bytes: int, seconds: float) -> bytes:
    """What a command of Python writes to its output, at most so many bytes.

    command: arguments of this Python; given: a folder that it sees, read-only, as `GIVEN`.

    Raises:
        BoardError: there is no isolation here, or it fails, takes too long, writes too much, or
            is ended by a signal.
    """
    with tempfile.TemporaryDirectory(prefix="efficient-root-") as root:
        script = _script(Path(root), given, [sys.executable, *command], seconds)
        code, output, last, late = _communicate(["sh", "-c", script], most_bytes, seconds)
    if len(output) > most_bytes:
        raise BoardError(f"its code writes more than {most_bytes:,} bytes")
    if code == ISOLATION_FAILED or (code and not output and not possible()):
        raise BoardError(REFUSED.format(last))
    if code < 0 and late:
        raise BoardError(f"its code takes longer than {seconds:.0f} s")
    if code < 0:
        name = signal.Signals(-code).name
        raise BoardError(
            f"its code ends by {name}: it crashed, or took more than it may or is there"
        )
    if code:
        raise BoardError(f"its code fails: {last}")
    return output


def possible() -> bool:
    """Whether the kernel lets an empty command run in such namespaces."""
    try:
        return not subprocess.run([*NAMESPACES, "true"], capture_output=True).returncode
    except OSError:
        return False


def _communicate(words: list[str], most_bytes: int, seconds: float) -> tuple[int, bytes, str, bool]:
    """Exit code, at most one byte more than that of the output, the last line of errors, and
    whether its time was over."""
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            [*NAMESPACES, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(),
            start_new_session=True,  # a signal to its group would reach ours
        ) as process,
    ):
        timer = threading.Timer(seconds, end)
        timer.start()
        try:
            assert process.stdout is not None
            output = process.stdout.read(most_bytes + 1)
            if len(output) > most_bytes:
                process.kill()
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4000))
        lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return code, output, (lines or ["it says nothing"])[-1], late.is_set()


def _script(root: Path, given: Path, words: Sequence[str], seconds: float) -> str:
    """Make the root, go there, leave the old one, drop what power is left, and run."""
    quote = shlex.quote
    at = quote(str(root))
    lines = [f"mount -t tmpfs -o size={ROOM},mode=755 tmpfs {at}", f"cd {at}"]
    lines += ["mkdir -p old proc dev tmp home given", "chmod 1777 tmp"]
    for folder in _visible():
        inside = quote(f".{folder}")
        lines += [f"mkdir -p {inside}", f"mount --rbind -o ro {quote(str(folder))} {inside}"]
    for package, name in MASKED:
        if path := _inside(package, name):
            lines.append(f"mount -t tmpfs -o ro tmpfs {quote(f'.{path}')}")
    for link in ("/bin", "/sbin", "/lib", "/lib64"):
        if Path(link).is_symlink():
            lines.append(f"ln -s {quote(str(Path(link).readlink()))} .{link}")
    for device in ("null", "zero", "urandom"):
        lines += [f"touch dev/{device}", f"mount --bind /dev/{device} dev/{device}"]
    lines.append(f"mount --rbind -o ro {quote(str(given.resolve()))} given")
    lines += ["mount -t proc proc proc", "pivot_root . old", "cd /", "umount -l old", "rmdir old"]
    cores = os.cpu_count() or 1
    limits = (
        f"prlimit --fsize={MOST_FILE} --as={_memory()} --nproc={PROCESSES_PER_CORE * cores} "
        f"--core=0 --cpu={int(seconds * cores)}"
    )
    made = " && ".join(lines)
    return (
        f"{{ {made}; }} || exit {ISOLATION_FAILED}; exec {limits} {shlex.join([*CAPLESS, *words])}"
    )


def _memory() -> int:
    """Bytes that a process may address."""
    machine = memory_bytes()
    return MOST_MEMORY if machine is None else min(MOST_MEMORY, machine // 2)


def _visible() -> list[Path]:
    """Folders that Python needs: the system's libraries, its own, and this package."""
    package = Path(__file__).parents[1]
    wanted = [Path("/usr"), Path(sys.prefix), Path(sys.base_prefix), package]
    wanted += [Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib")]
    wanted += [path for path in map(Path, ("/lib", "/lib64", "/bin")) if not path.is_symlink()]
    wanted += [Path("/etc/alternatives")]
    found: list[Path] = []
    for path in sorted({p for p in wanted if p.is_dir()}, key=lambda p: len(p.parts)):
        if not any(path.is_relative_to(above) for above in found):
            found.append(path)
    return found


def _inside(package: str, name: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / name
    return path if path.is_dir() else None


def _environment() -> dict[str, str]:
    """Nothing of ours: no key, no path of data."""
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/home",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "JAX_PLATFORMS": "cpu",
    }

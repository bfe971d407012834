"""Files of strangers: bounded before they are parsed, strict when they are, harmless afterwards.

Nothing is opened whose name is not expected, no link is followed, no archive is unpacked.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from efficient.board.error import BoardError, quoted
from efficient.ledger.codec import RecordError, parse
from efficient.ledger.reader import parse_record
from efficient.ledger.record import Record

#: Bounds of JSON: bytes of a string, nesting. Of ours the largest are 283 and 6.
LONGEST_STRING, DEEPEST = 4096, 16
#: Records of an entry: its runs and what they needed.
MOST_RECORDS = 256
#: Bounds of a folder.
MOST_FILES, DEEPEST_FOLDER = 256, 3
MOST_BYTES, MOST_BYTES_TOGETHER = 512 * 10**6, 2 * 10**9
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".npz", ".whl", ".rar")
_MARKUP = re.compile(r"<[A-Za-z/!?][^>]*>?")
#: A string, or what is left of the text where one has no end: so no byte is looked at twice.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
#: Control, format (which can turn the direction of a text), surrogate, private, unassigned.
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def listing(folder: Path, expected: Mapping[str, int]) -> dict[str, int]:
    """Bytes of every file below a folder by its name there, once all of them are expected.

    expected: a pattern that the whole name must match -> most bytes of such a file.

    Raises:
        BoardError: a link, something that is no plain file, an archive, a name that is not
            expected, too many, too large.
    """
    found: dict[str, int] = {}
    for name, size in _walk(folder, folder, 0):
        most = next((most for rule, most in expected.items() if re.fullmatch(rule, name)), None)
        if most is None:
            if name.lower().endswith(ARCHIVES):
                raise BoardError(f"{quoted(name)} is an archive: none is unpacked; leave it out")
            raise BoardError(f"file {quoted(name)} is not expected in an entry; leave it out")
        if size > most:
            raise BoardError(f"file {name} has {size:,} bytes, at most {most:,} are read")
        found[name] = size
        if len(found) > MOST_FILES:
            raise BoardError(f"more than {MOST_FILES} files; leave some out")
    if sum(found.values()) > MOST_BYTES_TOGETHER:
        raise BoardError(f"{sum(found.values()):,} bytes are more than {MOST_BYTES_TOGETHER:,}")
    return found


def read_object(path: Path, most_bytes: int) -> dict[str, Any]:
    """A JSON object, whose size, depth and strings were bounded before it was parsed.

    Raises:
        BoardError: it is over a bound, not strict JSON, or has a text that hides something.
    """
    content = _content(path, most_bytes)
    bounded(content, path.name)
    try:
        value = parse(path.name, content)
    except RecordError as error:
        raise BoardError(str(error)) from None
    if not isinstance(value, dict):
        raise BoardError(f"{path.name}: expected an object; the file is damaged")
    visible(value, path.name)
    return value


def read_records(path: Path, most_bytes: int) -> list[Record]:
    """The records of a file of many, bounded likewise, by time of start.

    Raises:
        BoardError: as `read_object`, or there are too many, one stands twice, or one is no record
            of a schema known here.
    """
    lines = _content(path, most_bytes).splitlines()
    if len(lines) > MOST_RECORDS:
        raise BoardError(f"{path.name} has {len(lines):,} records; at most {MOST_RECORDS} are read")
    found: dict[str, Record] = {}
    for number, line in enumerate(lines, 1):
        where = f"{path.name} line {number}"
        bounded(line, where)
        try:
            record = parse_record(where, line)
        except RecordError as error:
            raise BoardError(str(error)) from None
        if record.run_id in found:
            raise BoardError(f"{where}: run {quoted(record.run_id)} stands twice")
        visible(vars(record), where)
        found[record.run_id] = record
    return sorted(found.values(), key=lambda record: (record.started_utc, record.run_id))


def bounded(text: bytes, where: str) -> None:
    """Refuse JSON that is too deep or has a string that is too long, without parsing it."""
    for string in _STRING.finditer(text):
        if string.end() - string.start() > LONGEST_STRING:
            size = string.end() - string.start()
            raise BoardError(
                f"{where}: a string of {size:,} bytes; at most {LONGEST_STRING:,} are read"
            )
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", _STRING.sub(b"", text)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            raise BoardError(f"{where}: nested deeper than {DEEPEST}; no entry of ours is")


def visible(value: Any, where: str) -> None:
    """Refuse any text with characters that are not seen or that turn others around."""
    for text in _texts(value):
        hidden = next((c for c in text if unicodedata.category(c) in _HIDDEN), None)
        if hidden is not None:
            raise BoardError(f"{where}: {quoted(text)} holds the invisible U+{ord(hidden):04X}")


def plain_words(text: str, where: str, most: int) -> None:
    """Refuse a text that is too long, markup, or a word whose letters only look alike.

    Raises:
        BoardError: it is, or a word mixes scripts, as a Cyrillic letter in a Latin word does.
    """
    if len(text) > most:
        raise BoardError(f"{where} has {len(text)} characters; at most {most}")
    visible(text, where)
    if tag := _MARKUP.search(text):
        raise BoardError(f"{where} holds the markup {quoted(tag[0])}; write it without")
    if unicodedata.normalize("NFKC", text) != text:
        raise BoardError(f"{where} {quoted(text)} has letters in disguise; write it plainly")
    for word in text.split():
        scripts = {unicodedata.name(c, "?").split()[0] for c in word if c.isalpha()}
        if len(scripts) > 1 and "LATIN" in scripts:
            raise BoardError(f"{where}: {quoted(word)} mixes {' and '.join(sorted(scripts))}")


def _walk(folder: Path, root: Path, depth: int) -> Iterator[tuple[str, int]]:
    if depth > DEEPEST_FOLDER:
        raise BoardError(f"folders are nested deeper than {DEEPEST_FOLDER}")
    try:
        entries = sorted(os.scandir(folder), key=lambda e: e.name)
    except OSError as error:
        raise BoardError(f"{folder}: no entry here ({error.strerror})") from None
    for found in entries:
        name = Path(found.path).relative_to(root).as_posix()
        if found.is_symlink():
            raise BoardError(f"{quoted(name)} is a link; put the file itself there")
        if found.is_dir(follow_symlinks=False):
            yield from _walk(Path(found.path), root, depth + 1)
            continue
        facts = found.stat(follow_symlinks=False)
        if not stat.S_ISREG(facts.st_mode):
            raise BoardError(f"{quoted(name)} is no plain file")
        yield name, facts.st_size


def _content(path: Path, most_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise BoardError(f"{path.name} cannot be read ({error.strerror})") from None
    if len(content) > most_bytes:
        raise BoardError(f"{path.name} has more than {most_bytes:,} bytes")
    return content


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _texts(key)
            yield from _texts(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)
    elif hasattr(value, "__dict__"):
        yield from _texts(vars(value))

"""What is wrong with a board or an entry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from efficient.ledger.printable import printable

#: What the suite's own code raises of settings that do not fit; of a stranger's, none is a bug.
FAULTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
#: Longest line that is said of a fault: what it quotes came from a stranger.
LONGEST = 300


class BoardError(ValueError):
    """A board, an entry or a claim that is refused: one line with what, the value and the remedy.

    Whatever stands in the message is made harmless: one line, of printable characters, bounded.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        shown = printable(line)
        super().__init__(shown if len(shown) <= LONGEST else shown[: LONGEST - 3] + "...")


@contextmanager
def refusing(where: str) -> Iterator[None]:
    """Make one line, which begins with `where`, of all that a stranger's values may raise.

    Raises:
        BoardError: instead of what was raised.
    """
    try:
        yield
    except BoardError as error:
        raise BoardError(f"{where}: {error}") from None
    except FAULTS as error:
        raise BoardError(f"{where}: its numbers cannot be: {error}") from None


def quoted(value: object, most: int = 40) -> str:
    """A stranger's value as ASCII between quotes, cut where it is long."""
    text = ascii(value if isinstance(value, str) else str(value))
    return text if len(text) <= most else f"{text[: most - 4]}...{text[-1]}"

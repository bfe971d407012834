"""What goes wrong with records and with the files that hold them."""

from efficient.ledger.printable import printable


class RecordError(ValueError):
    """A record that cannot be read: the message names the field, the value and the remedy."""


class StoreError(ValueError):
    """A file that cannot be written or found: the message names the path and the remedy."""


def brief(reason: object) -> str:
    """What may hold words of a stranger's file, as one line of bounded length."""
    text = str(reason)
    text = text if len(text) <= 300 else f"{text[:200]} ... {text[-80:]}"
    return printable(text)

"""What goes wrong with records and with the files that hold them."""


class RecordError(ValueError):
    """A record that cannot be read: the message names the field, the value and the remedy."""


class StoreError(ValueError):
    """A file that cannot be written or found: the message names the path and the remedy."""

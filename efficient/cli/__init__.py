"""The command line: arguments in, exit code out. Each command imports what it needs inside itself.

A mistake of the user is one line on stderr; a trace is always a bug. With `--json` a command
prints one JSON document on stdout and nothing else there; progress goes to stderr.

Exit codes: 0 done; 1 a mistake found while running; 2 the command line cannot be run, and nothing
was started; 3 the loss was not finite; 4 the budget was used up; 130 and 143 stopped by SIGINT
and SIGTERM.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from efficient.cli.failure import UsageError, complain, ours
from efficient.cli.output import warnings_shown
from efficient.cli.parser import parse
from efficient.cost.allocator import keep_freed_memory

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; `argv` is by default the process's."""
    keep_freed_memory()
    try:
        command, arguments = parse(sys.argv[1:] if argv is None else argv)
        with warnings_shown():
            return command(arguments)
    except SystemExit as stop:  # of --help and --version
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except UsageError as error:
        return complain(error, 2)
    except OSError as error:
        return complain(error, 1)
    except ValueError as error:
        if not ours(error):
            raise
        return complain(error, 1)

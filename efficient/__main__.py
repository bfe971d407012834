"""`python -m efficient`: the same as the command `efficient`."""

import sys

from efficient.cli import main

sys.exit(main())

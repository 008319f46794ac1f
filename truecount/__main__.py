"""`python -m truecount` is `truecount`."""

import sys

from truecount.cli import main

sys.exit(main())

"""``python -m gateway`` is the command ``geopush``, for a tree that is not installed."""

import sys

from gateway.cli import main

sys.exit(main())

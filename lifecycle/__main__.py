"""``python -m lifecycle`` is the command, for whoever has no script folder on the path."""

from __future__ import annotations

import sys

from lifecycle.cli import main

sys.exit(main())

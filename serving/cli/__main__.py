"""``python -m serving.cli`` is the ``qbrix`` command."""

from __future__ import annotations

import sys

from serving.cli.main import main

sys.exit(main())

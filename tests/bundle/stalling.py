"""Policies that stop returning when a test says so."""

from __future__ import annotations

from tests.bundle.sources import SHARES, changed

SWITCH = "QBRIX_TEST_STALL"  # while this is set in the environment, the named function loops

_LOOP = 'while os.environ.get("QBRIX_TEST_STALL") == "{}":\n            pass\n        '
_SHARES = changed(SHARES, "import numpy as np\n", "import os\n\nimport numpy as np\n")

STALLS_IN_UPDATE = changed(
    _SHARES, "np.add.at(state.paid", _LOOP.format("update") + "np.add.at(state.paid"
)
STALLS_IN_LAW = changed(
    changed(_SHARES, "Capabilities(order_free=True)", "Capabilities(context=True)"),
    "weight = prepared.paid + self.bonus\n",
    _LOOP.format("law")
    + "weight = prepared.paid + self.bonus\n"
    + "        weight = np.broadcast_to(weight, (*context.shape[:-1], weight.shape[-1]))\n",
)

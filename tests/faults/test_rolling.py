"""An earlier version of everything is replaced by this one, process by process, under load."""

from __future__ import annotations

import asyncio
import io
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.stack import CODE, FaultStack
from tests.faults.trial import Trial, trial

pytestmark = [pytest.mark.faults, pytest.mark.long]

# The last commit of an earlier state of all that roles share: tables, streams, states, tokens.
EARLIER = "04ad0a3e75dffc8d2d63e4b44dd81432f763ad0d"


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The code of an earlier commit; `tests/compat` has what it wrote, where no history is."""
    packed = subprocess.run(
        ["git", "-C", str(CODE), "archive", EARLIER, "serving", "qbrix"],
        capture_output=True,
        check=False,
    )
    if packed.returncode != 0:
        said = packed.stderr.decode("utf-8", "replace").strip()
        pytest.skip(f"the history of this checkout does not reach back to {EARLIER}: {said}")
    folder = tmp_path / "earlier"
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def stack(tmp_path: Path, earlier: Path) -> Iterator[FaultStack]:
    """Two proxies and two cortexes of the earlier commit."""
    made = FaultStack(tmp_path / "data", proxies=2, cortexes=2, code=earlier).start()
    yield made
    made.stop()


async def test_replacing_everybody_one_by_one_loses_nothing_and_refuses_nobody(
    stack: FaultStack,
) -> None:
    async with trial(stack, name="rolling") as run:
        await run.attempts(40)
        await run.does(stack.renew)
        await run.attempts(20)
        for name in ("cortex", "proxy", "cortex-2", "proxy-2"):
            before = stack.pid(name)
            await run.does(stack.send, name, signal.SIGTERM)
            await run.sees(lambda name=name, before=before: stack.ended(name, before), what="end")  # type: ignore[misc]
            await asyncio.to_thread(stack.wait_ready)
            await run.attempts(30)
        await run.recovers()
        assert_nobody_was_refused(run)


def assert_nobody_was_refused(run: Trial) -> None:
    unserved = [one for one in run.history.attempts if one.outcome != "ok"]
    assert unserved == [], unserved[:3]

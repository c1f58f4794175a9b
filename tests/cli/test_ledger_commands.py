"""Commands that look into the ledger, over real stores."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import asyncpg
import msgspec
import pytest

from qbrix.errors import InvalidParameter
from serving.cli import main
from serving.stack.attached import environment_of
from serving.storage.base import ControlRequest, ExperimentRecord, Stores
from tests.cli.stores import over
from tests.cortex.world import cortex_of, create, event

Output = pytest.CaptureFixture[str]


@pytest.fixture
def record(environment: dict[str, str]) -> ExperimentRecord:
    """An experiment on three arms that learned two rewards and could not learn one."""

    async def live(stores: Stores) -> ExperimentRecord:
        made = await create(stores, name="button")
        now_ms = time.time_ns() // 1_000_000  # commands live by the clock on the wall
        poison = msgspec.structs.replace(event(made, 1, arm=3), decided_ms=now_ms)
        await stores.intake.append_feedback(0, [poison, event(made, 2), event(made, 3, arm=2)])
        await cortex_of(stores).drain()
        return made

    return over(environment, live)


def _run(capsys: Output, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()  # what a cortex of this process logged
    code = main(words)
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_letter_is_listed_shown_and_learned_when_it_can_be(
    environment: dict[str, str], record: ExperimentRecord, capsys: Output
) -> None:
    code, listed, _ = _run(capsys, "dead-letters", "list")
    assert code == 0
    number, _, whose, state, reason = listed.rstrip("\n").split("\t")
    assert (whose, state) == (record.id, "waits")
    assert "arm" in reason

    _, shown, _ = _run(capsys, "dead-letters", "show", number)
    told = json.loads(shown)
    assert (told["reason"], told["redriven"]) == (reason, None)
    assert [one["arm"] for one in told["feedback"]] == [3]

    async def grow(stores: Stores) -> None:
        change = ControlRequest(
            id=0, experiment=record.id, reason="arms", change={"n_arms": 4}, start="keep"
        )
        await stores.catalog.request_control(change)
        await cortex_of(stores).drain()

    async def learn(stores: Stores) -> int:
        await cortex_of(stores).drain()
        batches = await stores.ledger.batches(record.id, after=-1, limit=99)
        return sum(len(one.batch.rows) for one in batches if one.batch.rows is not None)

    over(environment, grow)
    for words in (("--experiment", record.id), (number,)):  # what is named by id goes again
        assert _run(capsys, "dead-letters", "redrive", *words)[:2] == (
            0,
            "1 redriven, 0 cannot be\n",
        )
    assert _run(capsys, "dead-letters", "redrive", "--all")[1] == "0 redriven, 0 cannot be\n"
    assert over(environment, learn) == 3
    assert "redriven 20" in _run(capsys, "dead-letters", "list", record.id)[1]


@pytest.mark.usefixtures("environment")
def test_letters_are_named_in_one_way(capsys: Output) -> None:
    for words in ([], ["--all", "1"], ["--all", "--experiment", "e"]):
        code, _, error = _run(capsys, "dead-letters", "redrive", *words)
        assert code == 1
        assert "one --experiment" in error


def test_a_ledger_that_somebody_changed_does_not_replay(
    environment: dict[str, str], record: ExperimentRecord, capsys: Output
) -> None:
    code, told, _ = _run(capsys, "replay", "button")
    assert code == 0
    assert told.startswith(f"experiment {record.id}\n  2 versions folded from zero")

    async def tamper() -> None:
        connection = await asyncpg.connect(environment["QBRIX_POSTGRES_URL"])
        await connection.execute("UPDATE ledger SET reward = 0.5 WHERE arm = 2")
        await connection.close()

    assert f"ok    replay button ({record.id}): 2 versions" in _run(capsys, "doctor", "--replay")[1]
    asyncio.run(tamper())
    code, told, _ = _run(capsys, "doctor", "--replay")
    assert code == 1
    assert f"FAIL  replay button ({record.id}): version 1 of" in told
    code, told, error = _run(capsys, "replay", record.id)
    assert code == 1
    assert "1 versions folded" in told
    assert f"version 1 of experiment {record.id}: the ledger digest" in error
    assert _run(capsys, "replay", record.id, "--to", "0")[0] == 0
    assert "no experiment" in _run(capsys, "replay", "nobody")[2]


def test_a_folder_without_a_stack_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="no stack was ever started"):
        environment_of(tmp_path)
    assert list(tmp_path.iterdir()) == []

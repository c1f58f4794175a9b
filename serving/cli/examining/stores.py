"""Postgres and Redis: whether they keep what they are given, and know what time it is."""

from __future__ import annotations

from collections.abc import Iterator

from qbrix.errors import QbrixError
from serving.cli.attached import open_attached
from serving.cli.examining.clocks import examine_clock
from serving.cli.examining.finding import Finding, fail, ok, warn
from serving.proxy.agent.intake import suffices
from serving.settings import ProxySettings, SharedSettings
from serving.storage.migrate import current, head
from serving.storage.postgres.examination import PostgresFacts, examine_postgres
from serving.storage.redis.examination import RedisFacts, examine_redis

__all__ = ["examine_stores"]

_OLDEST_POSTGRES = 140_000
_OLDEST_REDIS = (7, 0)
_FEW_CONNECTIONS = 40  # four processes of ten each
_DURABLE = "set fsync, full_page_writes and synchronous_commit to on: a power cut loses the ledger"


async def examine_stores(shared: SharedSettings, proxy: ProxySettings) -> list[Finding]:
    """Both stores, and how they fit what the roles are told."""
    postgres_url = shared.postgres_url.get_secret_value()
    redis_url = shared.redis_url.get_secret_value()
    findings: list[Finding] = []
    try:
        found = await examine_postgres(postgres_url)
        findings += [*_postgres(found), (schema := await _schema(postgres_url))]
        if schema.level == "ok":
            findings.append(await _shards(shared))
    except QbrixError as error:
        findings.append(fail("postgres", str(error), "start it, or mend QBRIX_POSTGRES_URL"))
    try:
        facts = await examine_redis(redis_url)
        findings += _redis(facts)
        findings.append(await _durability(shared, demanded=proxy.durability))
    except QbrixError as error:
        findings.append(fail("redis", str(error), "start it, or mend QBRIX_REDIS_URL"))
    return findings


def _postgres(facts: PostgresFacts) -> Iterator[Finding]:
    version = f"version {facts.version // 10_000}.{facts.version % 10_000}"
    if facts.version < _OLDEST_POSTGRES:
        yield fail("postgres", version, f"version {_OLDEST_POSTGRES // 10_000} or newer is needed")
    elif facts.read_only:
        yield fail("postgres", f"{version}, read-only", "name the primary in QBRIX_POSTGRES_URL")
    else:
        yield ok("postgres", version)
    names = ("fsync", "full_page_writes", "synchronous_commit")
    off = [f"{name} = off" for name in names if facts.settings[name] == "off"]
    yield (
        fail("ledger's durability", ", ".join(off), _DURABLE) if off else ok("ledger's durability")
    )
    most = int(facts.settings["max_connections"])
    told = f"{facts.connections} of {most} in use"
    few = "every role process takes up to 10; raise max_connections, or put pgbouncer before it"
    name = "postgres connections"
    yield warn(name, told, few) if most < _FEW_CONNECTIONS else ok(name, told)
    yield examine_clock("postgres", facts.clock)


async def _schema(url: str) -> Finding:
    found = await current(url)
    if found == head():
        return ok("schema", found)
    return fail("schema", f"the database has revision {found}, not {head()}", "run qbrix migrate")


async def _shards(shared: SharedSettings) -> Finding:
    """Every role refuses to start with fewer than are in use."""
    async with open_attached(shared) as stores:
        used = await stores.ledger.shards()
    told = f"{used} in use, QBRIX_SHARDS={shared.shards}"
    mend = f"set QBRIX_SHARDS={used} or more, the same for all roles"
    return ok("shards", told) if used <= shared.shards else fail("shards", told, mend)


def _redis(facts: RedisFacts) -> Iterator[Finding]:
    version = f"{facts.name}, speaks {'.'.join(map(str, facts.version))}"
    if facts.version < _OLDEST_REDIS:
        yield fail("redis", version, "version 7.0 or newer, or Valkey, is needed")
    elif facts.role != "master":
        yield fail("redis", f"{version}, a {facts.role}", "name the primary in QBRIX_REDIS_URL")
    elif facts.writes_fail:
        yield fail("redis", f"{version}, cannot write its file", "see its log: is the disk full?")
    else:
        yield ok("redis", version)
    yield _memory(facts)
    yield examine_clock("redis", facts.clock)


def _memory(facts: RedisFacts) -> Finding:
    name, policy = "redis memory", facts.settings.get("maxmemory-policy")
    if policy is None:
        return warn(name, "the server does not tell its settings", "allow CONFIG GET to this user")
    limit = int(facts.settings.get("maxmemory", "0"))
    told = f"{facts.used_bytes >> 20} MB of {limit >> 20} MB" if limit else "no limit"
    if policy != "noeviction":
        evicts = fail if limit and policy.startswith("allkeys") else warn
        mend = "set maxmemory-policy noeviction: what it drops is feedback"
        return evicts(name, f"{told}, maxmemory-policy {policy}", mend)
    if limit and facts.used_bytes > 0.8 * limit:
        return warn(name, told, "raise maxmemory: feedback is refused when it is full")
    return ok(name, f"{told}, {policy}")


async def _durability(shared: SharedSettings, *, demanded: str) -> Finding:
    async with open_attached(shared) as stores:
        offered = await stores.intake.durability()
    name = "feedback's durability"
    if not suffices(offered, demanded=demanded):
        return fail(
            name,
            f"redis offers {offered!r}, {demanded!r} is demanded",
            "set appendonly yes, appendfsync always and maxmemory-policy noeviction, or accept "
            "less with PROXY_DURABILITY",
        )
    if demanded != "always":
        return warn(name, f"PROXY_DURABILITY={demanded}", "acknowledged rewards may be lost")
    return ok(name, offered)

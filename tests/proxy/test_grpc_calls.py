"""What every call goes through: credentials, names of requests, failures; health and reflection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from qbrix.errors import InvalidParameter
from serving.proxy.grpc.server import public_server
from serving.settings import ProxySettings
from serving.storage.base import PoolRecord
from serving.wire.gen import common_pb2
from serving.wire.server import GrpcServer
from tests.proxy.people import register
from tests.proxy.speaking import METHODS, Refused, Speaker, speaking
from tests.waiting import PATIENCE_S

SERVING = common_pb2.HealthCheckResponse.Status.SERVING
NOT_SERVING = common_pb2.HealthCheckResponse.Status.NOT_SERVING


async def test_a_key_counts_in_either_place_and_a_bad_one_does_not_fall_through() -> None:
    async with speaking() as speaker:
        key = speaker.metadata["x-api-key"]
        wrong = "optiq_" + "x" * 43
        for good in (
            speaker.having(x_api_key=key),
            speaker.having(authorization=f"Bearer {key}"),
            speaker.having(authorization=f"bearer {key}"),
            speaker.having(x_api_key=key, authorization="Bearer nonsense"),
        ):
            await good.call("ListPools")
        for bad in (
            speaker.having(),
            speaker.having(x_api_key=wrong),
            speaker.having(x_api_key=""),
            speaker.having(authorization=key),
            speaker.having(authorization="Bearer x.y.z"),
            speaker.having(x_api_key=wrong, authorization=f"Bearer {key}"),
            speaker.having(x_api_key="junk", authorization=f"Bearer {key}"),
        ):
            for method in set(METHODS) - {"Health", "ListPolicies"}:
                refused = await bad.refused(method)
                assert (refused.code, refused.trailing["qbrix-code"]) == (
                    "UNAUTHENTICATED",
                    "UNAUTHORIZED",
                )


async def test_who_signed_in_speaks_with_the_access_token() -> None:
    async with speaking(signup="open") as speaker:
        ada = await register(speaker.world)
        signed_in = speaker.having(authorization=ada.headers["Authorization"])
        await signed_in.pool(name="ada's")
        assert [pool.name for pool in (await signed_in.call("ListPools")).pools] == ["ada's"]
        assert not (await speaker.call("ListPools")).pools


async def test_health_and_policies_are_for_everybody() -> None:
    async with speaking() as speaker:
        anybody = speaker.having()
        assert (await anybody.call("Health")).status == SERVING
        listed = (await anybody.call("ListPolicies")).policies
        key = speaker.metadata["x-api-key"]
        rest = await speaker.world.bare.get("/api/v1/policies", headers={"X-API-Key": key})
        shown = rest.json()["policies"]
        assert [policy.name for policy in listed] == [policy["name"] for policy in shown]
        for policy, row in zip(listed, shown, strict=True):
            assert (policy.category, policy.description) == (row["category"], row["description"])
            assert list(policy.reward_types) == row["reward_types"]
            for param, told in zip(policy.user_params, row["user_params"], strict=True):
                assert (param.name, param.type) == (told["name"], told["type"])
                assert param.required == told["required"]
                assert param.HasField("default") != told["required"]
                if told["default"] is not None:
                    assert param.default.number_value == told["default"]
                assert dict(param.constraints) == told["constraints"]
        binary = (await anybody.call("ListPolicies", reward_type="binary")).policies
        assert 0 < len(binary) < len(listed)
        assert all("binary" in policy.reward_types for policy in binary)
        wrong = await anybody.refused("ListPolicies", reward_type="happy")
        assert wrong.code == "INVALID_ARGUMENT"


async def test_the_answer_trails_the_name_of_the_request_and_the_audit_keeps_it() -> None:
    async with speaking() as speaker:
        key = speaker.metadata["x-api-key"]
        await speaker.having(x_api_key=key, x_request_id="my-request").pool(name="mine")
        entries = (await speaker.world.http.get("/api/v1/audit")).json()["entries"]
        assert "my-request" in {entry["request_id"] for entry in entries}
        named = speaker.having(x_api_key=key, x_request_id="second")
        assert (await named.refused("GetPool", pool_id="x")).trailing["x-request-id"] == "second"
        long = speaker.having(x_api_key=key, x_request_id="x" * 200)
        ours = (await long.refused("GetPool", pool_id="x")).trailing["x-request-id"]
        assert len(ours) == 32


async def test_an_error_that_nobody_foresaw_is_internal_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async with speaking() as speaker:

        async def broken(*_: Any, **__: Any) -> None:
            raise ValueError("a secret of the server")

        monkeypatch.setattr(speaker.world.stores.catalog, "list_pools", broken)
        refused = await speaker.refused("ListPools")
        assert refused.code == "INTERNAL"
        assert "secret" not in refused.details
        monkeypatch.undo()
        await speaker.call("ListPools")
    assert "a secret of the server" in capfd.readouterr().out


async def test_a_long_name_makes_no_detail_that_a_client_cannot_read() -> None:
    async with speaking() as speaker:
        refused = await speaker.refused("GetPool", pool_id="é" * 100_000)
        assert refused.code == "NOT_FOUND"
        assert len(refused.details) <= 1000


async def test_an_unknown_method_is_unimplemented_and_a_message_beyond_the_limit_exhausts() -> None:
    async with speaking(body_limit_bytes=2048) as speaker:
        unknown: Any = speaker.channel.unary_unary("/qbrix.proxy.ProxyService/Nothing")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await unknown(b"", timeout=PATIENCE_S)
        assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert (await speaker.refused("GetPool", pool_id="x" * 4096)).code == "RESOURCE_EXHAUSTED"
        await speaker.call("ListPools")


async def check(speaker: Speaker, service: str) -> int:
    data = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    call: Any = speaker.channel.unary_unary("/grpc.health.v1.Health/Check")
    return int(
        health_pb2.HealthCheckResponse.FromString(await call(data, timeout=PATIENCE_S)).status
    )


async def test_health_is_told_by_service_and_ends_with_the_drain() -> None:
    async with speaking() as speaker:
        for service in ("", "qbrix.proxy.ProxyService", "grpc.health.v1.Health"):
            assert await check(speaker, service) == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await check(speaker, "no.such.Service")
        assert error.value.code() is grpc.StatusCode.NOT_FOUND
        watch: Any = speaker.channel.unary_stream("/grpc.health.v1.Health/Watch")
        seen = []
        async for data in watch(b"", timeout=PATIENCE_S):
            seen.append(health_pb2.HealthCheckResponse.FromString(data).status)
            if len(seen) == 2:
                break
            speaker.world.gateway.drain()
        serving = health_pb2.HealthCheckResponse
        assert seen == [serving.SERVING, serving.NOT_SERVING]
        assert await check(speaker, "") == serving.NOT_SERVING
        assert (await speaker.call("Health")).status == NOT_SERVING
        await speaker.call("ListPools")


@pytest.mark.parametrize("package", ["grpc.reflection.v1", "grpc.reflection.v1alpha"])
async def test_reflection_shows_the_services_and_every_field_number(package: str) -> None:
    async with speaking() as speaker:
        asked = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(
                file_containing_symbol="qbrix.proxy.ProxyService"
            ),
            reflection_pb2.ServerReflectionRequest(
                file_containing_symbol=f"{package}.ServerReflection"
            ),
        ]
        path = f"/{package}.ServerReflection/ServerReflectionInfo"
        stream: Any = speaker.channel.stream_stream(path)
        call = stream(iter([one.SerializeToString() for one in asked]), timeout=PATIENCE_S)
        listed, described, itself = [
            reflection_pb2.ServerReflectionResponse.FromString(data) async for data in call
        ]
        assert [one.name for one in listed.list_services_response.service] == [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "qbrix.proxy.ProxyService",
        ]
        files = [
            FileDescriptorProto.FromString(data)
            for data in described.file_descriptor_response.file_descriptor_proto
        ]
        (proxy,) = [file for file in files if file.package == "qbrix.proxy"]
        assert [method.name for method in proxy.service[0].method] == list(METHODS)
        (own,) = itself.file_descriptor_response.file_descriptor_proto
        assert FileDescriptorProto.FromString(own).package == package


@asynccontextmanager
async def leaving() -> AsyncIterator[tuple[Speaker, GrpcServer]]:
    """A second server of a world, that a test may stop."""
    async with speaking() as first:
        server = public_server(first.world.gateway)
        address = f"127.0.0.1:{await server.start()}"
        async with grpc.aio.insecure_channel(address) as channel:
            yield Speaker(first.world, address, channel, first.metadata), server


async def test_who_pings_without_calling_is_answered_and_not_sent_away() -> None:
    """Raw HTTP/2: an opening, then five pings; a server that took them for abuse would say GOAWAY.

    After the fourth it would: gRPC overlooks two that come too early.
    """
    settings, ping, goaway = 4, 6, 7
    async with speaking() as speaker:
        host, port = speaker.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings))
        for number in range(5):
            writer.write(frame(ping, number.to_bytes(8, "big")))
            kind, flags, body = settings, 0, b""
            while not (kind == ping and flags & 1):
                head = await asyncio.wait_for(reader.readexactly(9), PATIENCE_S)
                body = await reader.readexactly(int.from_bytes(head[:3], "big"))
                kind, flags = head[3], head[4]
                assert kind != goaway, body
            assert int.from_bytes(body, "big") == number
            await asyncio.sleep(0.55)  # after the server has seen it, however late that was
        writer.close()


def frame(kind: int, body: bytes = b"") -> bytes:
    """An HTTP/2 frame of the connection itself."""
    return len(body).to_bytes(3, "big") + bytes([kind, 0, 0, 0, 0, 0]) + body


async def test_what_was_begun_is_done_to_its_end_though_the_client_no_longer_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with speaking() as speaker:
        catalog = speaker.world.stores.catalog
        entered, go, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        create_pool = catalog.create_pool

        async def slow(record: PoolRecord) -> None:
            entered.set()
            await go.wait()
            await create_pool(record)
            ended.set()

        monkeypatch.setattr(catalog, "create_pool", slow)
        impatient = asyncio.create_task(speaker.pool(name="late"))
        await entered.wait()
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        await speaker.call("ListPools")  # the server has heard of it by now
        go.set()
        async with asyncio.timeout(PATIENCE_S):
            await ended.wait()
        assert [pool.name for pool in (await speaker.call("ListPools")).pools] == ["late"]


async def test_requests_are_counted_by_their_status() -> None:
    async with speaking() as speaker:
        await speaker.call("ListPools")
        await speaker.refused("GetPool", pool_id="x")
        count = speaker.world.gateway.metrics.requests.total
        assert count("/qbrix.proxy.ProxyService/ListPools", "OK") == 1
        assert count("/qbrix.proxy.ProxyService/GetPool", "NOT_FOUND") == 1


async def test_a_call_under_way_is_answered_when_the_server_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with leaving() as (speaker, server):
        catalog = speaker.world.stores.catalog
        entered, go = asyncio.Event(), asyncio.Event()
        list_pools = catalog.list_pools

        async def slow(*given: Any, **named: Any) -> Any:
            entered.set()
            await go.wait()
            return await list_pools(*given, **named)

        monkeypatch.setattr(catalog, "list_pools", slow)
        under_way = asyncio.create_task(speaker.call("ListPools"))
        await entered.wait()
        stopping = asyncio.create_task(server.stop(grace_s=PATIENCE_S))
        refused = await speaker.refused("GetPool", pool_id="x")
        while refused.code == "NOT_FOUND":  # it takes a moment to say that it goes
            refused = await speaker.refused("GetPool", pool_id="x")
        assert (refused.code, stopping.done()) == ("UNAVAILABLE", False)
        go.set()
        assert list((await under_way).pools) == []
        await stopping


async def test_a_server_that_goes_cuts_nobody_off() -> None:
    """Whoever waits for an answer gets it, and is then told to ask elsewhere."""
    async with leaving() as (speaker, server):
        experiment = (await speaker.experiment()).experiment.id

        async def play() -> tuple[int, str]:
            taken = 0
            while True:
                try:
                    chosen = await speaker.select(experiment)
                    await speaker.call("Feedback", request_id=chosen.request_id, reward=1)
                    taken += 1
                except Refused as refused:
                    return taken, refused.code

        players = [asyncio.create_task(play()) for _ in range(32)]
        await asyncio.sleep(0.3)  # in the midst of it
        await server.stop(grace_s=PATIENCE_S)
        ended = await asyncio.gather(*players)
        assert {code for _, code in ended} == {"UNAVAILABLE"}
        assert len(await speaker.world.events(experiment)) == sum(taken for taken, _ in ended)


async def test_two_servers_share_a_port_when_told_to() -> None:
    async with speaking(reuse_port=True) as speaker:
        port = int(speaker.address.split(":")[1])
        settings = ProxySettings(grpc_port=port, reuse_port=True)
        speaker.world.gateway.settings = settings
        second = public_server(speaker.world.gateway)
        assert await second.start() == port
        await second.stop(grace_s=0)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Chain and key of localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain_file, key_file = folder / "chain.pem", folder / "key.pem"
    chain_file.write_bytes(certificate.public_bytes(pem))
    key_file.write_bytes(private)
    return chain_file, key_file


async def test_with_a_certificate_the_server_speaks_tls(tmp_path: Path) -> None:
    chain, key = self_signed(tmp_path)
    async with speaking(grpc_tls_cert_file=chain, grpc_tls_key_file=key) as speaker:
        credentials = grpc.ssl_channel_credentials(chain.read_bytes())
        address = speaker.address.replace("127.0.0.1", "localhost")
        async with grpc.aio.secure_channel(address, credentials) as channel:
            secure = Speaker(speaker.world, address, channel, speaker.metadata)
            assert not (await secure.call("ListPools")).pools
        assert (await speaker.refused("ListPools")).code == "UNAVAILABLE"


async def test_half_a_certificate_or_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="go together"):
        async with speaking(grpc_tls_cert_file=tmp_path / "chain.pem"):
            pass
    with pytest.raises(InvalidParameter, match="cannot be read"):
        async with speaking(
            grpc_tls_cert_file=tmp_path / "chain.pem", grpc_tls_key_file=tmp_path / "key.pem"
        ):
            pass

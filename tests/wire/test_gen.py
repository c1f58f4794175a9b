"""What protoc wrote is what the proto files say."""

from __future__ import annotations

from pathlib import Path

import serving.wire.gen
from serving.wire.gen import common_pb2, proxy_pb2
from serving.wire.generate import generate


def test_the_generated_modules_are_current(tmp_path: Path) -> None:
    kept = Path(serving.wire.gen.__file__).parent
    written = {file.name: file.read_text("utf-8") for file in generate(tmp_path)}
    assert written == {
        file.name: file.read_text("utf-8")
        for file in kept.iterdir()
        if file.suffix != ".pyc" and file.is_file()
    }


def test_the_public_service_has_the_methods_of_the_contract() -> None:
    service = proxy_pb2.DESCRIPTOR.services_by_name["ProxyService"]
    assert service.full_name == "qbrix.proxy.ProxyService"
    assert " ".join(method.name for method in service.methods) == (
        "CreatePool GetPool ListPools UpdatePool DeletePool CreateExperiment GetExperiment "
        "ListExperiments ListPoolExperiments UpdateExperiment DeleteExperiment CreateGateConfig "
        "GetGateConfig UpdateGateConfig DeleteGateConfig Select Feedback ListPolicies Health"
    )


def test_the_messages_have_the_numbers_of_the_contract() -> None:
    context = common_pb2.Context.DESCRIPTOR.fields_by_name
    assert {name: field.number for name, field in context.items()} == {
        "id": 1,
        "vector": 2,
        "metadata": 3,
        "properties": 4,
        "vector64": 5,
    }
    update = proxy_pb2.UpdateExperimentRequest.DESCRIPTOR.fields_by_name
    assert {name: field.number for name, field in update.items()} == {
        "experiment_id": 1,
        "enabled": 2,
        "policy_params": 3,
        "feature_gate": 4,
        "policy_params_json": 5,
        "learning": 100,
    }
    assert update["enabled"].has_presence
    assert proxy_pb2.ListExperimentsResponse.DESCRIPTOR.fields_by_name["items"].number == 4

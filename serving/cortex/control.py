"""Changes of what decides: each is checked here and becomes a batch of its own, or is rejected."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec
import numpy as np

from qbrix.bundle import Bundle, Certificate
from qbrix.errors import BundleError, InvalidParameter
from qbrix.ledger import (
    REPLACING,
    Attribution,
    Batch,
    Configuration,
    Control,
    Deployment,
    PolicyRef,
    Resolver,
)
from qbrix.support import described, rescaled, supported
from serving.cortex.deployments import Live
from serving.cortex.learn import attempt
from serving.loading import PolicyLoader
from serving.publishing import check_decides
from serving.storage.records import ControlRequest, ExperimentRecord

__all__ = ["Change", "plan_change", "record_after"]


class _Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request's ``change`` may hold."""

    policy: PolicyRef | None = None
    floor: float | None = None
    reward_range: tuple[float, float] | msgspec.UnsetType | None = msgspec.UNSET
    attribution: Attribution | None = None
    retired: tuple[int, ...] | None = None
    n_arms: int | None = None
    dim: int | None = None
    bundle: str | None = None
    back_to: PolicyRef | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A control change that holds: its batch, what it leads to, and what let it in."""

    batch: Batch
    live: Live
    certificate: Certificate | None

    @property
    def outcome(self) -> dict[str, Any]:
        """What the proxy is told."""
        told: dict[str, Any] = {"epoch": self.batch.epoch, "version": self.batch.version}
        if self.certificate is not None:
            told["certificate"] = json.loads(self.certificate.to_json())
        return told


async def plan_change(request: ControlRequest, live: Live, *, loader: PolicyLoader) -> Change:
    """The batch that ``request`` asks for.

    Raises Unavailable when a store is away, another QbrixError when the change must be rejected.
    """
    certificate: Certificate | None = None
    if request.reason in REPLACING:
        now = live.deployment.configuration
        control, certificate = await _replacement(request, now, loader)
    else:
        control = _control(request, live.deployment.configuration)
    resolver = await loader.resolver_for(control.configuration)
    if request.reason == "configure":
        _check_configure(live, control, resolver)
    batch, deployment = await asyncio.to_thread(_folded, live.deployment, control, resolver)
    _check_default(deployment)
    record = record_after(live.record, deployment)
    moved = Live(record=record, deployment=deployment, resolver=resolver)
    return Change(batch=batch, live=moved, certificate=certificate)


def record_after(record: ExperimentRecord, deployment: Deployment) -> ExperimentRecord:
    """The experiment's record as it must read when ``deployment`` decides."""
    ref = deployment.configuration.policy
    return msgspec.structs.replace(
        record,
        policy=ref.name.partition("@")[0],
        parameters=dict(ref.parameters),
        bundle=ref.bundle,
        support=deployment.policy.capabilities.reward,
        floor=deployment.configuration.floor,
        reward_range=deployment.configuration.reward_range,
        window_s=deployment.configuration.attribution.window_s,
        default_reward=deployment.configuration.attribution.default_reward,
        aggregation=deployment.configuration.attribution.aggregation,
    )


def _wanted(request: ControlRequest) -> _Wanted:
    try:
        return msgspec.convert(request.change, _Wanted)
    except msgspec.ValidationError as error:
        raise InvalidParameter(f"control change {request.id} ({request.reason}): {error}") from None


def _control(request: ControlRequest, now: Configuration) -> Control:
    wanted = _wanted(request)
    if wanted.dim not in (None, now.dim):
        raise InvalidParameter(
            f"dim = {wanted.dim}, the experiment has {now.dim} for ever; create another experiment"
        )
    n_arms = now.n_arms if wanted.n_arms is None else wanted.n_arms
    if n_arms < now.n_arms:
        raise InvalidParameter(
            f"n_arms = {n_arms}, the experiment has {now.n_arms}; arms are retired, never removed"
        )
    retired = now.retired if wanted.retired is None else tuple(sorted(set(wanted.retired)))
    if retired and not 0 <= retired[0] <= retired[-1] < n_arms:
        raise InvalidParameter(f"retired = {retired}, expected arms of 0 … {n_arms - 1}")
    configuration = replace(
        now,
        policy=now.policy if wanted.policy is None else wanted.policy,
        n_arms=n_arms,
        floor=now.floor if wanted.floor is None else wanted.floor,
        retired=retired,
        reward_range=now.reward_range
        if wanted.reward_range is msgspec.UNSET
        else wanted.reward_range,
        attribution=now.attribution if wanted.attribution is None else wanted.attribution,
    )
    start: Literal["keep", "init"] = "init" if request.reason == "reset" else "keep"
    return Control(reason=request.reason, configuration=configuration, start=start)


async def _replacement(
    request: ControlRequest, now: Configuration, loader: PolicyLoader
) -> tuple[Control, Certificate | None]:
    """A bundle's policy, or one that decided before with its hyper-parameters of then.

    It starts from the state in its bundle, else anew.
    """
    wanted = _wanted(request)
    ref, certificate = wanted.back_to, None
    start: Literal["init", "bundle"] = "init"
    sha256 = wanted.bundle if ref is None else ref.bundle
    if ref is None or sha256 is not None:
        bundle = await loader.bundle(sha256 or "")
        _check_fit(bundle, now)
        certificate = await loader.verify(bundle)
        start = "bundle" if bundle.manifest.trace.starts_from == "state" else "init"
        ref = ref or _ref_of(bundle)
    configuration = replace(now, policy=ref)
    return Control(reason=request.reason, configuration=configuration, start=start), certificate


def _ref_of(bundle: Bundle) -> PolicyRef:
    entry = bundle.manifest.policy
    return PolicyRef(name=entry.id, parameters=entry.parameters, bundle=bundle.sha256)


def _check_fit(bundle: Bundle, now: Configuration) -> None:
    manifest = bundle.manifest
    if manifest.n_arms != now.n_arms:
        raise BundleError(
            "fit",
            f"the bundle was exported for {manifest.n_arms} arms, the experiment has "
            f"{now.n_arms}; export it again for that number",
        )
    if manifest.policy.capabilities.context and manifest.dim != now.dim:
        raise BundleError(
            "fit",
            f"the bundle was exported for contexts of {manifest.dim} features, the experiment "
            f"has {now.dim}; export it again for that number, or promote to another experiment",
        )


def _check_configure(live: Live, control: Control, resolver: Resolver) -> None:
    before, after = live.deployment.configuration.policy, control.configuration.policy
    if (after.name, after.bundle) != (before.name, before.bundle):
        raise InvalidParameter(
            f"the change was meant for {after.name}, but {before.name} decides since version "
            f"{live.deployment.version}; read the experiment again"
        )
    policy = resolver.policy(after)
    for spec in policy.parameter_specs():
        old, new = (getattr(one, spec.name) for one in (live.deployment.policy, policy))
        if spec.structural and old != new:
            raise InvalidParameter(
                f"{spec.name} = {new!r}: what was learned depends on it (now {old!r}); "
                "reset the experiment to change it"
            )


def _check_default(deployment: Deployment) -> None:
    configuration = deployment.configuration
    reward = configuration.attribution.default_reward
    support = deployment.policy.capabilities.reward
    if reward is None or supported(
        rescaled(np.asarray([reward]), configuration.reward_range), support
    ):
        return
    raise InvalidParameter(
        f"default_reward = {reward:g}: {configuration.policy.name} learns from "
        f"{described(support)} only; change the default first"
    )


def _folded(
    deployment: Deployment, control: Control, resolver: Resolver
) -> tuple[Batch, Deployment]:
    epoch = deployment.epoch + (control.start != "keep")
    batch = Batch(epoch=epoch, version=deployment.version + 1, control=control)
    after = attempt(deployment, batch, resolver)
    check_decides(after)
    return batch, after

"""What the roles of a stack are started with: secrets, schema, the first key, ports, commands."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from qbrix.bundle.signing import SigningKey, TrustedKeys
from qbrix.errors import Unavailable
from serving.stack.child import ANSWERS, GIVES_WAY
from serving.stack.folders import Folders, choose_port, keep_secret, write_private
from serving.stack.supervisor import Role

__all__ = [
    "Plan",
    "choose_ports",
    "make_admin_key",
    "make_secrets",
    "migrate",
    "port_names",
]

LOOPBACK = "127.0.0.1"
DRAIN_S = 20.0
QBRIX = (sys.executable, "-P", "-m", "serving.cli")  # -P: modules of the caller's folder stay out


@dataclass(frozen=True, slots=True)
class Plan:
    """Which processes make up a stack."""

    folders: Folders
    environment: Mapping[str, str]
    ports: Mapping[str, int]

    def roles(self, *, split: bool, workers: int) -> Iterator[tuple[str, Role]]:
        """In the order of starting; they are stopped in the opposite one."""
        own = self.ports
        cortex = {"CORTEX_GRPC_PORT": own["cortex"], "CORTEX_HTTP_PORT": own["cortex_http"]}
        yield "cortex", self._role("cortex", "cortex", **cortex)
        if split:
            listens = {
                "MOTOR_GRPC_PORT": own["motor"],
                "MOTOR_LINK_PORT": own["motor_link"],
                "MOTOR_HTTP_PORT": own["motor_http"],
            }
            yield "motor", self._role("motor", "motor", **listens)
        motor = f"{LOOPBACK}:{self.ports['motor']}" if split else None
        for name in _proxy_names(workers):
            yield (
                name,
                self._role(
                    name,
                    "proxy",
                    PROXY_HTTP_PORT=self.ports["http"],
                    PROXY_GRPC_PORT=self.ports["grpc"],
                    PROXY_REUSE_PORT="true" if workers > 1 else None,
                    PROXY_PROBE_PORT=self.ports[f"{name}_probe"],
                    PROXY_MOTOR_ADDRESS=motor,
                    PROXY_CORTEX_ADDRESS=f"{LOOPBACK}:{self.ports['cortex']}",
                ),
            )

    def _role(self, name: str, role: str, **settings: int | str | None) -> Role:
        environment = dict(self.environment)
        for variable, value in settings.items():
            environment.pop(variable, None)
            if value is not None:
                environment[variable] = str(value)
        return Role(
            role,
            (*QBRIX, role),
            environment=environment,
            run=self.folders.run / name,
            log=self.folders.logs / f"{name}.log",
            drain_s=DRAIN_S,
            niceness=GIVES_WAY if role == "cortex" else ANSWERS,
        )


def _proxy_names(workers: int) -> list[str]:
    return ["proxy", *(f"proxy-{number}" for number in range(2, workers + 1))]


def port_names(workers: int) -> list[str]:
    """What a stack listens on: its roles, fused or split, find their ports under these names."""
    motor, cortex = ("motor", "motor_link", "motor_http"), ("cortex", "cortex_http")
    probes = [f"{name}_probe" for name in _proxy_names(workers)]
    return ["http", "grpc", *motor, *cortex, *probes]


def choose_ports(folders: Folders, wanted: Mapping[str, int | None]) -> dict[str, int]:
    """One for each name, none of them twice (nobody listens on any of them yet)."""
    ports = {name: port for name, port in wanted.items() if port}
    for name, port in wanted.items():
        taken = [own for other, own in ports.items() if other != name]
        ports[name] = choose_port(folders.run / f"{name}.port", wanted=port, taken=taken)
    return ports


def make_secrets(folders: Folders) -> dict[str, str]:
    """What nobody has to choose is made at the first start; the roles are told where it lies."""
    draw, token, jwt = (folders.secrets / f"{name}.key" for name in ("draw", "token", "jwt"))
    for path in (draw, token, jwt):
        keep_secret(path)
    trusted = folders.root / "trusted_keys"
    trusted.mkdir(mode=0o700, exist_ok=True)
    signing = SigningKey.load_or_create(folders.secrets / "signing_key")
    draft = trusted / "local.pub.draft"
    TrustedKeys([signing.public]).save(draft)
    draft.replace(trusted / "local.pub")
    return {
        "QBRIX_DRAW_KEY_FILE": str(draw),
        "PROXY_TOKEN_KEY_FILE": str(token),
        "PROXY_JWT_KEY_FILE": str(jwt),
        "QBRIX_TRUSTED_KEYS_DIR": str(trusted),
    }


def migrate(folders: Folders, environment: Mapping[str, str]) -> None:
    """Bring the schema up to date, once for each set of migrations."""
    schema, stamp = _schema(environment), folders.run / "schema"
    if not stamp.exists() or stamp.read_text("utf-8") != schema:
        _qbrix("migrate", environment=environment)
        write_private(stamp, schema)


def make_admin_key(folders: Folders, environment: Mapping[str, str]) -> None:
    """The first API key, that of the local admin; nobody else learns it."""
    path = folders.secrets / "admin_api_key"
    if not path.exists():
        wanted = ("--tenant", "local", "--name", "admin", "--role", "admin")
        answer = _qbrix("key", "create", *wanted, environment=environment)
        made = next(word for word in answer.split() if word.startswith("optiq_"))
        write_private(path, made + "\n")


def _schema(environment: Mapping[str, str]) -> str:
    """Which migrations there are, and where they were applied."""
    package = find_spec("serving.storage")
    folder = Path(package.origin).parent if package and package.origin else Path()
    digest = hashlib.sha256(environment["QBRIX_POSTGRES_URL"].encode())
    for path in sorted(folder.glob("migrations/**/*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _qbrix(*arguments: str, environment: Mapping[str, str]) -> str:
    """One command of ours, with its answer."""
    ran = subprocess.run(
        [*QBRIX, *arguments], env=dict(environment), capture_output=True, text=True, check=False
    )
    if ran.returncode != 0:
        raise Unavailable(f"qbrix {' '.join(arguments[:2])} failed: {ran.stderr or ran.stdout}")
    return ran.stdout

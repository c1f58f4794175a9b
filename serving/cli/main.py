"""What the command line can say, and who does it; a command's code loads when it is used."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import qbrix
from qbrix.errors import QbrixError

__all__ = ["main"]

_DATA_DIR = "of a running stack (default: the stores that QBRIX_… name)"
_BACK = (
    "let a policy decide again that decided before, with its hyper-parameters of then and, as after"
    " a promotion, the state in its bundle or else a new one"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what was asked."""
    given = vars(build_parser().parse_args(arguments))
    module, _, name = given.pop("does").partition(":")
    try:
        run: Any = getattr(import_module(f"serving.cli.{module}"), name)
        return int(run(**given) or 0)
    except (QbrixError, FileNotFoundError, IsADirectoryError, PermissionError) as error:
        print(f"qbrix: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 1


def build_parser() -> argparse.ArgumentParser:
    """All commands."""
    parser = argparse.ArgumentParser(
        prog="qbrix", description="Multi-armed bandits, from the notebook to production."
    )
    parser.add_argument("--version", action="version", version=f"qbrix {qbrix.__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_roles(commands)
    _add_stack(commands)
    _add_stores(commands)
    _add_ledger(commands)
    _add_people(commands)
    _add_bundles(commands)
    return parser


def _add_roles(commands: Any) -> None:
    proxy = _add(commands, "proxy", "roles:proxy", "serve the public API")
    proxy.add_argument("--host")
    proxy.add_argument("--http-port", type=int)
    proxy.add_argument("--grpc-port", type=int)
    motor = proxy.add_mutually_exclusive_group()
    motor.add_argument("--motor-address", help="host:port of a motor role")
    motor.add_argument("--fused", action="store_true", help="decide in this process (default)")
    proxy.add_argument(
        "--durability",
        choices=["always", "everysec", "memory"],
        help="what Redis must promise before a reward is acknowledged (default: always)",
    )
    for role, does in (("motor", "decide for proxies elsewhere"), ("cortex", "learn")):
        command = _add(commands, role, f"roles:{role}", does)
        command.add_argument("--host")
        command.add_argument("--grpc-port", type=int)
        command.add_argument("--http-port", type=int, help="of /livez, /readyz and /metrics")


def _add_stack(commands: Any) -> None:
    up = _add(commands, "up", "stack:up", "run everything on this machine")
    up.add_argument("--data-dir", type=Path, required=True, help="data, keys and logs; may be new")
    up.add_argument("--http-port", type=int, default=8080, help="of REST (default: 8080)")
    up.add_argument("--grpc-port", type=int, default=50050, help="of gRPC (default: 50050)")
    up.add_argument("--split", action="store_true", help="motor in a process of its own")
    up.add_argument("--workers", type=int, default=1, help="proxies on one port (default: 1)")


def _add_stores(commands: Any) -> None:
    _add(commands, "migrate", "stores:migrate", "bring the database's schema up to date")
    doctor = _add(commands, "doctor", "doctor:doctor", "look whether everything is in order")
    doctor.add_argument("--json", action="store_true", dest="as_json", help="for machines")
    doctor.add_argument(
        "--replay",
        action="store_true",
        dest="with_replay",
        help="fold every experiment's ledger from zero, too",
    )
    key = commands.add_parser("key", help="API keys").add_subparsers(required=True)
    create = _add(key, "create", "stores:create_key", "make an API key and show it once")
    create.add_argument("--tenant", required=True, help="workspace; made when there is none")
    create.add_argument("--name", required=True, help="by which people know it")
    create.add_argument("--role", choices=["viewer", "member", "admin"], default="member")
    for command in (doctor, create):
        command.add_argument("--data-dir", type=Path, help=_DATA_DIR)


def _add_ledger(commands: Any) -> None:
    letters = commands.add_parser("dead-letters", help="what could not be learned")
    letters = letters.add_subparsers(required=True)
    listed = _add(letters, "list", "dead_letters:list_letters", "one line each, newest first")
    listed.add_argument("experiment", nargs="?", help="an id (default: all, unreadable ones too)")
    listed.add_argument("--limit", type=int, default=100, help="at most (default: 100)")
    show = _add(letters, "show", "dead_letters:show_letter", "one letter with its events")
    show.add_argument("letter", type=int, help="by id")
    again = _add(letters, "redrive", "dead_letters:redrive_letters", "send letters again")
    again.add_argument("letters", type=int, nargs="*", help="by id")
    again.add_argument("--experiment", help="all of an experiment that wait")
    again.add_argument("--all", action="store_true", dest="all_of_them", help="all that wait")
    replay = _add(commands, "replay", "replay:replay", "fold a ledger from zero and compare")
    replay.add_argument("experiment", help="id or name")
    replay.add_argument("--to", type=int, metavar="VERSION", help="default: the last one")
    replay.add_argument("--verify", action="store_true", help="compute every decision anew, too")
    for command in (listed, show, again, replay):
        command.add_argument("--data-dir", type=Path, help=_DATA_DIR)


def _add_people(commands: Any) -> None:
    user = commands.add_parser("user", help="people").add_subparsers(required=True)
    invite = _add(user, "invite", "people:invite", "invite somebody and show the token once")
    invite.add_argument("--tenant", required=True, help="a workspace, by its slug")
    invite.add_argument("--role", choices=["viewer", "member", "admin"], default="member")
    password = _add(user, "password", "people:set_password", "give a user another password")
    for command in (invite, password):
        command.add_argument("--email", required=True)
        command.add_argument("--data-dir", type=Path, help=_DATA_DIR)


def _add_bundles(commands: Any) -> None:
    bundle = commands.add_parser("bundle", help="exported policies").add_subparsers(required=True)
    show = _add(bundle, "show", "bundles:show", "what a bundle says about itself")
    verify = _add(bundle, "verify", "bundles:verify", "check the signature, replay the trace")
    verify.add_argument("--trusted", type=Path, help="public keys: a file, or a folder of *.pub")
    sign = _add(bundle, "sign", "bundles:sign", "sign with a private key")
    sign.add_argument("--key", type=Path, required=True, help="file of the private key")
    sign.add_argument("--output", type=Path, help="where to write (default: in place)")
    promote = _add(commands, "promote", "bundles:promote", "let a bundle decide")
    promote.add_argument("--experiment", required=True, help="by id")
    for command in (show, verify, sign, promote):
        command.add_argument("path", type=Path, help="the bundle's file")
    history = _add(commands, "history", "history:history", "what decided when, newest first")
    back = _add(commands, "rollback", "history:rollback", _BACK)
    back.add_argument(
        "--to",
        type=int,
        metavar="VERSION",
        help="what decided at it (default: what decided before the last promotion)",
    )
    for command in (history, back):
        command.add_argument("experiment", help="id or name")
    for command in (promote, history, back):
        command.add_argument(
            "--url", default="http://127.0.0.1:8080", help="of a proxy (default: %(default)s)"
        )
        command.add_argument("--api-key", help="default: the environment's QBRIX_API_KEY")


def _add(commands: Any, name: str, does: str, help: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help)
    parser.set_defaults(does=does)
    return parser

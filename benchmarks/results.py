"""`RESULTS.md`: one section per benchmark, replaced as a whole when the benchmark is run again."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

__all__ = ["machine", "markdown_table", "write_section"]

RESULTS = Path(__file__).parent / "RESULTS.md"
_TITLE = """# Measured

Every section is written by the command that it names, and says when and where it ran.
"""


def write_section(name: str, *, title: str, command: str, body: str) -> None:
    """Replace the section ``name`` of RESULTS.md, or add it at the end."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else _TITLE
    head, tail = f"<!-- {name} -->", f"<!-- /{name} -->"
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    section = f"{head}\n## {title}\n\n`{command}` · {when} · {machine()}\n\n{body.strip()}\n{tail}"
    pattern = re.compile(re.escape(head) + ".*?" + re.escape(tail), re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: section, text)
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    RESULTS.write_text(text, encoding="utf-8")


def machine() -> str:
    """Processor, cores, and the versions that matter."""
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, NumPy {version('numpy')}"
    )


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column is text, the others are numbers and stand to the right."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()

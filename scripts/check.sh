#!/bin/sh
# Lint, formatting, types, import contracts: all of them, then one verdict.
cd "$(dirname "$0")/.." || exit
verdict=0
for tool in "ruff check" "ruff format --check" "mypy" "lint-imports --no-logo"; do
    echo "check: $tool"
    # The words of $tool are a command and its arguments.
    # shellcheck disable=SC2086
    .venv/bin/$tool || verdict=1
done
exit "$verdict"

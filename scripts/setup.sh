#!/bin/sh
# Run scripts/setup.py with the first Python that is new enough; PYTHON=… names the only one to try.
cd "$(dirname "$0")/.." || exit
pythons=${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}
for python in $pythons; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" scripts/setup.py
    fi
done
echo "setup: qbrix needs Python 3.11 or newer, and none of these is: $pythons" >&2
echo "setup: install one, or name it: make PYTHON=/path/to/python3" >&2
exit 1

#!/bin/sh
# Real servers and roles, broken on purpose while clients work. `quick` is what every change runs:
# five random runs and one test of each kind; without it all of them, and fifty random runs.
# QBRIX_FAULT_RUNS and QBRIX_FAULT_SEED choose other random runs; more arguments go to pytest.
cd "$(dirname "$0")/.." || exit
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
which="faults" runs=50
if [ "${1:-}" = quick ]; then
    shift
    which="faults and not long" runs=5
fi
export QBRIX_FAULT_RUNS="${QBRIX_FAULT_RUNS:-$runs}"
workers=${QBRIX_FAULT_WORKERS:-2}
echo "faults: pytest -m '$which', $QBRIX_FAULT_RUNS random runs, $workers workers"
exec .venv/bin/pytest -n "$workers" --dist loadfile -m "$which" tests/faults "$@"

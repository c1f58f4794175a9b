#!/bin/sh
# The tests and the docstrings' examples, then the notebooks. Arguments go to pytest.
cd "$(dirname "$0")/.." || exit
# One thread per worker: the numerical libraries would otherwise take every core for each.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
workers=${QBRIX_TEST_WORKERS:-2}
verdict=0
echo "test: pytest, $workers workers"
.venv/bin/pytest -n "$workers" --dist loadfile "$@" || verdict=1
if [ $# -eq 0 ]; then
    echo "test: notebooks"
    .venv/bin/pytest --nbval --nbval-current-env -n "$workers" --dist loadfile \
        notebooks/*.ipynb notebooks/*/*.ipynb || verdict=1
fi
exit "$verdict"

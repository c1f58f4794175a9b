# Each target sets up what it needs by itself; a second run returns at once. PYTHON=… names another.
export PYTHON
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV

.PHONY: setup check test test-faults test-faults-quick demo lab up bench docs proto lock clean

setup:        ; @sh scripts/setup.sh
check: setup  ; @sh scripts/check.sh
test: setup   ; @sh scripts/test.sh
test-faults: setup        ; @sh scripts/faults.sh
test-faults-quick: setup  ; @sh scripts/faults.sh quick
demo: setup   ; @.venv/bin/python -m notebooks.demo
lab: setup    ; @.venv/bin/jupyter lab --allow-root notebooks
up: setup     ; @.venv/bin/qbrix up --data-dir var/stack
bench: setup  ; @.venv/bin/python -m benchmarks
docs: setup   ; @.venv/bin/python scripts/docs.py
proto: setup  ; @.venv/bin/python -m serving.wire.generate
lock: setup   ; @.venv/bin/python scripts/lock.py
clean:        ; @rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist

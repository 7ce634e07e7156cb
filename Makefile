PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

# More threads only slow down the tiny models of the tests.
test test-slow test-faults test-slurm: export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help quickstart serve-demo test test-slow test-faults test-slurm lint docs pictures bench release-check bounds judges clean

help:  ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

SCRATCH := prompt.init=normal head.init=null
# With the first seed of experiments/demo, so that it shows a part of that table.
quickstart: $(INSTALLED)  ## pretrain a prompt on four tasks, transfer it to film snippets with 64 rows, compare
	$(PY) -m ptv2.fit --config configs/pretrain/demo.yaml seed=1
	$(PY) -m ptv2.fit --config configs/transfer/demo.yaml seed=1
	$(PY) -m ptv2.fit --config configs/transfer/demo.yaml seed=1 $(SCRATCH) optim.lr=0.003 run.name=transfer-demo-scratch
	$(PY) -m ptv2.fit --config configs/transfer/demo.yaml seed=1 $(SCRATCH) method=full optim.lr=1e-4 run.name=transfer-demo-full
	@$(PY) -m experiments.demo.shown

serve-demo: $(INSTALLED)  ## train an artifact if there is none in runs/serve-demo, and serve it on 127.0.0.1:8000
	test -d runs/serve-demo/topics/prompt || $(PY) -m ptv2.fit --config configs/quickstart.yaml \
		run.folder=runs/serve-demo run.name=topics trainer.max_epochs=1 data.limit.train=600
	$(PY) -m ptv2.serve --artifacts runs/serve-demo

bench: $(INSTALLED)  ## how fast each system trains, beside the frozen backbone: 15 minutes (QUICK=1: 3)
	$(PY) -m experiments.bench.run $(if $(QUICK),--quick,--minutes 15)

test: lint  ## lint, then every test that takes seconds
	$(PY) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not faults and not slurm"

test-slow: $(INSTALLED)  ## the tests that train real weights
	$(PY) -m pytest -q -m slow

test-faults: $(INSTALLED)  ## every fault that is injected into a run; writes docs/faults.md
	$(PY) -m pytest -q tests/faults --outcomes docs/faults.md

test-slurm: $(INSTALLED)  ## jobs on a real SLURM, which is installed from Debian and started for the tests
	tests/slurm/install.sh
	$(PY) -m pytest -q -m slurm tests/slurm

lint: $(INSTALLED)  ## ruff: rules and format; pyright: types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m basedpyright --pythonpath $(PY)

docs: $(INSTALLED)  ## write the parts of docs/ that follow from the sources, and build the site in site/
	$(PY) -m ptv2.config.reference > docs/config.md
	for script in floors api compatibility paper; do $(PY) docs/$$script.py || exit; done
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

release-check: docs  ## build and check sdist and wheel, try the wheel in a fresh environment outside of the checkout
	$(PY) -m pytest -q tests/test_docs.py tests/docs/test_site.py tests/docs/test_release.py
	$(PY) -m pip install --quiet -c constraints.txt -e '.[release]'
	$(PY) tests/release.py

bounds: $(INSTALLED)  ## the quick tests on the oldest and on the newest releases that setup.cfg allows
	$(PY) tests/bounds.py oldest
	$(PY) tests/bounds.py newest

pictures: $(INSTALLED)  ## take the pictures of TensorBoard in the README: a run of minutes, then Chromium
	$(PY) docs/pictures.py

# llama.cpp as npm carries it, without the packages for graphics cards; where there is no npm, its judge is left out.
LLAMA := node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1
judges: $(INSTALLED)  ## scores, losses, likelihoods and texts beside programs of others; writes experiments/judges
	$(PY) -m pip install --quiet -c constraints.txt -e '.[judges]'
	! command -v npm || npm install --silent --ignore-scripts --omit=optional --prefix $(VENV)/node $(LLAMA)
	HF_HUB_OFFLINE=1 $(PY) -m experiments.judges

clean:  ## remove build outputs and caches; runs/ and .venv/ stay
	rm -rf build dist site *.egg-info .pytest_cache .ruff_cache lightning_logs
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# Why the demo packages go in without their requirements: see `demo` in setup.cfg, which names them.
DEMO_NAMES := import configparser as c; s = c.RawConfigParser(); s.read("setup.cfg"); \
	print(s["options.extras_require"]["demo"])

$(INSTALLED): setup.cfg pyproject.toml constraints.txt tasks/demo/archive.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
		"ptv2 needs Python 3.11 or newer; name one: make PYTHON=python3.11")'
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet -c constraints.txt -e '.[dev,docs]'
	$(PY) -m pip install --quiet --no-deps $$($(PY) -c '$(DEMO_NAMES)')
	$(PY) -m pip download --quiet --no-deps --no-binary :all: -r tasks/demo/archive.txt -d $(VENV)/share/ptv2
	@touch $@

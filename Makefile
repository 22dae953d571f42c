# Each target does its own set-up in .venv; nothing but Python 3.11 and make is needed beforehand.
PYTHON ?= python3
BIN = .venv/bin
INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES = $(shell git ls-files '*.py' '*.toml' | sed 's/ /\\ /g')

.PHONY: demo test lowest cluster tensorflow browser fuzz faults specs gallery third-party lint types check docs bench clean

demo: .venv/installed ## Install xprun and run the first experiment
	$(BIN)/xprun specs/optimizers.toml
	@echo "open runs/optimizers/report.html"

test: .venv/installed-test ## Install xprun with its tests and run them all
	$(BIN)/python -m pytest -n auto

# LOWEST_TESTS are all tests for a person. CI, for which that would be the whole suite twice, runs those that use most of
# what other versions of pandas, numpy, scipy, seaborn, click and pydantic do otherwise: reports, tables, the command.
LOWEST = .venv-lowest/bin
LOWEST_TESTS ?= tests
lowest: .venv-lowest/installed ## Train, report and compare, then run the tests, on the lowest versions that are promised
	rm -rf build/lowest
	$(LOWEST)/xprun line -o build/lowest/line --format html,md,latex
	$(LOWEST)/xprun specs/optimizers.toml -o build/lowest/optimizers
	$(LOWEST)/xprun report build/lowest/optimizers
	$(LOWEST)/xprun diff build/lowest/line build/lowest/line
	$(LOWEST)/python -c "from xprun import open_results; print(open_results('build/lowest/line').best)"
	$(LOWEST)/python -m pytest -n auto $(LOWEST_TESTS)

specs: .venv/installed-test ## Run the shipped specs and check every figure that they claim
	$(BIN)/python -m pytest -n auto --dist loadfile specs

# CLUSTER_TESTS are all of them for a person, some minutes. CI runs those that take no waiting for a time limit.
CLUSTER_TESTS ?= tests/cluster
cluster: .venv/installed-cluster ## Train on a Ray cluster of two nodes, and by Slurm jobs on this machine, while things are killed
	XPRUN_CLUSTER=1 $(BIN)/python -m pytest $(CLUSTER_TESTS) --durations=5

tensorflow: .venv/installed-tensorflow ## Train in TensorFlow: the published figures, and what agrees with PyTorch
	$(BIN)/python -m pytest specs/thermometer_tensorflow.toml specs/three_gradients_tensorflow.toml tests/with_tensorflow --durations=5

third-party: .venv/installed-test ## Install plugins of third parties into a fresh environment and run them
	$(INSTALL) 'setuptools>=77'
	$(BIN)/python -m pytest tests/third_party/fresh_environment.py

fuzz: .venv/installed-test ## Check 20,000 generated specs
	XPRUN_FUZZ=10 $(BIN)/python -m pytest tests/specs/language/test_fuzz.py

browser: .venv/installed-test ## Drive a chromium, which must be there, over the reports of the shipped specs
	$(INSTALL) --editable '.[browser,test]' --config-settings editable_mode=strict
	XPRUN_BROWSER=all $(BIN)/python -m pytest -n auto tests/reports/browser

gallery: .venv/installed ## Run the shipped specs, make docs/gallery.md of their reports, and take the picture of the README
	$(BIN)/python docs/make_gallery.py

docs: .venv/bin/python ## Build the site of the docs into build/site; a link that leads nowhere is an error
	$(INSTALL) mkdocs-material
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

faults: .venv/installed-test ## Kill, damage, fill the disk, collide: the long form of the fault tests, an hour or two
	XPRUN_FAULTS=long $(BIN)/python -m pytest tests/faults -s

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-dev
	$(BIN)/mypy -p xprun

check: lint types test third-party

bench: .venv/installed-test ## Print the figures that the docs quote
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/grid.py
	$(BIN)/python benchmarks/data.py
	$(BIN)/python benchmarks/resume.py
	$(BIN)/python benchmarks/supervision.py
	$(BIN)/python benchmarks/walls.py
	$(BIN)/python benchmarks/calibration.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

# editable_mode=strict puts links to the sources where type checkers find them too; a new file needs a new install.
.venv/installed: .venv/bin/python pyproject.toml constraints.txt $(SOURCES)
	$(INSTALL) --editable . --config-settings editable_mode=strict
	touch $@

.venv/installed-test: .venv/bin/python pyproject.toml constraints.txt $(SOURCES)
	$(INSTALL) --editable '.[test]' --config-settings editable_mode=strict
	touch $@ .venv/installed

# Beside the tools that CI has installed before.
.venv/installed-cluster: .venv/installed-test
	$(INSTALL) --editable '.[ray,slurm,test]' --config-settings editable_mode=strict
	touch $@

# A gigabyte more, which nothing else needs.
.venv/installed-tensorflow: .venv/installed-test
	$(INSTALL) --editable '.[tensorflow,test]' --config-settings editable_mode=strict
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml constraints.txt $(SOURCES)
	$(INSTALL) --editable '.[dev]' --config-settings editable_mode=strict
	touch $@ .venv/installed-test .venv/installed

# Not editable: the links of an editable installation are those of .venv.
.venv-lowest/installed: pyproject.toml constraints-lowest.txt $(SOURCES)
	$(PYTHON) -m venv .venv-lowest
	rm -rf build/lib build/bdist.*
	$(LOWEST)/pip install --quiet --disable-pip-version-check --constraint constraints-lowest.txt '.[test,third-party]'
	touch $@

clean:
	rm -rf .venv .venv-lowest build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

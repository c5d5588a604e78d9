# Short names for commands, documented in CONTRIBUTING.md.

PYTHON ?= python3
BIN := .venv/bin
# Versions of the development environment. CONSTRAINTS= installs the latest ones.
CONSTRAINTS := $(wildcard constraints.txt)
ACTIONLINT := go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
# Two workers: the tests of the shared mesh take as long as all other tests.
PARALLEL := --numprocesses=2 --dist=loadgroup

.PHONY: demo picture test test-unit test-explore test-pythons test-slow test-nightly test-kubernetes bench docs docs-serve docs-publish generate lint lock dist clean
.DELETE_ON_ERROR:

demo: .venv/installed
	@$(BIN)/python -m demo

test: .venv/installed
	@$(BIN)/python -m toolchain
	$(BIN)/pytest $(PARALLEL) -m "not (slow or faults or kubernetes or nightly)" $(ARGS)

test-unit: .venv/installed
	$(BIN)/pytest $(PARALLEL) -m "not nightly" tests/unit $(ARGS)

# Property tests with random examples. A failure prints its example, which becomes a test.
test-explore: .venv/installed
	CONSUL_TRACING_EXPLORE=1 $(BIN)/pytest --numprocesses=2 -m "hypothesis and not nightly" tests/unit $(ARGS)

test-pythons: .venv/installed
	@.ci/test-pythons

test-slow: .venv/installed
	@$(BIN)/python -m toolchain
	$(BIN)/pytest $(PARALLEL) -m "slow and not (kubernetes or nightly)" $(ARGS)
	@# Fault tests depend on timing, which parallel tests would disturb.
	$(BIN)/pytest -m "faults and not nightly" $(ARGS)

# One process: the tests measure, or write tens of thousands of entries and spans.
test-nightly: .venv/installed
	@$(BIN)/python -m toolchain
	$(BIN)/pytest -m nightly $(ARGS)

test-kubernetes: .venv/installed
	@$(BIN)/python -m toolchain --for kubernetes
	@# Each worker starts its own cluster.
	$(BIN)/pytest --numprocesses=2 -m "kubernetes and not nightly" $(ARGS)

picture: .venv/installed
	@$(BIN)/python -m toolchain --for demo
	@$(BIN)/python -m demo.picture

bench: .venv/installed
	@$(BIN)/python -m toolchain
	@$(BIN)/python -m bench $(ARGS)

# The files that repeat a source: types of the arguments, JSON Schema of stack files, reference, Envoy's messages.
generate: .venv/installed
	$(BIN)/python -m generate

# The documentation site in site/. A page that is not in the navigation, a broken link or a broken anchor is an error.
docs: .venv/installed
	@$(BIN)/python -m website build

docs-serve: .venv/installed
	@$(BIN)/python -m zensical serve

# Adds the site of a release to the branch gh-pages of origin.
docs-publish: .venv/installed
	@$(BIN)/python -m website publish "$(TAG)"

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/zizmor --offline --no-progress --quiet --min-severity=medium .github examples/monitoring/ci/github.yml
	@if command -v go > /dev/null; then $(ACTIONLINT) && $(ACTIONLINT) examples/monitoring/ci/github.yml; else echo "actionlint: skipped, because go is not on PATH"; fi

# The versions of all packages of .venv, without those of the registry from which they come.
lock: .venv/installed
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

# The release: wheel, sdist, plugin and checksums. TAG must be the version of pyproject.toml.
dist: .venv/installed
	@$(BIN)/python -c 'from importlib.metadata import version; v = "v" + version("consul-tracing"); assert "$(TAG)" == v, f"the tag must be {v}, got $(TAG)"'
	rm -rf dist
	$(BIN)/uv build --quiet --out-dir dist
	@# The requirement of the checkout is its parent directory. The archive requires the package of the same release.
	mkdir dist/plugin && cp plugin/PulumiPlugin.yaml plugin/*.py constraints.txt dist/plugin
	printf '%s\n' '--constraint constraints.txt' 'consul-tracing[kubernetes]==$(TAG:v%=%)' > dist/plugin/requirements.txt
	tar --create --gzip --file dist/pulumi-consul-tracing-$(TAG).tar.gz --directory dist/plugin .
	rm -r dist/plugin
	cd dist && sha256sum consul_tracing-* pulumi-* > SHA256SUMS

clean:
	rm -rf .venv .venvs .cache dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis

# .venv is recreated when PYTHON names another Python or when its Python was replaced or removed.
IDENTITY := -c 'import sys; print(sys.base_prefix, "%d.%d" % sys.version_info[:2])'
CHOSEN := $(if $(filter file,$(origin PYTHON)),$(BIN)/python,$(PYTHON))
ifneq ($(shell cat .venv/installed 2>/dev/null),$(shell $(CHOSEN) $(IDENTITY) 2>/dev/null))
.PHONY: .venv/installed
.venv/installed: CLEAR := --clear
endif

# xds-protos, a test dependency, overwrites files of two dependencies of pulumi, which are therefore reinstalled.
.venv/installed: pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "consul-tracing requires Python 3.11 or newer. Choose one: make PYTHON=python3.11")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "consul-tracing requires Python's venv module. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Setting up .venv (once; about a minute)"
	@$(PYTHON) -m venv $(CLEAR) .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(addprefix --constraint=,$(CONSTRAINTS)) --editable '.[dev]'
	@$(BIN)/python -m pip freeze | grep -E '^(googleapis-common-protos|opentelemetry-proto)==' > .venv/overwritten.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps --requirement .venv/overwritten.txt
	@$(BIN)/python $(IDENTITY) > $@

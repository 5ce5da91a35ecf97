# Everything happens inside .venv and target/; nothing else on the machine is changed.
# Files named .venv/.done-* record what has been done, so that a second run does only what has become necessary.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# All cargo commands and maturin share one target directory and one interpreter, whatever environment is active outside.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
unexport CONDA_PREFIX PYTHONHOME PYTHONPATH

RUST_VERSION := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
RUST_SOURCES := Cargo.toml $(wildcard Cargo.lock) pyproject.toml $(shell find src)

.DEFAULT_GOAL := help
.PHONY: help build demo test torture sanitize test-rust test-python check check-rust check-python check-stub check-types \
	check-workflows docs wheels test-wheel licenses bench clean tools

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: $(VENV)/.done-build  ## set up .venv with rustbp in it

demo: $(VENV)/.done-build  ## learn handwritten digits, beside scikit-learn
	$(BIN)/python examples/digits.py

test: test-rust test-python  ## run all tests

test-rust: | tools  ## the core alone, without Python
	cargo test --no-default-features

test-python: $(VENV)/.done-build $(VENV)/.done-group-test  ## pytest; ARGS="-k digits" selects
	$(BIN)/python -m pytest -n auto $(ARGS)

torture: $(VENV)/.done-build $(VENV)/.done-group-test  ## the long forms of the tests for docs/reliability.md (a quarter of an hour)
	$(BIN)/python tests/torture/all.py

sanitize: $(VENV)/.done-build $(VENV)/.done-group-test  ## AddressSanitizer, ThreadSanitizer and Miri; needs a nightly toolchain
	$(BIN)/python tests/torture/sanitize.py

check: check-rust check-python check-stub check-types check-workflows  ## formatting, lints, the stub, types, the workflows

check-rust: $(VENV)/.done-venv  ## rustfmt, clippy with and without Python, rustdoc
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

check-python: $(VENV)/.done-group-check  ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-stub: $(VENV)/.done-build $(VENV)/.done-group-check  ## stubtest
	MYPYPATH=python $(BIN)/stubtest --mypy-config-file pyproject.toml rustbp._core

# pyright finds the package by the python on the path. What it lists of types is printed only where the score is too
# low. The examples of the gallery are scripts to read from top to bottom, and are not held to it.
check-types: $(VENV)/.done-build $(VENV)/.done-group-check  ## what is public has a type; mypy and pyright, strict, on the examples
	PATH="$(CURDIR)/$(BIN):$$PATH" pyright --verifytypes rustbp --ignoreexternal > $(VENV)/types.txt || true
	awk '/^Type completeness score/ { print; good = $$4 + 0 >= 98 } END { exit !good }' $(VENV)/types.txt || \
	  { grep -B 1 -A 1 'error:' $(VENV)/types.txt; exit 1; }
	$(BIN)/mypy --strict examples/*.py
	PATH="$(CURDIR)/$(BIN):$$PATH" pyright

check-workflows: $(VENV)/.done-group-check  ## what hosts read: schemas, zizmor's audits of workflows, the recipe for conda-forge
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms \
	  $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/python release/conda.py --check

docs: $(VENV)/.done-build $(VENV)/.done-group-docs  ## the documentation site, in docs/_build/html; every program of the gallery runs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --jobs auto --builder html docs docs/_build/html
	! grep -rnE '<(script|img)[^>]* src="https?:|<link[^>]* rel="stylesheet"[^>]* href="https?:' \
	  --include='*.html' docs/_build/html  # pages load nothing from elsewhere

wheels: $(VENV)/.done-group-wheels | tools  ## wheel and sdist, checked, in dist/; RELEASE=1 if to be published, AGAIN=1 compares two builds
	$(BIN)/python release/wheels.py $(if $(RELEASE),--release) $(if $(AGAIN),--again) $(ARGS)

test-wheel: | tools  ## the tests with the wheel of dist/, on every Python here; PYTHONS="3.12 oldest" and ARGS select
	$(PYTHON) release/try_wheel.py

# cargo-about takes some minutes to build, and is found on the path if it is there.
licenses: | tools  ## THIRD-PARTY-LICENSES anew, after a change in Cargo.lock
	command -v cargo-about >/dev/null || cargo install --locked --root target/about --features cli cargo-about
	PATH="$$PATH:target/about/bin" cargo about generate --locked -c release/about.toml \
	  -o THIRD-PARTY-LICENSES release/about.hbs

# The large peers are installed only when they are named, as in `make bench PEERS="torch jax optax"`.
bench: $(VENV)/.done-build $(VENV)/.done-group-bench  ## time the workloads (a quarter of an hour); PEERS="torch jax optax" adds these
	$(if $(PEERS),$(PIP) install $(PEERS))
	$(BIN)/python benchmarks/run.py $(ARGS)

clean:  ## remove what the other targets made
	rm -rf $(VENV) target dist docs/_build docs/gallery docs/api/generated docs/api/backreferences python/rustbp/_core*.so

# ---- what the targets above need ----

# The release build, linked into .venv as an editable install: a change to a Python file needs no rebuild.
$(VENV)/.done-build: $(RUST_SOURCES) $(VENV)/.done-group-build | tools
	@echo "Building rustbp (the first time takes a minute or two)"
	$(BIN)/maturin develop --release
	@touch $@

# A group of [dependency-groups] in pyproject.toml.
$(VENV)/.done-group-%: pyproject.toml $(VENV)/.done-venv
	@echo "Installing the packages of the group '$*'"
	@$(PIP) install --group $*
	@touch $@

# pip reads dependency groups since 25.1.
$(VENV)/.done-venv: | tools
	$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

tools:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "rustbp needs Python 3.11 or newer, and '$(PYTHON)' is not." \
	    "Install it, or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@command -v cargo >/dev/null || { \
	  echo "rustbp needs a Rust toolchain, and there is no 'cargo' on the PATH." \
	    "Install one from https://rustup.rs" >&2; exit 1; }
	@printf '%s\n' $(RUST_VERSION) "$$(cargo --version | cut -d ' ' -f 2)" | sort -C -V || { \
	  echo "rustbp needs Rust $(RUST_VERSION) or newer, and this is $$(cargo --version)." \
	    "Update it, for example with: rustup update" >&2; exit 1; }
	@command -v cc >/dev/null || { \
	  echo "Rust needs a C linker, and there is no 'cc' on the PATH." \
	    "Install gcc or clang (Debian: build-essential; macOS: xcode-select --install)" >&2; exit 1; }

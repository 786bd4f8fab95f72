# Runs the tools of the virtual environment; CONTRIBUTING.md says how to make it.
.PHONY: test lint format types check

test: ; .venv/bin/pytest
lint: ; .venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/lint-imports
format: ; .venv/bin/ruff check --fix && .venv/bin/ruff format
types: ; .venv/bin/mypy
check: lint types test

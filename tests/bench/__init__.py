"""Measures; `python -m tests.bench.NAME` runs one."""

"""Experiments whose outcome stands in tests/benchmarks/RESULTS.md; none of them is a test."""

"""Selection: which documents, how often, and why. It all runs in DuckDB, out of core; solvers only see domains.

Nothing is imported here: `check` needs the mixtures' words alone.
"""

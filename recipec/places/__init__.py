"""Storage: files that are complete or absent, digests, publication, locks, and the state of runs."""

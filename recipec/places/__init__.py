"""Where bytes lie: files that are whole or absent, digests, publication, locks, and the state of runs."""

"""A compiler for language-model pretraining data."""

__version__ = "0.1.0"

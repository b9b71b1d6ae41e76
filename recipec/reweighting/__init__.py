"""TiKMiX (arXiv 2508.17677): domain weights from the influence of domains on tasks."""

"""Language models: where they are kept, what a forward pass leaves of a text, and where that is stored."""

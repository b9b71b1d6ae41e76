"""The inputs: shards, targets, the catalog of known facts about them, token counts, and op Read."""

"""What goes in: shards, targets, the catalog of what is known of them, token counts, and op Read."""

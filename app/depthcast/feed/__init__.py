"""The feed service: sources, pacing, the ring of batches, the books and the journal that follow it."""

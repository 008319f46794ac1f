"""Which copies are one action: the dedup definition, in SQL over immutable copies."""

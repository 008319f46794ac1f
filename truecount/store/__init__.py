"""The store: the engine process, what loads it from the log, and the client that everything else asks."""

"""Pure steps between door and log: decode, check, normalise and hash, limit, scrub. No clock, no network, no chance."""

"""The durable log: what was received, in order, and the data folder around it."""

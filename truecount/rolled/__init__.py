"""Rolled-up counts: sums of what dedup says, kept up to date (docs/decisions/0012-rolled-counts.md)."""

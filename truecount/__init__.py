"""Truecount: one true count of every action."""

__version__ = "0.1.0"

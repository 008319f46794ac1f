"""Diagnostics: named checks over what was received, each a folder, and what they find to mend."""

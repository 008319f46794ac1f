"""The doors: read, bound, authenticate, keep, answer. One process each; every other path is relayed to the manager.

    python -m truecount.collect --data DIR --fd N --door door-1

A request's way: protocol (HTTP, by Uvicorn's class) -> browser or server (what it says, policy) -> batcher (one commit
for all that wait) -> answer. Nothing is answered with yes before it is on disk.
"""

"""The manager: one ASGI application on loopback, behind the doors. Health, metrics, the API that the CLI uses.

python -m truecount.manager --data DIR --fd N
"""

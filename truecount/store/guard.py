"""What the guarded user may say: one reading statement that touches nothing but our tables.

Two fences: the session is readonly (ClickHouse refuses writes, settings and most table functions), and what is
refused here before it runs. The engine has no users of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_LITERAL: Final = re.compile(r"'(?:[^'\\]|\\.|'')*'|--[^\n]*|/\*.*?\*/", re.S)
FORBIDDEN: Final = re.compile(
    r"\b(?:file|filecluster|url|urlcluster|s3\w*|gcs|hdfs\w*|azureblob\w*|oss\w*|cosn|"
    r"remote|remotesecure|cluster|clusterallreplicas|mysql|postgresql|mongodb|redis|sqlite|odbc|jdbc|executable|input|"
    r"python|iceberg\w*|deltalake\w*|hudi\w*|paimon\w*|merge|dictionary|loop|fuzz\w*|arrowflight|ytsaurus|catboostevaluate|"
    r"dictget\w*|addresstoline\w*|addresstosymbol|showcertificate)\s*\(",
    re.I,
)
"""Functions and table functions that read files, networks, other tables' guards or this process."""
OUTFILE: Final = re.compile(r"\binto\s+outfile\b|\bfrom\s+infile\b", re.I)
_FOREIGN: Final = re.compile(r"(?:\b|[`\"])default[`\"]?\s*\.", re.I)


def refusal(verdict: Mapping[str, Any], sql: str) -> str:
    """Why a statement is refused, "" when it may run.

    `verdict` is chDB's own reading of it: its class and the number of statements.
    """
    if verdict["statement_count"] > 1:
        return "one statement at a time"
    bare = _LITERAL.sub(" '' ", sql)
    if OUTFILE.search(bare):
        return "files are neither read nor written"
    if verdict["query_class"].name not in {"READ_ONLY", "UNKNOWN"}:
        return "this user may only read"
    if found := FORBIDDEN.search(bare):
        return f"{found[0].split('(')[0].strip()} is not for this user"
    if _FOREIGN.search(bare):
        return "the database default is not for this user"
    return ""

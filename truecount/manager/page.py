"""The first page, until the manager's own pages come: what runs, and where events go."""

from __future__ import annotations

from html import escape


def page(parts: dict[str, str], datasets: int) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(said)}</td></tr>" for name, said in parts.items())
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Truecount</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}
td{{padding:.2rem 1rem .2rem 0}}code{{background:#eee;padding:0 .3em}}</style>
<h1>Truecount runs</h1>
<table>{rows}<tr><td>datasets</td><td>{datasets}</td></tr></table>
<p>Events come in at <code>/tr</code> and <code>/v&lt;N&gt;.0/&lt;dataset&gt;/events</code>. The count is told by
<code>truecount events DATASET</code>; <code>truecount snippet DATASET</code> has the lines for a page and an SDK.</p>
</html>
"""

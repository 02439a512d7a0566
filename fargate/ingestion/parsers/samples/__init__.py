"""The smallest files of every format, for parsers to be tried on before they meet real ones."""

from __future__ import annotations

from fargate.ingestion.parsers.samples import documents, mail, office, word97

_PROSE = "Grüße aus Köln. Ein Café hat geöffnet, und der Bäcker grüßt."
_MARKDOWN = b"""# A

[b](https://c.d) *e* `f` <g>&amp;\\.

- h
  1. i

| j | k |
| - | - |
| l | m |

```
n
```
<p>o</p>
"""
SAMPLES: dict[str, bytes] = {
    "a.txt": _PROSE.encode("cp1252"),
    "a.md": _MARKDOWN,
    "a.html": b"<html><title>a</title><h1>a</h1><ul><li>b</ul><table><tr><td>c</table><pre>d</pre>",
    "a.pdf": documents.PDF,
    "a.docx": documents.docx(),
    "a.doc": word97.doc(),
    "a.xlsx": office.xlsx(),
    "a.xls": office.xls(),
    "a.pptx": office.pptx(),
    "a.rtf": office.RTF,
    "a.odt": office.odt(),
    "a.odp": office.odp(),
    "a.ods": office.ods(),
    "a.csv": mail.CSV,
    "a.json": mail.JSON,
    "a.jsonl": mail.JSON_LINES,
    "a.xml": mail.XML,
    "a.ipynb": mail.NOTEBOOK,
    "a.epub": mail.epub(),
    "a.eml": mail.MAIL,
    "a.mbox": mail.MAILBOX,
    "a.msg": mail.msg(),
}
"""A harmless file of each format that is read, by a name it could bear."""

"""
Make the sample documents from a checkout of the AWS documentation: python infra/make_sample.py CHECKOUT.

CHECKOUT holds `docs/<guide>/<page>.md` and `qa.jsonl`. Most pages are copied as they are; some are turned into PDF,
DOCX and HTML, so that the sample shows every kind of file the platform reads. The outcome is committed.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import docx
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

TARGET = Path(__file__).parent.parent / "fargate" / "standalone" / "sample"

AS_PDF = {
    "aws-transit-gateway-guide/transit-gateway-quotas.md",
    "amazon-rds-user-guide/CHAP_Limits.md",
    "amazon-rds-user-guide/USER_RebootInstance.md",
}
AS_DOCX = {
    "aws-lambda-developer-guide/gettingstarted-limits.md",
    "amazon-ec2-user-guide/AmazonS3.md",
    "aws-lambda-developer-guide/configuration-versions.md",
}
AS_HTML = {
    "amazon-guardduty-user-guide/guardduty_limits.md",
    "elb-application-load-balancers-user-guide/load-balancer-limits.md",
    "amazon-guardduty-user-guide/what-is-guardduty.md",
}
BESIDES = {
    "amazon-ec2-user-guide/ec2-key-pairs.md",
    "amazon-ec2-user-guide/Stop_Start.md",
    "amazon-ec2-user-guide/elastic-ip-addresses-eip.md",
    "amazon-rds-user-guide/USER_DeleteInstance.md",
    "amazon-rds-user-guide/USER_ReadRepl.md",
    "aws-lambda-developer-guide/configuration-concurrency.md",
    "aws-lambda-developer-guide/lambda-services.md",
    "aws-transit-gateway-guide/what-is-transit-gateway.md",
    "aws-transit-gateway-guide/tgw-vpn-attachments.md",
    "elb-application-load-balancers-user-guide/introduction.md",
    "elb-application-load-balancers-user-guide/lambda-functions.md",
}


def main(checkout: Path) -> None:
    """Write the sample anew."""
    shutil.rmtree(TARGET, ignore_errors=True)
    cases = [json.loads(line) for line in (checkout / "qa.jsonl").read_text(encoding="utf-8").splitlines()]
    pages = {case["doc"] for case in cases} | AS_PDF | AS_DOCX | AS_HTML | BESIDES
    places = {page: _convert(checkout / "docs" / page, page) for page in sorted(pages)}
    golden = [
        {"question": case["question"], "answer": case["answer"], "document": places[case["doc"]]} for case in cases
    ]
    lines = (json.dumps(case, ensure_ascii=False) + "\n" for case in golden)
    (TARGET / "golden.jsonl").write_text("".join(lines), encoding="utf-8")
    print(f"{len(places)} documents, {len(golden)} questions below {TARGET}")


def _convert(source: Path, page: str) -> str:
    text = source.read_text(encoding="utf-8")
    kind = "pdf" if page in AS_PDF else "docx" if page in AS_DOCX else "html" if page in AS_HTML else "md"
    target = TARGET / "documents" / Path(page).with_suffix("." + kind)
    target.parent.mkdir(parents=True, exist_ok=True)
    write = {"md": _markdown, "html": _html, "docx": _docx, "pdf": _pdf}[kind]
    write(text, target)
    return target.relative_to(TARGET / "documents").as_posix()


def _markdown(text: str, target: Path) -> None:
    target.write_text(text, encoding="utf-8")


def _html(text: str, target: Path) -> None:
    body = MarkdownIt("commonmark").enable("table").render(_without_anchors(text))
    title = html.escape(_title(text))
    target.write_text(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body><main>\n{body}</main></body></html>\n",
        encoding="utf-8",
    )


def _docx(text: str, target: Path) -> None:
    document = docx.Document()
    document.core_properties.title = _title(text)
    for kind, content in _pieces(text):
        if kind.startswith("h"):
            document.add_heading(content[0][0], level=min(int(kind[1]), 4))
        elif kind == "table":
            table = document.add_table(rows=0, cols=len(content[0]))
            for row in content:
                for cell, value in zip(table.add_row().cells, row, strict=True):
                    cell.text = value
        else:
            document.add_paragraph(content[0][0], style="List Bullet" if kind == "item" else None)
    document.save(str(target))


def _pdf(text: str, target: Path) -> None:
    styles = getSampleStyleSheet()
    story: list[Paragraph | Table] = []
    for kind, content in _pieces(text):
        if kind == "table":
            rows = [[Paragraph(html.escape(value), styles["BodyText"]) for value in row] for row in content]
            story.append(Table(rows))
        else:
            style = styles["Heading" + kind[1]] if kind.startswith("h") else styles["BodyText"]
            bullet = "• " if kind == "item" else ""
            story.append(Paragraph(bullet + html.escape(content[0][0]), style))
    SimpleDocTemplate(str(target), title=_title(text), author="Amazon Web Services", invariant=1).build(story)


def _pieces(text: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Give (kind, rows): `h1`…`h6`, `text`, `item` and `code` have one row of one cell, a `table` has its own."""
    tree = SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(_without_anchors(text)))
    for node in tree.walk():
        if node.type == "heading":
            yield node.tag, [[_inline(node)]]
        elif node.type == "paragraph":
            yield ("item" if _inside(node, "list_item") else "text"), [[_inline(node)]]
        elif node.type in ("fence", "code_block"):
            yield "code", [[node.content.rstrip()]]
        elif node.type == "table":
            rows = [row for part in node.children for row in part.children]
            yield "table", [[_inline(cell) for cell in row.children] for row in rows]


def _inline(node: SyntaxTreeNode) -> str:
    breaks = {"softbreak": " ", "hardbreak": "\n"}
    leaves = (leaf for leaf in node.walk() if leaf.type in {"text", "text_special", "code_inline", *breaks})
    return "".join(breaks.get(leaf.type, leaf.content) for leaf in leaves).strip()


def _inside(node: SyntaxTreeNode, kind: str) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.type == kind:
            return True
        parent = parent.parent
    return False


def _without_anchors(text: str) -> str:
    return re.sub(r"<a name=[^>]*></a>", "", text)


def _title(text: str) -> str:
    return re.sub(r"[\\#]", "", _without_anchors(text).splitlines()[0]).strip()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

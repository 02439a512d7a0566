"""
Text recognition (OCR), with RapidOCR: pictures, and PDF pages that are pictures.

It is the reader of a sandbox of its own, which is started when the first such file comes: the models take some 100 MiB
of memory, and a second or two to load. Installed with the extra `ocr`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
import pypdfium2
from PIL import Image, ImageDraw, ImageSequence, UnidentifiedImageError
from rapidocr import RapidOCR
from rapidocr.utils.output import RapidOCROutput

from chalicelib.domain.documents import ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import pdf, pdf_layout, sniffing
from fargate.ingestion.parsers.building import DocumentBuilder
from fargate.ingestion.parsers.pdf_layout import Line
from fargate.ingestion.parsers.source import Source

_RESOLUTION = 150
"""Dots per inch at which a page is drawn: letters of eight points are 16 dots high, which the models read well."""
_POINTS = 72
_LONGEST_SIDE = 2_600
_MAX_PIXELS = 100_000_000
_SAME_LINE = 0.5
_SURE_ENOUGH = 0.6
_PARAMETERS: dict[str, Any] = {
    # A child that was forked has one thread, and must not wait for those of its parent.
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    "Global.log_level": "critical",
    "Global.text_score": _SURE_ENOUGH,
}


def sniff(data: bytes, name: str, declared: str | None) -> str:
    """Say what *data* is. Raises `DocumentRejected` for what has no pictures of pages."""
    found = sniffing.media_type_of(data, name, declared)
    if found in sniffing.PICTURES or found in pdf.MEDIA_TYPES:
        return found
    raise DocumentRejected("unsupported_media_type", f"{name} is neither a picture nor a PDF.")


def parse(source: Source) -> ParsedDocument:
    """
    Read the text in the pictures of *source*; where a PDF's page has text of its own, that is taken.

    Raises `DocumentRejected`, as the PDF parser does; `empty` where nothing was recognised.
    """
    if source.media_type in pdf.MEDIA_TYPES:
        return pdf.parse(source, recognise=_page_lines)
    return _read_picture(source)


def rehearse() -> None:
    """Recognise a line, and open a picture of each kind, so that everything is loaded and has been used once."""
    cv2.setNumThreads(0)
    Image.init()  # all formats: a sealed child cannot load them
    picture = Image.new("RGB", (320, 64), "white")
    ImageDraw.Draw(picture).text((8, 16), "Some words", fill="black", font_size=24)
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"):
        packed = io.BytesIO()
        picture.save(packed, kind)
        list(_frames(Source(packed.getvalue(), "a", f"image/{kind.lower()}")))
    _lines(np.asarray(picture), dots_per_point=1)


def _read_picture(source: Source) -> ParsedDocument:
    pages = [_lines(np.asarray(frame), dots_per_point=_RESOLUTION / _POINTS) for frame in _frames(source)]
    builder = DocumentBuilder(source)
    pdf_layout.write(builder, pages)
    return builder.build(pages=len(pages), warnings=["text_recognised"])


def _frames(source: Source) -> Iterator[Image.Image]:
    Image.MAX_IMAGE_PIXELS = _MAX_PIXELS
    try:
        with Image.open(io.BytesIO(source.data)) as picture:
            if getattr(picture, "n_frames", 1) > source.max_pages:
                raise DocumentRejected("too_many_pages", f"{source.name} has more than {source.max_pages:,} pages.")
            animated = picture.format in ("GIF", "WEBP", "PNG")  # whose other frames are a film's, not pages
            for frame in ImageSequence.Iterator(picture):
                shown = frame.convert("RGB")
                shown.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
                yield shown
                if animated:
                    return
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DocumentRejected("too_large", f"{source.name} has more dots than are taken. Make it smaller.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DocumentRejected("unreadable", f"{source.name} is a damaged or incomplete picture.") from error


def _page_lines(page: pypdfium2.PdfPage) -> list[Line]:
    """Recognise a PDF's page; the lines stand where they stand on the page."""
    scale = min(_RESOLUTION / _POINTS, _LONGEST_SIDE / max(page.get_size()))
    bitmap = page.render(scale=scale, rev_byteorder=True)
    return _lines(bitmap.to_numpy()[:, :, :3], dots_per_point=scale)


def _lines(picture: np.ndarray[Any, Any], *, dots_per_point: float) -> list[Line]:
    found = _models()(np.ascontiguousarray(picture))
    if not isinstance(found, RapidOCROutput) or found.boxes is None or found.txts is None:
        return []
    height = picture.shape[0]
    placed = [_placed(box, text) for box, text in zip(found.boxes, found.txts, strict=True)]
    return [_line(row, height, dots_per_point) for row in _rows(placed)]


_Placed = tuple[float, float, float, str]
"""Top, bottom and left edge, in dots from the upper left corner, and the text between them."""


def _placed(box: np.ndarray[Any, Any], text: str) -> _Placed:
    (left, top), (_, bottom) = box.min(axis=0).tolist(), box.max(axis=0).tolist()
    return top, bottom, left, text


def _rows(placed: Sequence[_Placed]) -> Iterator[list[_Placed]]:
    """Gather what stands side by side, in the order in which it was found, each row from left to right."""
    row: list[_Placed] = []
    for one in placed:
        if row and not _beside(row[-1], one):
            yield sorted(row, key=lambda piece: piece[2])
            row = []
        row.append(one)
    if row:
        yield sorted(row, key=lambda piece: piece[2])


def _beside(one: _Placed, other: _Placed) -> bool:
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return shared > _SAME_LINE * min(one[1] - one[0], other[1] - other[0])


def _line(row: Sequence[_Placed], page_height: int, dots_per_point: float) -> Line:
    top, bottom = min(one[0] for one in row), max(one[1] for one in row)
    text = "  ".join(one[3] for one in row)
    lower_edge = (page_height - bottom) / dots_per_point
    return Line(text, lower_edge, (bottom - top) / dots_per_point, bold=False, hidden=False)


@cache
def _models() -> RapidOCR:
    return RapidOCR(params=_PARAMETERS)

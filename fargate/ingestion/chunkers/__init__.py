"""Chunkers: from a parsed document and its tokens to the spans that are embedded and cited."""

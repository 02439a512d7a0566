"""Parsers: one module a family of formats, from bytes to text with blocks; they run in the sandbox only."""

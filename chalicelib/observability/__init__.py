"""Logs, spans and metrics behind small facades; no vendor's SDK."""

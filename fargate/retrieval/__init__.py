"""Retrieval: a question becomes ranked, permitted passages, each with its reasons."""

"""Ingestion: raw file → parse → chunk → embed → index."""

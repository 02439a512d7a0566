"""Entities to and from stored items; the only place that knows how the tables are laid out."""

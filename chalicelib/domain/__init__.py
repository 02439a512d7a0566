"""Entities and pure rules of the field: no I/O, no clock, no framework."""

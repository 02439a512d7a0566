"""What the platform asks of the world, as Protocols; a suite in tests/contract holds each docstring."""

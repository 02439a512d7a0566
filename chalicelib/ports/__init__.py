"""What the platform asks of the world, as Protocols; each docstring is a contract that a suite in tests/contract holds."""

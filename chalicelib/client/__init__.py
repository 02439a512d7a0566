"""The typed client of the public API: what the command line, the console and the tests use."""

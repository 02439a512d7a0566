"""What all tests share: properties are tried on the same examples in every run, so that a failure is a change's own."""

from hypothesis import settings

settings.register_profile("house", derandomize=True)
settings.load_profile("house")

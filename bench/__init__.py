"""The figures of `make bench`: each module measures one thing and prints what it saw."""

"""Generation: passages become an answer with checked citations, or an abstention."""

"""Rerankers: the best of the fused ranking, looked at again with more care."""

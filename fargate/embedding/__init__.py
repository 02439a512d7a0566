"""The embedding service: texts to vectors, spoken as OpenAI's embeddings API."""

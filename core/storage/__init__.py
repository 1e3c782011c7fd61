"""Database models, repositories and the file store."""

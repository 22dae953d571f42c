"""The live page, served while a grid runs."""

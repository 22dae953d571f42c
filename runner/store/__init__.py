"""The output folder: one writer, transactions, checksums, atomic files."""

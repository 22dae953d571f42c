"""What a run leaves behind, what its columns are called, and files that are written whole; knows no other folder."""

"""The catalog in use: documents compiled off the loop into a snapshot, swapped by one assignment."""

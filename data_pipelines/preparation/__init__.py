"""From a raw table to a prepared folder: two passes over the rows, on all cores, resumable."""

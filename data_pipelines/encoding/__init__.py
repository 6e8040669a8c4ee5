"""From raw cells to ids and numbers: the encoding of each field, how it is fitted, and where it is applied."""

"""The parts of `ctrzoo-export`: the rows to check on, one file per form, and the pages that say how to use them."""

"""The parts of `ctrzoo-evaluate`: scored rows, slices, what is measured of them, the page and the files."""

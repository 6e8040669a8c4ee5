"""The parts of `ctrzoo-predict`: the table that is read, its rows encoded, their predictions and reasons written."""

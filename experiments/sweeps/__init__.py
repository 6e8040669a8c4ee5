"""The parts of `ctrzoo-sweep`: planned runs, workers that execute them, results, comparisons, pictures."""

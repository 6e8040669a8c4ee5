"""What `ctrzoo-sweep` is made of: planned runs, the workers that do them, results, comparisons, pictures."""

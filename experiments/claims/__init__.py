"""What GraphFM's paper says, tested: its Table 1, its averages, its sentences about Table 2, its Figure 4."""

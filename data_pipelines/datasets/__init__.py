"""The data sets, one file per data set."""

"""The prepared folder on disk: blocks of rows in TFRecord shards, written atomically and read shuffled."""

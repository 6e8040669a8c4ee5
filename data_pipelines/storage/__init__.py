"""The prepared folder on disk: blocks of rows in TFRecord shards, written whole and read shuffled."""

"""Small runnable lessons about interaction models, each with a table and a picture."""

"""Who a face belongs to: alignment, embedders, known people."""

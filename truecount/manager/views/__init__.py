"""What the pages ask: one module a page, with the shape of its answer, which is its JSON twin too."""

"""Forms about the books: what people type, turned into what the services take."""

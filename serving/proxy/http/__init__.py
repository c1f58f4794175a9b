"""REST: the application, its routes and its document."""

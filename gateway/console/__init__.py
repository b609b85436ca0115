"""The web console: TypeScript sources, and the routes that serve what is built from them."""

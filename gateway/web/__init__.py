"""What every HTTP room shares: admission, bodies within bounds, documents, problems."""

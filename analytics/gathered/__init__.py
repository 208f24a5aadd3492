"""What is known of the whole lake, kept from run to run."""

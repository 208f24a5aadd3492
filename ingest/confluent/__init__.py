"""Values in the Confluent wire format: their payload as JSON, by the schema that a registry has for them."""

"""The lake on real S3-compatible stores: SeaweedFS in every run; for the rest a Versity S3 Gateway, built once."""

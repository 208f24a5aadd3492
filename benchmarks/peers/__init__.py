"""Other ways from Kafka to files, each a program for an environment of its own; `benchmarks.peers_ingest` runs them.

Each is called as `python PROGRAM BOOTSTRAP FOLDER EVENTS TOPIC…`, reads the topics from their beginnings, ends when so
many events are in files in the folder, and prints a JSON object: how many events there are, and its version.
"""

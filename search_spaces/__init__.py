"""The search spaces that come with actsearch, one YAML file each."""

"""What runs when and where: config, graph, cache, store, runners, command line."""

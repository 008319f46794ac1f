"""BrewBeans as a real site: two hosts, a pixel in its pages, a backend that reports by the official SDK."""

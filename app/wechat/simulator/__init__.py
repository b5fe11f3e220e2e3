"""A stand-in for WeChat's platform: its API, its pushes, its people, and a phone on a web page."""

"""Reports for management: what the API answers, the pages show and the exports sum up to."""

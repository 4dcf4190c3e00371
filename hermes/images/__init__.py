"""What is done with whole images: inspect, compare, compress again, commit, push."""

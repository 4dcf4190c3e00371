"""What is done with whole images: inspect, compare, compress again, push."""

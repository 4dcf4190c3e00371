FROM base
CMD echo one
CMD ["echo", "two"]

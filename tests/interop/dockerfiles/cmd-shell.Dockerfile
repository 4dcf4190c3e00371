FROM base
CMD echo hello   world | cat

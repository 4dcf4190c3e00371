FROM base
CMD ["/bin/echo", "a b", "$HOME"]

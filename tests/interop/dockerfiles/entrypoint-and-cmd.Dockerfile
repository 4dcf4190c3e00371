FROM base
CMD ["arg"]
ENTRYPOINT ["/bin/echo", "x"]

FROM base
ENTRYPOINT exec top -b

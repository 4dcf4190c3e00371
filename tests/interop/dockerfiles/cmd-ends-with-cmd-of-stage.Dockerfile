FROM base AS one
CMD ["one"]
FROM one
ENTRYPOINT ["/x"]
